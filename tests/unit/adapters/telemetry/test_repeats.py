from __future__ import annotations

import pytest

from doka.adapters.telemetry.outcomes import OUTCOMES
from doka.adapters.telemetry.repeats import WINDOW_NS, WINDOWS_MAX, Repeats
from doka.domain.facts import (
    CommitFailed,
    Fact,
    GroupBack,
    GroupLost,
    LeaseRejected,
    LeaseRenewalFailed,
    LeaseRenewed,
    LetterFailed,
    LetterStored,
    OffsetsCommitted,
    PartitionStuck,
    RecordsFailed,
    RecordsSettled,
    RouteBlocked,
    RouteOpened,
)
from doka.domain.limits import NS_PER_SECOND
from tests.unit.adapters.telemetry.given import ORDERS_3


def settled(records: int = 500) -> RecordsSettled:
    """Give one put's success."""
    return RecordsSettled("orders", records, 100 * records, 5)


def test_the_first_is_told_at_once() -> None:
    """The first of its kind has its own line, so that a person sees at once that records flow, or do not."""
    assert ["records_settled"] == [line.event for line in Repeats().lines(settled(), 0)]


def test_repetitions_are_one_line_after_ten_seconds() -> None:
    """A thousand puts in ten seconds are two lines: the first, and the sum of the others."""
    repeats = Repeats()
    told = [line for n in range(1_000) for line in repeats.lines(settled(), n)]
    assert 1 == len(told)
    summary = list(repeats.due(WINDOW_NS))
    assert [(999 * 500, 999, 10)] == [
        (s.fields["records"], s.fields["times"], s.fields["over_seconds"]) for s in summary
    ]
    assert summary[0].message.endswith("(999 times in 10 s)")


def test_nothing_is_told_twice_or_lost() -> None:
    """Whatever the rhythm, the records told by all lines together are those of all facts."""
    repeats = Repeats()
    told = 0
    for n in range(5_000):
        now = n * NS_PER_SECOND // 7
        told += sum(int(str(line.fields["records"])) for line in repeats.lines(settled(n), now))
    told += sum(int(str(line.fields["records"])) for line in repeats.rest(5_000 * NS_PER_SECOND))
    assert sum(range(5_000)) == told


def test_after_quiet_the_next_is_told_at_once() -> None:
    """A kind that was quiet for its ten seconds starts anew with a line at once."""
    repeats = Repeats()
    list(repeats.lines(settled(), 0))
    assert [] == list(repeats.due(WINDOW_NS))
    assert 1 == len(list(repeats.lines(settled(), WINDOW_NS + 1)))


def test_kinds_do_not_hide_each_other() -> None:
    """A new code is told at once while another is being repeated."""
    repeats = Repeats()
    kinds = [RecordsFailed("orders", code, 1, ambiguous=False) for code in ("A", "A", "B", "A", "B")]
    assert ["A", "B"] == [line.fields["code"] for n, fact in enumerate(kinds) for line in repeats.lines(fact, n)]


def test_some_facts_always_have_a_line() -> None:
    """Every new lease is told, however short lives are."""
    repeats = Repeats()
    assert 3 == sum(len(list(repeats.lines(LeaseRenewed("analytics", n, 5), n))) for n in range(3))


@pytest.mark.parametrize(
    ("fault", "heal"),
    [
        (
            LeaseRenewalFailed("analytics", "AccessDenied", "not authorized", NS_PER_SECOND, None),
            LeaseRenewed("analytics", 4, 3600 * NS_PER_SECOND),
        ),
        (LeaseRejected("analytics", 4, "ExpiredTokenException", 5), LeaseRenewed("analytics", 5, 3600 * NS_PER_SECOND)),
        (RouteBlocked("orders", "clock_skew", "Signature expired"), RouteOpened("orders", 12)),
        (CommitFailed("REBALANCE_IN_PROGRESS"), OffsetsCommitted(3)),
        (LetterFailed("orders", ORDERS_3, 41, "_MSG_TIMED_OUT", 5), LetterStored("orders", ORDERS_3, 41, "TooLarge")),
        (GroupLost(20, "refused"), GroupBack(90)),
        (PartitionStuck(ORDERS_3, 41, stuck=True), PartitionStuck(ORDERS_3, 41, stuck=False)),
    ],
)
def test_a_fault_is_told_before_its_end(fault: Fact, heal: Fact) -> None:
    """What was gathered of a fault comes before the line that it is over, and nothing of it afterwards."""
    repeats = Repeats()
    facts = [fault, fault, fault, heal]
    told = [line.message for n, fact in enumerate(facts) for line in repeats.lines(fact, n * NS_PER_SECOND)]
    said, healed = OUTCOMES.line(fault).message, OUTCOMES.line(heal).message
    assert [said, f"{said} (2 times in 3 s)", healed] == told
    assert [] == list(repeats.rest(WINDOW_NS + 3 * NS_PER_SECOND))


def test_a_fault_of_somebody_else_is_not_over() -> None:
    """Another route's end lets what was gathered of this one wait for its time."""
    repeats = Repeats()
    blocked = RouteBlocked("orders", "clock_skew", "")
    events = [line.event for fact in (blocked, blocked, RouteOpened("clicks", 5)) for line in repeats.lines(fact, 0)]
    assert ["route_blocked", "route_opened"] == events
    assert 1 == len(list(repeats.rest(1)))


def test_what_was_gathered_is_told_in_the_order_in_which_it_came() -> None:
    """Of two kinds whose time is over together, the one that came last is told last, whichever began first."""
    repeats = Repeats()
    blocked, opened = RouteBlocked("orders", "clock_skew", ""), RouteOpened("orders", 5)
    for fact in (opened, blocked, opened, blocked):
        list(repeats.lines(fact, 0))
    list(repeats.lines(opened, 1))
    list(repeats.lines(blocked, 2))
    assert ["route_opened", "route_blocked"] == [line.event for line in repeats.due(WINDOW_NS)]


def test_kinds_are_bounded() -> None:
    """Beyond the limit of kinds one line stands for all others, with their number."""
    repeats = Repeats()
    told = [
        line
        for n in range(WINDOWS_MAX + 50)
        for line in repeats.lines(RecordsFailed("o", f"{n}", 1, ambiguous=False), n)
    ]
    assert WINDOWS_MAX == len(told)
    rest = list(repeats.rest(WINDOW_NS))
    assert [("outcomes_suppressed", 50)] == [(line.event, line.fields["times"]) for line in rest]
