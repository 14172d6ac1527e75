"""How a question of a command ends that the cluster refuses, or does not answer: as one sentence with its cure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException

from doka.adapters.kafka.client import ClientUnusableError
from doka.adapters.kafka.rights import Right, cure_of_command


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
            raise NotToldError(
                f"this login may not see {group}: {cure_of_command('DESCRIBE', Right.SEE_GROUP)}"
            ) from error
        if told.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            cure = cure_of_command("READ and DESCRIBE", Right.READ, Right.SEE_TOPIC)
            raise NotToldError(f"this login may not read the topic: {cure}") from error
        raise NotToldError(f"Kafka did not answer as it should: {told.str()}; try: doka check") from error
