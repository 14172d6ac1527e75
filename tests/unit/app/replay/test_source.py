"""The source of a replay: its pace, its state, its end."""

from __future__ import annotations

import errno

from doka.adapters.system.inbox import ThreadInbox
from doka.app.replay.source import ALL_SETTLED, ReplaySource
from doka.domain.commands import CommitOffsets
from doka.domain.events import (
    CommitAnswered,
    Event,
    SourceFailed,
    StopRequested,
)
from doka.domain.limits import NS_PER_MS
from doka.domain.records import TopicPartition
from doka.domain.replay.pace import Pace
from doka.domain.replay.progress import Progress, ReplayRange
from tests.integration.kafka.group import Listener
from tests.manual_clock import ManualClock
from tests.unit.app.replay.test_paced import Log
from tests.unit.domain.builders import ORDERS


class Rig:
    """A source of ten offsets, a hundred records a second."""

    def __init__(self, *events: Event) -> None:
        self.clock, self.inbox, self.log = ManualClock(), ThreadInbox(), Log(*events)
        self.progress = Progress([ReplayRange(ORDERS, 0, 10)])
        self.pace = Pace(100, self.clock.now())
        self.kept: list[dict[TopicPartition, int]] = []
        self.source = ReplaySource(
            self.log,  # type: ignore[arg-type] # only what is called
            self.progress,
            self.pace,
            self.clock,
            self.inbox,
            keep=self.keep,
        )
        self.full = False

    def keep(self) -> None:
        """Keep what has settled, unless the disk is full."""
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device", "weekend.state.new")
        self.kept.append(dict(self.progress.settled))


def test_a_commit_is_kept_and_answered_also_while_nothing_may_be_read() -> None:
    """The state says what has settled before the machine hears of it."""
    rig = Rig()
    rig.pace.spent(1_000, 0, rig.clock.now())
    rig.source.commit(CommitOffsets(1, {ORDERS: 4}))
    assert [{ORDERS: 4}] == rig.kept
    assert [CommitAnswered(1)] == rig.source.fetch(10, 100 * NS_PER_MS)
    assert ([], []) == (rig.log.limits, list(rig.inbox.drain()))


def test_the_last_commit_asks_for_the_end() -> None:
    """Once, however many commits come after it."""
    rig = Rig()
    for number, offset in enumerate((9, 10, 10)):
        rig.source.commit(CommitOffsets(number, {ORDERS: offset}))
    assert [StopRequested(ALL_SETTLED)] == list(rig.inbox.drain())


def test_where_nothing_is_left_it_ends_at_once() -> None:
    """A process may have died between the last commit and its end."""
    rig = Rig()
    rig.progress.settle({ORDERS: 10})
    rig.source.open(Listener())
    assert [StopRequested(ALL_SETTLED)] == list(rig.inbox.drain())


def test_a_state_that_cannot_be_kept_ends_it() -> None:
    """In words; what it could not keep was not stored."""
    rig = Rig()
    rig.full = True
    rig.source.commit(CommitOffsets(1, {ORDERS: 10}))
    why = "the state file weekend.state.new cannot be written: No space left on device"
    assert [CommitAnswered(1, why), SourceFailed(why)] == rig.source.fetch(10, 0)
    assert [] == list(rig.inbox.drain())
