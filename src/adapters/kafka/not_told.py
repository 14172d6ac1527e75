"""How a question of a command ends that the cluster refuses, or does not answer: as one sentence with its cure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException

from doka.adapters.kafka.client import ClientUnusableError


class NotToldError(Exception):
    """The cluster does not say, or what is asked for is not there; the text is a sentence for a person."""


@contextmanager
def in_words(group: str = "the group") -> Iterator[None]:
    """Let what the client raises in here end as a sentence; `group` is the one whose commits are asked for."""
    try:
        yield
    except ClientUnusableError as error:
        raise NotToldError(str(error)) from error
    except KafkaException as error:
        told: KafkaError = error.args[0]
        if told.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            raise NotToldError(f"this login may not see {group}: grant DESCRIBE on it") from error
        if told.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise NotToldError("this login may not read the topic: grant READ and DESCRIBE on it") from error
        raise NotToldError(f"Kafka did not answer as it should: {told.str()}; try: doka check") from error
