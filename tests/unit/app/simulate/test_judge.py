from __future__ import annotations

from dataclasses import replace

import pytest

from doka.app.simulate.history import BROKEN, CLEAN, DISORDERED, DOUBLED, LATE, LOST, WAITS, Totals
from doka.app.simulate.judge import judge, span
from doka.app.simulate.observer import Observer
from doka.app.simulate.scene import Scene
from tests.unit.app.simulate.test_history import TOTALS


class Seen(Observer):
    """An observer of a world without records."""

    class _Landings:
        strange_keys = 0

    @property
    def landings(self) -> _Landings:  # type: ignore[override]  # all that the verdict reads of it
        return self._Landings()


SCENE = Scene("test", 3_600.0, delay_seconds=10.0)


@pytest.mark.parametrize(
    ("totals", "verdict", "told"),
    [
        (TOTALS, CLEAN, ""),
        (replace(TOTALS, lost=3, first_lost_at=3_600.0), LOST, "3 records are lost: below the committed offset, and "),
        (replace(TOTALS, out_of_order=1), DISORDERED, "1 records landed after a later one of their key"),
        (replace(TOTALS, duplicates=5, duplicates_explained=4), DOUBLED, "5 duplicates, and what befell the run "),
        (replace(TOTALS, duplicates=4, duplicates_explained=4), CLEAN, ""),
        (replace(TOTALS, longest_delay=10.5), LATE, "a record took 10 s; the stated bound is 10 s"),
        (replace(TOTALS, waiting=1), LATE, "1 record is still waiting in Kafka"),
    ],
    ids=["clean", "lost", "disordered", "doubled", "explained", "late", "waiting"],
)
def test_each_sum_has_its_verdict(totals: Totals, verdict: str, told: str) -> None:
    """What is not as it should be is the verdict, with a sentence; explained duplicates are as they should be."""
    given, reasons = judge(totals, Seen(), SCENE, None)
    assert verdict == given
    assert [bool(told)] == [bool(reasons)] or reasons[0].startswith(told)


def test_the_worst_comes_first() -> None:
    """Loss outweighs everything; all the rest is still told."""
    totals = replace(TOTALS, lost=1, duplicates=9, waiting=3, longest_delay=99.0)
    verdict, reasons = judge(totals, Seen(), SCENE, "it broke")
    assert LOST == verdict
    assert 5 == len(reasons)
    assert BROKEN == judge(TOTALS, Seen(), SCENE, "it broke")[0]


def test_waiting_is_no_failure_where_the_scene_says_so() -> None:
    """A scene may end in the middle of an outage."""
    scene = replace(SCENE, must_deliver=False)
    assert WAITS == judge(replace(TOTALS, waiting=1), Seen(), scene, None)[0]


def test_a_duration_is_told_as_people_do() -> None:
    """Milliseconds below one second, tenths below ten, minutes from two on, hours from two on."""
    assert ["400 ms", "2.5 s", "60 s", "12 min", "3 h 05 min", "61 h 59 min"] == [
        span(of) for of in (0.4, 2.5, 60, 720, 3 * 3_600 + 300, 62 * 3_600 - 60)
    ]
