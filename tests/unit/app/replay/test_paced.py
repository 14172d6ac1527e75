"""A source that is read at a pace of its own."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from doka.app.replay.paced import LOOKS_AT_ONCE, PacedSource
from doka.domain.events import Event, GapFound, PartitionEnded, RecordsFetched, SourceFailed
from doka.domain.ports import RebalanceListener
from doka.domain.replay.pace import Pace
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
    """A source of a hundred records a second."""

    def __init__(self, *events: Event) -> None:
        self.clock, self.log = ManualClock(), Log(*events)
        pace = Pace(100, self.clock.now())
        self.source = PacedSource(self.log, pace, self.clock)  # type: ignore[arg-type] # only what is called


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
