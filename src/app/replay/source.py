"""The source of a replay: ranges of Kafka's log, read at the replay's pace, whose commits go into its own state.

To the machine it is a source like any other. A commit says that all below it has settled, so it is what a replay that was
killed goes on from; when the last range has settled it asks the loop to end.

It must never let a topic that was made anew pass for the one that was asked for, and never say of a state that could not be
kept that it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from select import select
from typing import Final

from doka.domain.commands import CommitOffsets
from doka.domain.events import CommitAnswered, Event, GapFound, RecordsFetched, SourceFailed, StopRequested
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock, Inbox, RebalanceListener, Source
from doka.domain.records import TopicPartition
from doka.domain.replay.pace import Pace
from doka.domain.replay.progress import Progress
from doka.domain.status import SourceStatus

LOOKS_AT_ONCE: Final = 50
"""A look brings few records where the pace is slow, and all of them may lie between two ranges. One that brings nothing costs
ten microseconds."""
ALL_SETTLED: Final = "the end: all of it has settled"


def _rest(ns: int) -> None:
    select([], [], [], ns / NS_PER_SECOND)  # by the steady clock, and lets signals in


class ReplaySource:
    """Stands before the source that reads the ranges."""

    def __init__(
        self,
        inner: Source,
        progress: Progress,
        pace: Pace,
        clock: Clock,
        inbox: Inbox,
        *,
        keep: Callable[[], None],
        rest: Callable[[int], object] = _rest,
    ) -> None:
        """Take the parts; `keep` stores the state, and raises OSError where it cannot; `rest` lets so many ns pass."""
        self._inner = inner
        self._progress = progress
        self._pace = pace
        self._clock = clock
        self._inbox = inbox
        self._keep = keep
        self._rest = rest
        self._due: list[Event] = []
        self._asked_to_end = False

    def open(self, listener: RebalanceListener) -> None:
        """Begin to read; where nothing is left, ask for the end at once."""
        self._inner.open(listener)
        self._end_if_all_settled()

    def fetch(self, limit: int, wait: int) -> Sequence[Event]:
        """Give what has arrived, within the pace."""
        due, self._due = self._due, []
        now = self._clock.now()
        allowed = self._pace.allowed(now)
        if not allowed:
            if not due:
                self._rest(min(wait, self._pace.rests_until() - now))
            return due
        fetched = [_checked(event) for event in self._read(min(limit, allowed), 0 if due else wait)]
        for event in fetched:
            if isinstance(event, RecordsFetched):
                self._pace.spent(event.chunk.count, event.chunk.payload_bytes, self._clock.now())
        return [*due, *fetched]

    def _read(self, limit: int, wait: int) -> Sequence[Event]:
        """Read until something comes: what lies between two ranges is read over, and is no part of the pace."""
        for _ in range(LOOKS_AT_ONCE):
            found = self._inner.fetch(limit, 0)
            if found:
                return found
        return self._inner.fetch(limit, wait)

    def commit(self, command: CommitOffsets) -> None:
        """Keep the state; where it cannot be kept the replay ends."""
        self._progress.settle(command.offsets)
        try:
            self._keep()
        except OSError as error:
            why = f"the state file {error.filename or ''} cannot be written: {error.strerror}"
            self._due += (CommitAnswered(command.commit, why), SourceFailed(why))
            return
        self._due.append(CommitAnswered(command.commit))
        self._end_if_all_settled()

    def _end_if_all_settled(self) -> None:
        if self._progress.finished and not self._asked_to_end:
            self._asked_to_end = True
            self._inbox.put(StopRequested(ALL_SETTLED))

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


def _checked(event: Event) -> Event:
    """Let a log that is not the one that was asked for end the replay; what retention took is passed on."""
    if isinstance(event, GapFound) and (event.anew or not event.expected < event.log_start):
        return SourceFailed(
            f"{event.partition} is another log than when the replay began: its offsets mean other records"
        )
    return event
