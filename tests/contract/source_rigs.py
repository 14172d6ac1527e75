"""The same topic twice: on librdkafka's mock cluster behind the real source, and in the simulated world."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka.skip_writing import Found, SkipWriting
from doka.adapters.kafka.source import KafkaSource
from doka.adapters.simulated.kafka import SimulatedSource
from doka.adapters.simulated.plan import Plan, Rates, Work
from doka.adapters.simulated.world import World
from doka.adapters.system.clock import SystemClock
from doka.domain.events import Event, RecordsFetched
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.ports import Clock, Source
from doka.domain.records import Chunk, TopicPartition
from doka.domain.skip import Skip
from tests.integration.kafka.group import produce, settings_for

TOPIC = "t0"
OFFSET_COMMIT = 8  # the key of Kafka's request
ILLEGAL_GENERATION = 22
Record = tuple[bytes | None, bytes | None]


def _nothing() -> None:
    """Do nothing."""


@dataclass
class Listener:
    """Writes down what the group moves; a test may hang a deed on each callback."""

    assigned: dict[TopicPartition, int] = field(default_factory=dict)
    revoked: list[frozenset[TopicPartition]] = field(default_factory=list)
    on_assigned: Callable[[], None] = _nothing
    stopping: bool = False
    on_revoked: Callable[[], None] = _nothing

    def partitions_assigned(self, positions: Mapping[TopicPartition, int]) -> None:
        """Note the positions."""
        self.assigned.update(positions)
        self.on_assigned()

    def partitions_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Note the partitions."""
        self.revoked.append(partitions)
        self.on_revoked()

    def partitions_lost(self, partitions: frozenset[TopicPartition]) -> None:
        """Note the partitions."""
        self.revoked.append(partitions)

    def asked_to_stop(self) -> bool:
        """Say what the test wishes."""
        return self.stopping


class SourceRig(Protocol):
    """A topic of two partitions, and members that read it one after another."""

    clock: Clock

    def member(self) -> Source:
        """Make a member of the group; the one before it is gone."""

    def write(self, partition: int, *records: Record) -> None:
        """Append records."""

    def trim(self, partition: int, before: int) -> None:
        """Let retention remove what lies below an offset."""

    def refuse_commits(self) -> None:
        """Refuse the next commit."""

    def order(self, partition: TopicPartition, skip: Skip) -> None:
        """Let a person order a skip, the first one of this partition."""


class KafkaRig:
    """The real source on the mock cluster."""

    def __init__(self, cluster: KafkaCluster) -> None:
        cluster.create_topic(TOPIC, 2)
        self._cluster = cluster
        self._settings = settings_for(cluster.bootstrap_servers, TOPIC)
        self.clock: Clock = SystemClock()

    def member(self) -> Source:
        return KafkaSource(self._settings, self.clock)

    def write(self, partition: int, *records: Record) -> None:
        produce(self._cluster, TOPIC, {partition: records})

    def trim(self, partition: int, before: int) -> None:
        self._cluster.delete_records(TOPIC, partition, before)

    def refuse_commits(self) -> None:
        self._cluster.push_errors(OFFSET_COMMIT, [ILLEGAL_GENERATION])

    def order(self, partition: TopicPartition, skip: Skip) -> None:
        found = Found(self._settings.group_id, committed=0, end=skip.far, topic_id=None)
        SkipWriting(self._settings, self.clock).order(partition, found, skip)


class SimulatedTopic:
    """The simulated source."""

    def __init__(self) -> None:
        self.world = World(Plan(seed=1, work=Work(partitions=2)))
        self.clock: Clock = self.world.clock

    def member(self) -> Source:
        if self.world.life is not None:
            self.world.end_life(self.world.life)
        return SimulatedSource(self.world, self.world.begin_life())

    def write(self, partition: int, *records: Record) -> None:
        log = self.world.logs[TopicPartition(TOPIC, partition)]
        for key, value in records:
            log.append(key, value, int(self.clock.wall() * 1000))
        self.world.stir()

    def trim(self, partition: int, before: int) -> None:
        self.world.logs[TopicPartition(TOPIC, partition)].trim(before)

    def refuse_commits(self) -> None:
        self.world.group.rates = replace(Rates(), commit_refused=1.0)

    def order(self, partition: TopicPartition, skip: Skip) -> None:
        self.world.orders[partition] = (skip,)
        self.world.stir()


@dataclass
class Reader:
    """A member with its listener, and everything that it was given."""

    rig: SourceRig
    source: Source
    listener: Listener = field(default_factory=Listener)
    events: list[Event] = field(default_factory=list)

    def open(self) -> Reader:
        """Join, and fetch until both partitions are owned."""
        self.source.open(self.listener)
        self.until(lambda: len(self.listener.assigned) == 2)
        return self

    def until(self, condition: Callable[[], object], *, limit: int = 1000, within: int = 25 * NS_PER_SECOND) -> None:
        """Fetch until the condition holds."""
        deadline = self.rig.clock.now() + within
        while not condition():
            assert self.rig.clock.now() < deadline, f"not within {within / NS_PER_SECOND:g} s: {self.events}"
            self.turn(limit)

    def turn(self, limit: int = 1000, wait: int = 50 * NS_PER_MS) -> Sequence[Event]:
        """Fetch once and keep what came."""
        events = self.source.fetch(limit, wait)
        self.events += events
        return events

    def idle(self, turns: int = 6) -> list[Event]:
        """Fetch for a while; give what came."""
        return [event for _ in range(turns) for event in self.turn()]

    def chunks(self) -> list[Chunk]:
        """Give the chunks so far."""
        return [event.chunk for event in self.events if isinstance(event, RecordsFetched)]

    def offsets(self, partition: int = 0) -> list[int]:
        """Give the offsets of one partition, as they came."""
        return [o for chunk in self.chunks() if chunk.partition.partition == partition for o in chunk.offsets]

    def end_of(self, partition: TopicPartition) -> int | None:
        """Give the end of a log, as the source knows it."""
        log = self.source.status().logs.get(partition)
        return None if log is None else log.end

    def of(self, kind: type[Event]) -> list[Event]:
        """Give the events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]
