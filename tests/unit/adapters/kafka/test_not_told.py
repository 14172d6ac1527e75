"""What the cluster refuses, as a sentence."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from doka.adapters.kafka.client import ClientUnusableError
from doka.adapters.kafka.not_told import NotToldError, in_words

BY = "as doka policy --for operator prints"
READS = "kafka-cluster:ReadData and kafka-cluster:DescribeTopic"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            KafkaException(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED)),
            f"this login may not see group doka: grant DESCRIBE on it; on MSK with IAM kafka-cluster:DescribeGroup, {BY}",
        ),
        (
            KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)),
            f"this login may not read the topic: grant READ and DESCRIBE on it; on MSK with IAM {READS}, {BY}",
        ),
        (
            KafkaException(KafkaError(KafkaError._TIMED_OUT)),
            "Kafka did not answer as it should: Local: Timed out; try: doka check",
        ),
        (ClientUnusableError("no token for Kafka"), "no token for Kafka"),
    ],
)
def test_what_the_client_raises_ends_as_a_sentence(error: Exception, sentence: str) -> None:
    """With the right that is missing, or what to try."""
    with pytest.raises(NotToldError) as told, in_words("group doka"):
        raise error
    assert sentence == str(told.value)
