"""A group member under test, the listener that it reports to, and what was fed to it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from confluent_kafka import Producer

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka.settings import MemberSettings
from doka.adapters.kafka.source import KafkaSource
from doka.adapters.system.clock import SystemClock
from doka.domain.events import Event, PartitionEnded, RecordsFetched
from doka.domain.records import Chunk, TopicPartition
from tests.waiting import PATIENCE_SECONDS, eventually

WAIT_NS = 50_000_000
SESSION_MS = 6_000
"""The shortest that brokers take by default, `group.min.session.timeout.ms`."""


def nothing() -> None:
    """Do nothing."""


@dataclass
class Listener:
    """Writes down what the group moves; a test may hang a deed on each callback."""

    assigned: list[Mapping[TopicPartition, int]] = field(default_factory=list)
    revoked: list[frozenset[TopicPartition]] = field(default_factory=list)
    lost: list[frozenset[TopicPartition]] = field(default_factory=list)
    owned: set[TopicPartition] = field(default_factory=set)
    on_assigned: Callable[[], None] = nothing
    stopping: bool = False
    on_revoked: Callable[[], None] = nothing

    def partitions_assigned(self, positions: Mapping[TopicPartition, int]) -> None:
        """Note the positions."""
        self.assigned.append(dict(positions))
        self.owned.update(positions)
        self.on_assigned()

    def partitions_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Note the partitions."""
        self.revoked.append(partitions)
        self.on_revoked()
        self.owned -= partitions

    def partitions_lost(self, partitions: frozenset[TopicPartition]) -> None:
        """Note the partitions."""
        self.lost.append(partitions)
        self.owned -= partitions

    def asked_to_stop(self) -> bool:
        """Say what the test wishes."""
        return self.stopping


@dataclass
class Member:
    """A source with its listener, and all that it has fed so far."""

    source: KafkaSource
    listener: Listener
    events: list[Event] = field(default_factory=list)

    def turn(self, limit: int = 1000, wait: int = WAIT_NS) -> Sequence[Event]:
        """Fetch once and keep what came; fails where a record is fed that is not owned."""
        events = self.source.fetch(limit, wait)
        self.events += events
        for event in events:
            if isinstance(event, RecordsFetched):
                assert event.chunk.partition in self.listener.owned
        return events

    def until(self, condition: Callable[[], object], *, within: float = 2 * PATIENCE_SECONDS, what: str = "") -> None:
        """Fetch until the condition holds."""

        def turned() -> bool:
            self.turn()
            return bool(condition())

        eventually(turned, within=within, what=what, every=0)

    def chunks(self, partition: TopicPartition | None = None) -> list[Chunk]:
        """Give the chunks fed so far, of one partition or of all."""
        fed = [event.chunk for event in self.events if isinstance(event, RecordsFetched)]
        return [chunk for chunk in fed if partition in {None, chunk.partition}]

    def offsets(self, partition: TopicPartition) -> list[int]:
        """Give the offsets of a partition as they were fed."""
        return [offset for chunk in self.chunks(partition) for offset in chunk.offsets]

    def records(self) -> int:
        """Count what was fed."""
        return sum(chunk.count for chunk in self.chunks())

    def ends(self) -> list[PartitionEnded]:
        """Give the ends of logs that were told."""
        return [event for event in self.events if isinstance(event, PartitionEnded)]


def settings_for(bootstrap_servers: str, *topics: str, **changes: object) -> MemberSettings:
    """Give settings of a fresh group with short time-outs, where the protocol lets them be set."""
    settings = MemberSettings(
        bootstrap_servers=tuple(bootstrap_servers.split(",")),
        group_id=f"group-{uuid.uuid4().hex[:12]}",
        topics=frozenset(topics),
        client={"session.timeout.ms": SESSION_MS, "heartbeat.interval.ms": SESSION_MS // 10},
    )
    if changes.get("group_protocol") == "consumer":
        settings = replace(settings, client={})
    return replace(settings, **changes)  # type: ignore[arg-type] # the tests name fields of KafkaSettings


@contextmanager
def member(settings: MemberSettings, listener: Listener | None = None) -> Iterator[Member]:
    """Run a group member until the block ends."""
    listener = listener or Listener()
    source = KafkaSource(settings, SystemClock())
    source.open(listener)
    try:
        yield Member(source, listener)
    finally:
        source.close()


def produce(
    cluster: KafkaCluster | str,
    topic: str,
    records: Mapping[int, Sequence[tuple[bytes | None, bytes | None]]],
) -> None:
    """Write (key, value) pairs to partitions, in their order, and wait until the brokers have them all.

    Without idempotence what is sent once more to a young topic of a real broker stands behind what was sent after it; the
    embedded cluster takes all at once, and up to a second to number a producer.
    """
    real = isinstance(cluster, str)
    servers = cluster if isinstance(cluster, str) else cluster.bootstrap_servers
    producer = Producer({"bootstrap.servers": servers, "enable.idempotence": real, "linger.ms": 1, "log_level": 0})
    for partition, pairs in records.items():
        for key, value in pairs:
            producer.produce(topic, key=key, value=value, partition=partition)
    assert producer.flush(30) == 0


def numbered(count: int, first: int = 0) -> list[tuple[bytes | None, bytes | None]]:
    """Give records that carry their own number."""
    return [(b"key-%d" % (number % 7), b"%d" % number) for number in range(first, first + count)]
