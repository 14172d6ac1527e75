"""From values to places: axes with round ticks, and numbers as people write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

WIDTH = 1_000.0
HEIGHT = 100.0
"""A plot's inner units; the page stretches them to whatever width there is."""

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_STEPS = (1, 5, 10, 30, _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 30 * _MINUTE, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY)
_TICKS_MAX = 8


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis; `at` is its place as a share of the axis, 0 to 1."""

    at: float
    text: str
    minor: bool = False
    """Whether it may go where there is little room."""


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Seconds after the start of a run, marked by the wall clock."""

    start: datetime
    seconds: float

    def x(self, at: float) -> float:
        """Give the place of a moment; what lies outside is put at the edge."""
        return WIDTH * min(max(at / self.seconds, 0.0), 1.0) if self.seconds else 0.0

    def ticks(self) -> list[Tick]:
        """Mark round times of the wall clock, at most eight."""
        step = next((s for s in _STEPS if self.seconds / s <= _TICKS_MAX), 7 * _DAY)
        midnight = self.start.replace(hour=0, minute=0, second=0, microsecond=0)
        since_midnight = (self.start - midnight).total_seconds()
        at = (since_midnight // step + (since_midnight % step > 0)) * step - since_midnight
        found: list[Tick] = []
        while at <= self.seconds:
            found.append(Tick(at / self.seconds, self._text(at, step), minor=len(found) % 2 == 1))
            at += step
        return found

    def _text(self, at: float, step: float) -> str:
        moment = self.start + timedelta(seconds=at)
        if step < _MINUTE:
            return moment.strftime("%H:%M:%S")
        return moment.strftime("%H:%M" if step < _HOUR else "%a %H:%M")


@dataclass(frozen=True, slots=True)
class ValueAxis:
    """From 0 to a round number at or above the highest value."""

    top: float
    unit: str = ""
    step: float = 0.0

    def y(self, value: float) -> float:
        """Give the place of a value; 0 is below."""
        return HEIGHT * (1 - value / self.top)

    def ticks(self) -> list[Tick]:
        """Mark each step."""
        return [
            Tick(i * self.step / self.top, short(i * self.step, self.unit))
            for i in range(round(self.top / self.step) + 1)
        ]


def value_axis(*columns: Sequence[float], unit: str = "") -> ValueAxis:
    """Give the axis that holds all these columns with two to five steps."""
    highest = max((max(column, default=0) for column in columns), default=0) or 1
    base = 1024.0 if unit == "B" else 1000.0
    scale = 1.0
    while highest / scale >= base:
        scale *= base
    rest = highest / scale
    size = 1.0
    while rest / size >= 10:  # noqa: PLR2004 - one digit
        size *= 10
    step = next(s * size * scale for s in (0.2, 0.5, 1.0, 2.0) if highest <= 5 * s * size * scale)
    if highest < 5:  # noqa: PLR2004 - things are counted in whole ones
        step = 1.0
    steps = -(-highest // step)
    return ValueAxis(step * steps, unit, step)


def short(value: float, unit: str = "") -> str:
    """Write a number so that it fits an axis: 22.7M, 14k, 64 MiB."""
    names, base = (("", "Ki", "Mi", "Gi"), 1024.0) if unit == "B" else (("", "k", "M", "G"), 1000.0)
    power = 0
    while abs(value) >= base and power < len(names) - 1:
        value /= base
        power += 1
    number = f"{value:.2f}".rstrip("0").rstrip(".")
    return f"{number} {names[power]}{unit}".strip() if unit else f"{number}{names[power]}"
