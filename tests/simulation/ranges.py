"""Ranges of the simulated logs as a source, as `adapters/kafka/range_source.py` reads them of real ones."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from doka.adapters.simulated.life import Life
from doka.adapters.simulated.world import World
from doka.domain.commands import CommitOffsets
from doka.domain.errors import InvariantError
from doka.domain.events import Event, GapFound, PartitionEnded, RecordsFetched
from doka.domain.limits import SERVE_CALLBACKS_NS
from doka.domain.ports import RebalanceListener
from doka.domain.records import TopicPartition
from doka.domain.replay.progress import ReplayRange
from doka.domain.status import GroupStatus, SourceStatus


class SimulatedRanges:
    """No member of the group; each partition's ranges are read in their order."""

    def __init__(self, world: World, life: Life, ranges: Iterable[ReplayRange]) -> None:
        self._world = world
        self._life = life
        self._open: dict[TopicPartition, list[ReplayRange]] = {}
        for each in ranges:
            self._open.setdefault(each.partition, []).append(each)
        self._positions = {partition: found[0].first for partition, found in self._open.items()}
        self._paused: set[TopicPartition] = set()
        self._gaps_shown: set[TopicPartition] = set()
        self._listener: RebalanceListener | None = None

    def open(self, listener: RebalanceListener) -> None:
        """Take all partitions."""
        self._world.step(self._life)
        self._listener = listener
        listener.partitions_assigned(dict(self._positions))

    def fetch(self, limit: int, wait: int) -> Sequence[Event]:
        """Give what there is, of one partition at a time."""
        world = self._world
        world.wait_step(self._life)
        for partition in tuple(self._open):
            if partition not in self._paused and world.can_fetch(partition):
                events = self._collect(partition, limit)
                if events:
                    self._open[partition] = self._open.pop(partition)  # the next fetch begins with another one
                    world.progress()
                    return events
        world.timeline.step(world.timeline.now + min(wait, SERVE_CALLBACKS_NS))
        return ()

    def _collect(self, partition: TopicPartition, limit: int) -> list[Event]:
        ranges, log, position = self._open[partition], self._world.logs[partition], self._positions[partition]
        if not ranges:
            return []
        if position < log.start:
            if partition in self._gaps_shown:
                return []
            self._gaps_shown.add(partition)
            return [GapFound(partition, position, log.start, log.end)]
        _, _, end = ranges[0]
        chunk = log.read(position, min(limit, self._world.plan.work.fetch_run))
        events: list[Event] = []
        inside = 0 if chunk is None else bisect_left(chunk.offsets, end)
        if chunk is not None and inside:
            part = chunk if inside == chunk.count else chunk.part(0, inside)
            self._positions[partition] = part.end
            events.append(RecordsFetched(part))
        if log.place_of(self._positions[partition]) == log.place_of(
            end
        ):  # whatever is left below the end has no record
            events.append(PartitionEnded(partition, end))
            del ranges[0]
            self._positions[partition] = ranges[0].first if ranges else end
        return events

    def commit(self, command: CommitOffsets) -> None:
        """Refuse: a replay commits nothing in Kafka."""
        raise InvariantError(f"commit {command.commit} came as far as Kafka")

    def pause(self, partitions: frozenset[TopicPartition]) -> None:
        """Stop delivery."""
        self._paused |= partitions

    def resume(self, partitions: frozenset[TopicPartition]) -> None:
        """Deliver again."""
        self._paused -= partitions

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on at an offset, or at the next one that is in a range."""
        self._gaps_shown.discard(partition)
        ranges = self._open[partition]
        while ranges and ranges[0].end <= offset:
            del ranges[0]
        self._positions[partition] = max(offset, ranges[0].first) if ranges else offset

    def status(self) -> SourceStatus:
        """Say that all is well."""
        return SourceStatus(GroupStatus(joined=True))

    def close(self) -> None:
        """Give the partitions back."""
        self._world.step(self._life)
        if self._listener is not None:
            self._listener.partitions_revoked(frozenset(self._open))
