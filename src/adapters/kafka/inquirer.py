"""Asks the cluster beside the loop: where logs begin and end, and which topics are there.

A broker answers the requests of one connection one after the other, so a question on the consumer's own waits behind a
fetch that waits for records: half a second, for which the loop would stand still. The question therefore goes by a
client of its own, on a thread that lives as long as the question and touches nothing but its answer.

That client is a consumer without a subscription: it joins no group, and its questions create no topic, as those of an
admin client would where brokers create what is asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.kafka.client import ClientLog, ClientUnusableError, new_consumer
from doka.adapters.kafka.client_errors import MISSING_TOPIC
from doka.domain.ports import Clock
from doka.domain.records import TopicPartition

ANSWER_SECONDS: Final = 5.0
NO_GROUP: Final = "doka-questions"  # the client library wants a name; nobody joins it and nothing is stored for it


@dataclass(frozen=True, slots=True)
class ClusterAnswer:
    """What the cluster told; what it did not tell is not in it."""

    logs: Mapping[TopicPartition, tuple[int, int]] = field(default_factory=dict)
    """First offset and end of each log."""
    topics: Mapping[str, bool] = field(default_factory=dict)
    """Whether each topic is there."""


class Inquirer:
    """One question at a time; the next is refused until the answer of the one before was taken."""

    def __init__(self, connection: Mapping[str, Any], clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._answers: SimpleQueue[ClusterAnswer] = SimpleQueue()
        self._busy = False

    def ask(self, logs: Iterable[TopicPartition], topics: Iterable[str]) -> bool:
        """Ask about these logs and topics; False, and nothing is asked, while another question is open."""
        if self._busy:
            return False
        self._busy = True
        question = (tuple(logs), tuple(topics))
        threading.Thread(target=self._find_out, args=question, name="doka-kafka-inquiry", daemon=True).start()
        return True

    def answer(self) -> ClusterAnswer | None:
        """Take the answer; None while there is none."""
        try:
            answer = self._answers.get_nowait()
        except Empty:
            return None
        self._busy = False
        return answer

    def _find_out(self, logs: tuple[TopicPartition, ...], topics: tuple[str, ...]) -> None:
        answer = ClusterAnswer()
        try:
            with beside(self._connection, self._clock) as client:
                answer = ClusterAnswer(_ends(client, logs), _existing(client, topics))
        except ClientUnusableError:
            pass  # no token for a client at the moment: the question is asked again
        finally:
            self._answers.put(answer)


@contextmanager
def beside(connection: Mapping[str, Any], clock: Clock) -> Iterator[Consumer]:
    """Give a client for questions beside the group member; raises ClientUnusableError where none can be made."""
    client = new_consumer({**connection, "group.id": NO_GROUP, "logger": ClientLog(clock)})
    try:
        yield client
    finally:
        client.close()


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


def _existing(client: Consumer, topics: tuple[str, ...]) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for topic in topics:
        try:
            found[topic] = size_of(client, topic, ANSWER_SECONDS) > 0
        except KafkaException:
            break
    return found
