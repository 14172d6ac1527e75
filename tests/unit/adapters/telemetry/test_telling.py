from __future__ import annotations

import logging

import pytest

from doka.adapters.telemetry.telling import Line, Telling
from doka.domain.facts import CommitFailed, OffsetsCommitted, RouteOpened


def one_kind() -> Telling:
    """Give a table with one entry, which leaves out what can be left out."""
    telling = Telling()

    @telling.enter(RouteOpened, alike=lambda fact: (fact.route,))
    def _say(fact: RouteOpened) -> Line:
        return Line(logging.INFO, "route_opened", f"route {fact.route}", {})

    return telling


def test_an_entry_may_leave_out_what_is_usual() -> None:
    """It then moves nothing, and of two that repeat one another the later is told."""
    telling, earlier, later = one_kind(), RouteOpened("orders", 1), RouteOpened("orders", 2)
    assert "route orders" == telling.line(earlier).message
    assert later is telling.merged(earlier, later)
    assert [] == list(telling.moves(later, str))
    assert {RouteOpened} == telling.kinds


def test_kinds_never_repeat_each_other() -> None:
    """What two kinds are alike by may be the same; they are told apart all the same."""
    telling = one_kind()
    telling.enter(OffsetsCommitted, alike=lambda _: ("orders",))(lambda _: Line(logging.INFO, "a_b", "", {}))
    telling.enter(CommitFailed, alike=None)(lambda _: Line(logging.INFO, "c_d", "", {}))
    assert telling.key(RouteOpened("orders", 1)) == telling.key(RouteOpened("orders", 2))
    assert telling.key(RouteOpened("orders", 1)) != telling.key(OffsetsCommitted(1))
    assert None is telling.key(CommitFailed("x"))


def test_what_has_no_entry_is_an_error() -> None:
    """It is never told as something else, nor silently left out."""
    with pytest.raises(KeyError):
        one_kind().line(CommitFailed("x"))


def test_series_keep_their_order_and_are_histograms_by_their_buckets() -> None:
    """The page shows them as they were declared."""
    telling = Telling()
    made = [telling.instrument("b", "B.", "route"), telling.instrument("a", "A.", buckets=(0.5, 1.0))]
    assert made == telling.instruments
    assert [(("route",), ()), ((), (0.5, 1.0))] == [(series.labels, series.buckets) for series in made]
