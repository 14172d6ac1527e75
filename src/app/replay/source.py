"""The source of a replay: ranges of Kafka's log, read at the replay's pace, whose commits go into its own state.

To the machine it is a source like any other. A commit says that all below it has settled, so it is what a replay that was
killed goes on from; when the last range has settled it asks the loop to end.

It must never let a topic that was made anew pass for the one that was asked for, and never say of a state that could not be
kept that it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from doka.app.replay.paced import PacedSource, rest_for
from doka.domain.commands import CommitOffsets
from doka.domain.events import CommitAnswered, SourceFailed, StopRequested
from doka.domain.ports import Clock, Inbox, RebalanceListener, Source
from doka.domain.replay.pace import Pace
from doka.domain.replay.progress import Progress

ALL_SETTLED: Final = "the end: all of it has settled"


class ReplaySource(PacedSource):
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
        rest: Callable[[int], object] = rest_for,
    ) -> None:
        """Take the parts; `keep` stores the state, and raises OSError where it cannot; `rest` lets so many ns pass."""
        super().__init__(inner, pace, clock, rest)
        self._progress = progress
        self._inbox = inbox
        self._keep = keep
        self._asked_to_end = False

    def open(self, listener: RebalanceListener) -> None:
        """Begin to read; where nothing is left, ask for the end at once."""
        super().open(listener)
        self._end_if_all_settled()

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
