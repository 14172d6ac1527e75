"""A source that is read at a pace of its own, so that the service beside it keeps its share of the stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from select import select
from typing import Final

from doka.domain.commands import CommitOffsets
from doka.domain.events import Event, GapFound, RecordsFetched, SourceFailed
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock, RebalanceListener, Source
from doka.domain.records import TopicPartition
from doka.domain.replay.pace import Pace
from doka.domain.status import SourceStatus

LOOKS_AT_ONCE: Final = 50
"""A look brings few records where the pace is slow, and all of them may lie between two ranges. One that brings nothing costs
ten microseconds."""


def rest_for(ns: int) -> None:
    """Let time pass, by the steady clock, and let signals in."""
    select([], [], [], ns / NS_PER_SECOND)


class PacedSource:
    """Stands before another source, as `domain.ports.Source`."""

    def __init__(self, inner: Source, pace: Pace, clock: Clock, rest: Callable[[int], object] = rest_for) -> None:
        """Take the parts; `rest` lets so many ns pass."""
        self._inner = inner
        self._pace = pace
        self._clock = clock
        self._rest = rest
        self._due: list[Event] = []
        """Found beside what is read, and not yet given."""

    def open(self, listener: RebalanceListener) -> None:
        """Begin to read."""
        self._inner.open(listener)

    def fetch(self, limit: int, wait: int) -> Sequence[Event]:
        """Give what has arrived, within the pace."""
        due, self._due = self._due, []
        now = self._clock.now()
        allowed = self._pace.allowed(now)
        if not allowed:
            if not due:
                self._idle(min(wait, self._pace.rests_until() - now))
            return due
        fetched = self._read(min(limit, allowed), 0 if due else wait)
        for event in fetched:
            if isinstance(event, RecordsFetched):
                self._pace.spent(event.chunk.count, event.chunk.payload_bytes, self._clock.now())
        return [*due, *fetched]

    def _idle(self, wait: int) -> None:
        """Let time pass while nothing may be read."""
        self._rest(wait)

    def _read(self, limit: int, wait: int) -> Sequence[Event]:
        """Read until something comes: what lies between two ranges is read over, and is no part of the pace."""
        for _ in range(LOOKS_AT_ONCE):
            found = self._look(limit, 0)
            if found:
                return found
        return self._look(limit, wait)

    def _look(self, limit: int, wait: int) -> Sequence[Event]:
        """Look once for what has arrived."""
        return [checked(event) for event in self._inner.fetch(limit, wait)]

    def commit(self, command: CommitOffsets) -> None:
        """Send offsets to the group."""
        self._inner.commit(command)

    def pause(self, partitions: frozenset[TopicPartition]) -> None:
        """Stop delivery."""
        self._inner.pause(partitions)

    def resume(self, partitions: frozenset[TopicPartition]) -> None:
        """Deliver again."""
        self._inner.resume(partitions)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on reading at `offset`."""
        self._inner.seek(partition, offset)

    def status(self) -> SourceStatus:
        """Say what is known of the logs."""
        return self._inner.status()

    def close(self) -> None:
        """Stop reading."""
        self._inner.close()


def checked(event: Event) -> Event:
    """Let a log that is not the one that was planned for end it; what retention took is passed on."""
    if isinstance(event, GapFound) and (event.anew or not event.expected < event.log_start):
        return SourceFailed(f"{event.partition} is another log than when this began: its offsets mean other records")
    return event
