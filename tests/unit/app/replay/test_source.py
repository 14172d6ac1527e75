"""The source of a replay: its pace, its state, its end."""

from __future__ import annotations

import errno
from collections.abc import Sequence

import pytest

from doka.adapters.system.inbox import ThreadInbox
from doka.app.replay.source import ALL_SETTLED, LOOKS_AT_ONCE, ReplaySource
from doka.domain.commands import CommitOffsets
from doka.domain.events import (
    CommitAnswered,
    Event,
    GapFound,
    PartitionEnded,
    RecordsFetched,
    SourceFailed,
    StopRequested,
)
from doka.domain.limits import NS_PER_MS
from doka.domain.ports import RebalanceListener
from doka.domain.records import TopicPartition
from doka.domain.replay.pace import Pace
from doka.domain.replay.progress import Progress, ReplayRange
from tests.integration.kafka.group import Listener
from tests.manual_clock import ManualClock
from tests.unit.domain.builders import ORDERS, chunk


class Log:
    """Gives what it was told to, and notes how many records were wanted."""

    def __init__(self, *events: Event) -> None:
        self.events = list(events)
        self.limits: list[int] = []
        self.waits: list[int] = []

    def open(self, _listener: RebalanceListener) -> None:
        """Do nothing."""

    def fetch(self, limit: int, wait: int) -> Sequence[Event]:
        """Give everything at once."""
        self.limits.append(limit)
        self.waits.append(wait)
        events, self.events = self.events, []
        return events


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


def test_it_reads_within_its_pace() -> None:
    """What was read is paid for before the next is; nothing is asked of Kafka meanwhile."""
    rig = Rig(RecordsFetched(chunk(["a"] * 5)))
    assert 1 == len(rig.source.fetch(1_000, 0))
    assert [] == rig.source.fetch(1_000, 0)
    rig.clock.pass_seconds(0.05)
    rig.log.events = [PartitionEnded(ORDERS, 10)]
    assert [PartitionEnded(ORDERS, 10)] == rig.source.fetch(1_000, 0)
    assert [1, 1] == rig.log.limits
    rig.clock.pass_seconds(1)
    rig.source.fetch(3, 0)
    rig.source.fetch(1_000, 0)
    assert {3, 10} == set(rig.log.limits[2:])


def test_what_lies_between_two_ranges_is_read_over_at_once() -> None:
    """The log is looked at again as long as nothing of it is wanted, a few times, and then waited for."""
    rig = Rig()
    assert [] == rig.source.fetch(1_000, 7)
    assert [0] * LOOKS_AT_ONCE + [7] == rig.log.waits


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


@pytest.mark.parametrize(
    ("gap", "fails"),
    [
        (GapFound(ORDERS, expected=5, log_start=8, log_end=20), False),
        (GapFound(ORDERS, expected=5, log_start=0, log_end=3), True),
        (GapFound(ORDERS, expected=5, log_start=8, log_end=20, anew=True), True),
    ],
)
def test_another_log_under_the_same_name_ends_it(gap: GapFound, *, fails: bool) -> None:
    """Its offsets mean other records; what retention took is passed on."""
    (event,) = Rig(gap).source.fetch(10, 0)
    assert fails is isinstance(event, SourceFailed)
    assert fails or event == gap
