"""Axes that a person can read."""

from __future__ import annotations

from datetime import datetime

import pytest

from doka.app.simulate.report.scales import TimeAxis, short, value_axis

FRIDAY = datetime.fromisoformat("2026-01-09T18:00")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "", "0"),
        (999, "", "999"),
        (1_500, "", "1.5k"),
        (22_680_000, "", "22.68M"),
        (3_000_000_000, "", "3G"),
        (0, "B", "0 B"),
        (64 * 2**20, "B", "64 MiB"),
    ],
)
def test_numbers_are_short(value: float, unit: str, text: str) -> None:
    """A number fits beside an axis."""
    assert text == short(value, unit)


@pytest.mark.parametrize("highest", [1, 2, 4, 5, 7, 10, 99, 100, 1_001, 22_680_000])
def test_an_axis_holds_its_highest_value(highest: int) -> None:
    """The top is at or above it, by less than one step, and there are at most five steps between round numbers."""
    axis = value_axis([0, highest], [highest - 1])
    assert highest <= axis.top < highest + axis.step + 1e-9
    assert 2 <= len(axis.ticks()) <= 6
    assert 0.0 == axis.ticks()[0].at
    assert pytest.approx(1.0) == axis.ticks()[-1].at


def test_small_counts_have_whole_steps() -> None:
    """Nobody refuses half a put."""
    assert ["0", "1", "2", "3"] == [tick.text for tick in value_axis([3]).ticks()]


def test_an_axis_without_values_is_an_axis() -> None:
    """No column, or only zeros, is drawn from 0 to 1."""
    assert (1.0, 1.0) == (value_axis().top, value_axis([0, 0]).top)


def test_bytes_have_round_steps_of_their_own() -> None:
    """64 MiB are not 67.1 M."""
    assert ["0 B", "20 MiB", "40 MiB", "60 MiB", "80 MiB"] == [
        tick.text for tick in value_axis([64 * 2**20], unit="B").ticks()
    ]


def test_a_weekend_is_marked_by_the_wall_clock() -> None:
    """Marks stand at round hours, not at multiples of the start."""
    ticks = TimeAxis(FRIDAY, 63 * 3600).ticks()
    assert ["Sat 00:00", "Sat 12:00", "Sun 00:00", "Sun 12:00", "Mon 00:00"] == [tick.text for tick in ticks]
    assert [False, True, False, True, False] == [tick.minor for tick in ticks]
    assert pytest.approx(6 / 63) == ticks[0].at


def test_a_minute_is_marked_by_seconds() -> None:
    """A short run has marks too."""
    assert ["18:00:00", "18:00:10", "18:00:20"] == [tick.text for tick in TimeAxis(FRIDAY, 60).ticks()[:3]]


def test_what_lies_outside_is_put_at_the_edge() -> None:
    """A lease may end after the run."""
    axis = TimeAxis(FRIDAY, 100)
    assert [0.0, 500.0, 1000.0] == [axis.x(-5), axis.x(50), axis.x(1e6)]
    assert 0.0 == TimeAxis(FRIDAY, 0).x(0)
