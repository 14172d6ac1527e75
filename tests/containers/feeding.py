"""Feeding a topic with records that say which they are, and asking the group what it has committed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from doka.adapters.kafka.client_errors import COORDINATOR_MOVES
from tests.checking import Production
from tests.waiting import eventually

SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Keys:
    """Which keys the records of a partition have: so many, in turn."""

    count: int
    prefix: str = "k"

    def of(self, number: int) -> str:
        """Give the key of the so-manieth record."""
        return f"{self.prefix}{number % self.count}"


class Feeder:
    """Produces stamped records to one topic; `production` remembers what a verdict has to find."""

    def __init__(
        self, bootstrap_servers: str, topic: str, partitions: int, production: Production | None = None
    ) -> None:
        """Take the topic and how many partitions it has."""
        self.topic = topic
        self.production = Production() if production is None else production
        self._partitions = partitions
        self.fed_at: list[tuple[float, int]] = []
        """When each lot was produced, in s of the steady clock, and how many records there were in all by then."""
        self._fed = 0
        self._failed: list[str] = []
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "enable.idempotence": True,
                "linger.ms": 5,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 1_000_000,
                "log_level": 0,
            }
        )

    def feed(self, records: int, keys: Keys | None = None, *, size: int = 100) -> None:
        """Produce so many records, over all partitions in turn, and wait until Kafka has acknowledged all.

        Each partition has keys of its own: a key lives in one partition, as with a real partitioner.
        """
        keys = keys or Keys(100)
        self.fed_at.append((time.monotonic(), self._fed + records))
        for _ in range(records):
            partition = self._fed % self._partitions
            key = f"{partition}-{keys.of(self._fed // self._partitions)}"
            payload = self.production.payload(self.topic, partition, key, size)
            self._producer.produce(self.topic, payload, key, partition, on_delivery=self._delivered)
            self._fed += 1
            if self._fed % 1_000 == 0:
                self._producer.poll(0)
        left = self._producer.flush(SECONDS)
        assert (0, []) == (left, self._failed[:3]), f"{left} records were not acknowledged, {self._failed[:3]}"

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failed.append(str(error))


def committed(bootstrap_servers: str, group_id: str, topics: Mapping[str, int]) -> dict[tuple[str, int], int]:
    """Give the group's committed offset of every partition (topics with their partition counts); -1001: none."""
    found = stored(bootstrap_servers, group_id, topics)
    return {(each.topic, each.partition): each.offset for each in found}


def stored(bootstrap_servers: str, group_id: str, topics: Mapping[str, int]) -> list[TopicPartition]:
    """Give what the group has stored of every partition: the offset, and the metadata beside it.

    A coordinator that moves or loads, as it does in a broker's first seconds, is asked again.
    """
    with_group = _client(bootstrap_servers, group_id)

    def ask() -> list[TopicPartition] | None:
        try:
            return with_group.committed(_partitions(topics), timeout=SECONDS)
        except KafkaException as error:
            if error.args[0].code() not in COORDINATOR_MOVES:
                raise
            return None

    try:
        return eventually(ask, within=SECONDS, every=0.1, what="a coordinator that knows the group") or []
    finally:
        with_group.close()


def log_starts(bootstrap_servers: str, topics: Mapping[str, int]) -> dict[tuple[str, int], int]:
    """Give the start of the log of every partition."""
    return {log: start for log, (start, _) in _watermarks(bootstrap_servers, topics).items()}


def log_ends(bootstrap_servers: str, topics: Mapping[str, int]) -> dict[tuple[str, int], int]:
    """Give the end of the log of every partition."""
    return {log: end for log, (_, end) in _watermarks(bootstrap_servers, topics).items()}


def _watermarks(bootstrap_servers: str, topics: Mapping[str, int]) -> dict[tuple[str, int], tuple[int, int]]:
    asking = _client(bootstrap_servers, "nobody")
    try:
        return {
            (each.topic, each.partition): asking.get_watermark_offsets(each, timeout=SECONDS)
            for each in _partitions(topics)
        }
    finally:
        asking.close()


def _partitions(topics: Mapping[str, int]) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for topic, count in topics.items() for number in range(count)]


def _client(bootstrap_servers: str, group_id: str) -> Consumer:
    """Give a consumer that only asks: it subscribes to nothing and so joins no group."""
    return Consumer({"bootstrap.servers": bootstrap_servers, "group.id": group_id, "log_level": 0})
