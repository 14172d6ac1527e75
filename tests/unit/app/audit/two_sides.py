"""Both sides of an audit in virtual time: logs that grow, a group that commits, a stream whose shards are split.

What `Windows` and `Reading` ask of a cluster and of a stream is answered by the present state, so a history can go on between
a plan and its reading, and between two windows. The truth is counted where it happens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from doka.adapters.kafka.group_lag import NO_RECORD
from doka.adapters.kafka.log_ranges import LogRange
from doka.adapters.kafka.range_source import Range
from doka.app.audit.sides import Sides, StreamFacts
from doka.app.settings.routes import RouteSettings
from doka.domain.audit.landed import Landed, ShardReached, StreamSpan
from doka.domain.events import Event, PartitionEnded, RecordsFetched
from doka.domain.partitions.start_positions import Committed
from doka.domain.ports import RebalanceListener
from doka.domain.records import Chunk, TopicPartition
from doka.domain.rules import LimitRules, RouteRules
from doka.domain.skip import Skip
from tests.manual_clock import ManualClock
from tests.unit.domain.builders import Extras, route_rules

RUN = 7
"""Records of one answer."""
EDGE_MS = 10_000
"""As the reader's: arrivals so far outside of what is asked for are given, too."""


class Record(NamedTuple):
    """One record of Kafka."""

    key: str
    data: bytes
    timestamp_ms: int


class InShard(NamedTuple):
    """One record of the stream."""

    key: str
    data: bytes
    number: int
    arrived_ms: int


@dataclass
class Shard:
    """A shard, and whether it is closed."""

    name: str
    parents: tuple[str, ...] = ()
    records: list[InShard] = field(default_factory=list)
    closed_ms: int | None = None


@dataclass
class TwoSides:
    """The whole history so far."""

    clock: ManualClock = field(default_factory=ManualClock)
    logs: dict[TopicPartition, list[Record]] = field(default_factory=dict)
    log_starts: dict[TopicPartition, int] = field(default_factory=dict)
    committed: dict[TopicPartition, int] = field(default_factory=dict)
    shards: list[Shard] = field(default_factory=lambda: [Shard("shard-0")])
    retention_ms: int = 24 * 3_600_000
    ids: dict[str, str] = field(default_factory=dict)
    rules: RouteRules = field(default_factory=route_rules)
    """How whoever audits maps records now."""
    failing: Exception | None = None
    """What is raised by the next question to Kafka."""
    host_ahead_ms: int = 0
    """By how much the clock of whoever audits is ahead of all others."""
    record_bytes_max: int = 1 << 20
    number: int = 0
    asked: Counter[str] = field(default_factory=Counter)

    @property
    def now_ms(self) -> int:
        """The present, in ms since the epoch."""
        return round(self.clock.wall() * 1_000) - self.host_ahead_ms

    def append(self, partition: TopicPartition, key: str, data: bytes, timestamp_ms: int | None = None) -> int:
        """Write a record; give its offset."""
        log = self.logs.setdefault(partition, [])
        log.append(Record(key, data, self.now_ms if timestamp_ms is None else timestamp_ms))
        return len(log) - 1

    def land(self, partition: TopicPartition, offset: int) -> None:
        """Let a record land, once more or for the first time, in an open shard that its key belongs to."""
        record = self.logs[partition][offset]
        still_open = [each for each in self.shards if each.closed_ms is None]
        shard = still_open[sum(record.key.encode()) % len(still_open)]
        self.number += 1
        shard.records.append(InShard(record.key, record.data, self.number, self.now_ms))

    def split(self) -> None:
        """Split the oldest shard that is open."""
        parent = next(each for each in self.shards if each.closed_ms is None)
        parent.closed_ms = self.now_ms
        self.shards += [Shard(f"shard-{len(self.shards) + n}", (parent.name,)) for n in (0, 1)]

    def sides(self) -> Sides:
        """Give it as an audit takes it."""
        route = RouteSettings.model_validate({"topics": ["orders"], "stream": {"name": "orders"}, "name": "orders"})
        kafka, stream = SimulatedKafka(self), SimulatedStream(self)
        return Sides(route, self.rules, LimitRules(), self.clock, kafka, None, stream)  # type: ignore[arg-type]  # they answer what is asked


class SimulatedKafka:
    """As `KafkaSide`."""

    def __init__(self, world: TwoSides) -> None:
        self._world = world

    def _ask(self, what: str) -> None:
        self._world.asked[what] += 1
        failing, self._world.failing = self._world.failing, None
        if failing is not None:
            raise failing

    def whole(self) -> tuple[LogRange, ...]:
        """Give all logs."""
        self._ask("whole")
        return tuple(self._range(place, None) for place in sorted(self._world.logs))

    def window(self, since_ms: int, until_ms: int | None) -> tuple[LogRange, ...]:
        """Give what is at least as late."""
        assert until_ms is None
        return tuple(self._range(place, since_ms) for place in sorted(self._world.logs))

    def _range(self, place: TopicPartition, since_ms: int | None) -> LogRange:
        log, start = self._world.logs[place], self._world.log_starts.get(place, 0)
        late = (at for at in range(start, len(log)) if since_ms is None or log[at].timestamp_ms >= since_ms)
        return LogRange(place, next(late, len(log)) if since_ms is not None else start, len(log), start, len(log))

    def committed(self, group: str, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Committed]:
        """Give the commits."""
        assert group == "doka"
        return {p: Committed(self._world.committed[p]) for p in partitions if p in self._world.committed}

    def times(self, places: Mapping[TopicPartition, int]) -> dict[TopicPartition, int | str]:
        """Give the times of the first records there."""
        logs = self._world.logs
        return {p: logs[p][at].timestamp_ms if at < len(logs[p]) else NO_RECORD for p, at in places.items()}

    def ids(self) -> dict[str, str]:
        """Give the ids of topics."""
        return dict(self._world.ids)

    def skips(self, group: str, partitions: Sequence[TopicPartition]) -> list[tuple[TopicPartition, Skip]]:
        """Give none."""
        del group, partitions
        return []

    def reading(self, ranges: Iterable[Range]) -> SimulatedRanges:
        """Read these."""
        return SimulatedRanges(self._world, ranges)


class SimulatedRanges:
    """As `RangeSource`."""

    def __init__(self, world: TwoSides, ranges: Iterable[Range]) -> None:
        self._world = world
        self._left = [(each.partition, each.first, each.end) for each in ranges]

    @property
    def finished(self) -> bool:
        """Whether all was read."""
        return not self._left

    def open(self, listener: RebalanceListener) -> None:
        """Begin."""

    def close(self) -> None:
        """End."""

    def fetch(self, limit: int, wait: int) -> Sequence[Event]:
        """Give some records, or the end of a range."""
        del wait
        if not self._left:
            return ()
        place, first, end = self._left.pop(0)
        if first >= end:
            return (PartitionEnded(place, end),)
        far = min(end, first + min(limit, RUN))
        records = self._world.logs[place][first:far]
        self._left.append((place, far, end))
        keys, values = [each.key.encode() for each in records], [each.data for each in records]
        originals = [Extras(of_timestamp=(1, each.timestamp_ms)) for each in records]
        return (RecordsFetched(Chunk(place, range(first, far), keys, values, records[0].timestamp_ms, originals)),)


class SimulatedStream:
    """As `StreamSide`, and its reader."""

    def __init__(self, world: TwoSides) -> None:
        self._world = world
        self.reader = self

    def facts(self) -> StreamFacts:
        """Give the stream's facts."""
        return StreamFacts("arn:orders", self._world.record_bytes_max)

    def span(self, since_ms: int) -> StreamSpan:
        """Give the shards that may hold something of what arrived since then."""
        world = self._world
        listed = {
            each.name: each for each in world.shards if each.closed_ms is None or each.closed_ms >= since_ms - EDGE_MS
        }
        parents = {name: tuple(p for p in each.parents if p in listed) for name, each in listed.items()}
        return StreamSpan(parents, world.now_ms, world.now_ms - world.retention_ms)

    def read(self, since_ms: int, until_ms: int, behind: Mapping[str, str]) -> Iterator[Landed | ShardReached]:
        """Give what arrived, behind the last record of each shard that was read before."""
        world = self._world
        for shard in [each for each in world.shards if each.name in self.span(since_ms).shards]:
            last = int(behind.get(shard.name, "0"))
            found = [
                each for each in shard.records
                if each.number > last and each.arrived_ms >= max(since_ms - EDGE_MS, world.now_ms - world.retention_ms)
            ]  # fmt: skip
            for at in range(0, len(found), RUN):
                run = found[at : at + RUN]
                numbers, arrived = [str(each.number) for each in run], [each.arrived_ms for each in run]
                yield Landed(shard.name, [r.key for r in run], [r.data for r in run], numbers, arrived)
                yield ShardReached(shard.name, arrived[-1], numbers[-1], ended=False)
            yield ShardReached(shard.name, until_ms, None, ended=True)
