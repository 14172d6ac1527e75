"""What becomes of the records of a replay, as the loop tells it."""

from __future__ import annotations

import pytest

from doka.app.replay.outcome import Outcome, ReplayTelemetry
from doka.domain.events import Landings
from doka.domain.facts import GapSeen, RecordsFailed, RecordsPoisoned, RecordsSettled, RecordsSkipped, UnreadableSeen
from doka.domain.records import TopicPartition
from doka.domain.replay.pace import Pace
from doka.domain.replay.progress import ReplayRange
from doka.domain.skip import Skip
from doka.domain.status import Status
from tests.manual_clock import ManualClock

P0 = TopicPartition("orders", 0)


class Told:
    """A telemetry with its outcome and its pace."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.outcome = Outcome()
        self.pace = Pace(1_000, self.clock.now())
        self.shown: list[Status] = []
        self.telemetry = ReplayTelemetry(self.outcome, self.pace, self.clock, self.shown.append)


def test_what_landed_is_counted_and_what_did_not_is_named() -> None:
    """By its place, so that what is told twice after a kill counts once."""
    told = Told()
    for _ in range(2):
        for fact in (
            RecordsSettled("orders", 10, 100, 5),
            RecordsFailed("orders", "timeout", 3, ambiguous=True),
            RecordsPoisoned("orders", P0, 7, "RecordTooLarge", "drop"),
            GapSeen(P0, 10, 20, "continue"),
            UnreadableSeen(P0, 30, 40, "damaged", "continue"),
            RecordsSkipped(P0, 50, 51, 1, Skip(50, 51, "ada", "now", "cancelled")),
        ):
            told.telemetry.tell(fact)
    # Digits of two lengths: as text the second would be the lower one. What was refused has none.
    told.outcome.note_landings(Landings(["shard-0", "", "shard-1", "shard-0"], ["99", "", "7", "100"]))
    assert (
        Outcome(
            landed=20,
            may_repeat=6,
            poisoned={(P0, 7): "RecordTooLarge"},
            gone={ReplayRange(P0, 10, 20)},
            unreadable={ReplayRange(P0, 30, 40)},
            skipped={ReplayRange(P0, 50, 51)},
            written={"shard-0": (99, 100), "shard-1": (7, 7)},
        )
        == told.outcome
    )
    assert told.outcome == Outcome.of_data(told.outcome.as_data())


@pytest.mark.parametrize(
    ("outcome", "whole"),
    [
        (Outcome(landed=5), True),
        (Outcome(skipped={ReplayRange(P0, 5, 6)}), True),
        (Outcome(poisoned={(P0, 7): "NoValue"}), False),
        (Outcome(gone={ReplayRange(P0, 5, 6)}), False),
        (Outcome(unreadable={ReplayRange(P0, 5, 6)}), False),
    ],
)
def test_it_is_whole_where_nothing_stayed_behind_but_by_order(outcome: Outcome, *, whole: bool) -> None:
    """What a person has ordered to skip is not missing."""
    assert whole is outcome.whole


@pytest.mark.parametrize(
    ("code", "rate"), [("ProvisionedThroughputExceededException", 500), ("InternalFailure", 1_000), ("timeout", 1_000)]
)
def test_throttling_slows_the_pace_and_nothing_else_does(code: str, rate: int) -> None:
    """A stream that is out of order is no reason to go slower once it is well."""
    told = Told()
    told.clock.pass_seconds(2)
    told.telemetry.tell(RecordsFailed("orders", code, 3, ambiguous=False))
    assert rate == told.pace.records_per_second(told.clock.now())


def test_the_present_state_is_shown() -> None:
    """As often as the loop gives it."""
    told = Told()
    told.telemetry.publish(Status(at=1, held_bytes=0, held_bytes_max=1))
    assert [1] == [status.at for status in told.shown]
