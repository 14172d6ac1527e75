from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from operator import attrgetter

import pytest

from benchmarks.stages import COLLECTOR, STAGES, StageClock, main, table_of
from tests.unit.benchmarks.test_tables import rows_of


@pytest.mark.parametrize("place", [place for place, _ in STAGES])
def test_every_stage_is_there(place: str) -> None:
    """A renamed method of the service is noticed here, not by whoever wants a profile."""
    module, _, name = place.partition(":")
    assert callable(attrgetter(name)(import_module(module)))


class HandClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now

    def work(self, ns: int, then: Callable[[], object] | None = None) -> None:
        """Let time pass, do something, and let as much pass again."""
        self.now += ns
        if then is not None:
            then()
            self.now += ns


def test_time_counts_in_the_innermost_stage_only() -> None:
    """What one stage spends inside another is the other's, and the sum is all the time there was."""
    now = HandClock()
    clock = StageClock(now)
    inner = clock.watch(lambda: now.work(5), "inner")
    outer = clock.watch(lambda: now.work(10, inner), "outer")
    outer()
    inner()
    assert ({"outer": 20, "inner": 10}, {"outer": 1, "inner": 2}) == (dict(clock.spent), dict(clock.calls))
    assert now.now == clock.spent.total()


def test_an_exception_ends_a_stage_as_well() -> None:
    """A stage that raises is counted, and what comes after it is not counted inside it."""
    now = HandClock()
    clock = StageClock(now)

    def fail() -> None:
        now.work(5)
        raise LookupError

    with pytest.raises(LookupError):
        clock.watch(fail, "failing")()
    clock.watch(lambda: now.work(1), "next")()
    assert {"failing": 5, "next": 1} == dict(clock.spent)


def test_stages_are_shown_by_record_and_the_collector_apart() -> None:
    """The most expensive stage comes first; what the collector took is in them already and not added again."""
    spent, calls = {"a": 1_000_000, "b": 3_000_000, COLLECTOR: 500_000}, {"a": 10, "b": 20, COLLECTOR: 1}
    assert [
        ["3.00", "20", "b"],
        ["1.00", "10", "a"],
        ["0.50", "1", COLLECTOR],
        ["4.00", "", "the loop's thread together"],
    ] == rows_of(table_of(spent, calls, 1_000, "a case"))


def test_a_case_that_there_is_not_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is started, in a line, with those that there are."""
    with pytest.raises(SystemExit, match="2"):
        main(["plain"])
    assert "there is no case 'plain'; there are plain-100b" in capsys.readouterr().err
