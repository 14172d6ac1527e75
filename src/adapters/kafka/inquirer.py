"""Asks the cluster beside the loop: where logs begin and end, and which topics are there.

A broker answers the requests of one connection one after the other, so a question on the consumer's own waits behind a
fetch that waits for records: half a second, for which the loop would stand still. The question therefore goes by a
client of its own, on a thread that lives as long as the question and touches nothing but its answer.

That client is a consumer without a subscription: it joins no group, and its questions create no topic, as those of an
admin client would where brokers create what is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.kafka.client import ClientLog, new_consumer
from doka.adapters.kafka.client_errors import MISSING_TOPIC
from doka.adapters.kafka.columns import AnyMessage
from doka.adapters.kafka.question import Question
from doka.domain.ports import Clock
from doka.domain.records import TopicPartition

ANSWER_SECONDS: Final = 5.0
PASSED_OVER_MAX: Final = 5  # the client tells a refusal of its group once, and asks on in silence
NO_GROUP: Final = "doka-questions"  # the client library wants a name; nobody joins it and nothing is stored for it


@dataclass(frozen=True, slots=True)
class ClusterAnswer:
    """What the cluster told; what it did not tell is not in it."""

    logs: Mapping[TopicPartition, tuple[int, int]] = field(default_factory=dict)
    """First offset and end of each log."""
    topics: Mapping[str, int] = field(default_factory=dict)
    """How many partitions each topic has; 0: it is not there."""
    refused: frozenset[str] = frozenset()
    """Topics that may not be seen, be they there or not."""


class Inquirer:
    """One question at a time; the next is refused until the answer of the one before was taken."""

    def __init__(self, connection: Mapping[str, Any], clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._question = Question(self._find_out, ClusterAnswer())

    def ask(self, logs: Iterable[TopicPartition], topics: Iterable[str]) -> bool:
        """Ask about these logs and topics; False, and nothing is asked, while another question is open."""
        return self._question.ask((tuple(logs), tuple(topics)))

    def answer(self) -> ClusterAnswer | None:
        """Take the answer; None while there is none."""
        return self._question.answer()

    def _find_out(self, asked: tuple[tuple[TopicPartition, ...], tuple[str, ...]]) -> ClusterAnswer:
        logs, topics = asked
        with beside(self._connection, self._clock) as client:
            return ClusterAnswer(_ends(client, logs), *_existing(client, topics))


@contextmanager
def beside(connection: Mapping[str, Any], clock: Clock) -> Iterator[Consumer]:
    """Give a client for questions beside the group member; raises ClientUnusableError where none can be made."""
    keys = {**connection, "group.id": NO_GROUP, "enable.auto.commit": False}  # by default it commits what it reads
    client = new_consumer({**keys, "logger": ClientLog(clock, quiet=True)})
    try:
        yield client
    finally:
        client.close()


def next_message(client: Consumer, seconds: float) -> AnyMessage | None:
    """Give what the client has next, a record or an error; None where nothing comes, after some `seconds`.

    What it is told of its group is passed over: the name stands for nobody, and no ACL allows it anything.
    """
    for _ in range(PASSED_OVER_MAX):
        found = client.consume(1, seconds)
        error = found[0].error() if found else None
        if error is None or error.code() != KafkaError.GROUP_AUTHORIZATION_FAILED:
            return found[0] if found else None
    return None


def size_of(client: Consumer, topic: str, timeout: float) -> int:
    """Give the number of partitions of a topic, 0 where there is no such topic; raises KafkaException."""
    told = client.list_topics(topic, timeout=timeout).topics[topic]
    if told.error is None:
        return len(told.partitions)
    if told.error.code() in MISSING_TOPIC:
        return 0
    raise KafkaException(told.error)


def _ends(client: Consumer, logs: tuple[TopicPartition, ...]) -> dict[TopicPartition, tuple[int, int]]:
    found: dict[TopicPartition, tuple[int, int]] = {}
    for partition in logs:
        try:
            found[partition] = client.get_watermark_offsets(KafkaPartition(*partition), timeout=ANSWER_SECONDS)
        except KafkaException:
            break  # the others would wait as long; the question is asked again
    return found


def _existing(client: Consumer, topics: tuple[str, ...]) -> tuple[dict[str, int], frozenset[str]]:
    """Give the number of partitions of each topic, 0 where it is not there, and of which that may not be known."""
    found: dict[str, int] = {}
    refused: set[str] = set()
    for topic in topics:
        try:
            told = client.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic]
        except KafkaException:
            break
        if told.error is not None and told.error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            refused.add(topic)
        elif told.error is None or told.error.code() in MISSING_TOPIC:
            found[topic] = 0 if told.error is not None else len(told.partitions)
        else:
            break
    return found, frozenset(refused)
