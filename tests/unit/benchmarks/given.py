"""A run as the tests of its parts need it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.report import Report
from benchmarks.rounds import Figures, Round


def a_round(doka: float, floor: float = 1.0, baseline: float = 20.0) -> dict[str, Figures]:
    """Give a round in which only CPU was measured, in us a record."""
    return {"doka": {"cpu_us": doka}, "floor": {"cpu_us": floor}, "baseline": {"cpu_us": baseline}}


def a_report(cases: Mapping[str, Sequence[Round]], commit: str = "abc") -> Report:
    """Give a run of these cases."""
    return Report(
        at="2026-11-23T00:00:00+00:00",
        commit=commit,
        machine={"cpu": "a CPU", "cores": 2},
        versions={"python": "3.11.7"},
        kafka="apache/kafka:4.1.1",
        quick=True,
        load_before=0.1,
        load_after=1.5,
        cases=cases,
    )
