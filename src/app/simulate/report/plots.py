"""The plots, as SVG that stretches and text beside it that does not.

Lines, areas and bars are drawn in units of `scales.WIDTH` times `scales.HEIGHT` and stretched by the browser; whatever
is to be read is HTML, placed by percentages, so that it keeps its size on a narrow screen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

from doka.app.simulate.history import REFUSED, Fault, LeaseWindow, Refusals
from doka.app.simulate.report.scales import HEIGHT, WIDTH, Tick, TimeAxis, ValueAxis

CODES = 4  # that have a colour of their own
LEASE_HEIGHT = 0.82  # of its row, so that rows are seen to be rows
LEAST_WIDTH = 1.5
"""Of a mark, in inner units: what lasts a moment must be seen all the same."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a colour stands for; `kind` is its class in the style sheet."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Plot:
    """One figure: what is drawn, on which axes, and what its colours mean."""

    title: str
    drawn: str
    times: TimeAxis
    values: ValueAxis | None = None
    marks: Sequence[Mark] = ()
    note: str = ""
    tall: bool = True
    faults: Sequence[Fault] = ()
    columns: Sequence[tuple[Mark, Sequence[float]]] = field(default=())
    """What the pointer tells: entry i at the i-th moment of the run."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """Draws columns whose entry i is the value at `moments[i]`, in seconds after the start."""

    moments: Sequence[float]
    times: TimeAxis
    values: ValueAxis

    def line(self, column: Sequence[float], kind: str) -> str:
        """Draw a column as a line."""
        return f'<path class="line {kind}" d="M{self._points(column)}"/>'

    def area(self, upper: Sequence[float], lower: Sequence[float] | None, kind: str) -> str:
        """Fill between two columns, or between one and zero."""
        below = [0.0] * len(upper) if lower is None else lower
        back = " ".join(reversed(self._points(below).split(" ")))
        return f'<path class="area {kind}" d="M{self._points(upper)} {back}Z"/>'

    def bars(self, refusals: Sequence[Refusals]) -> str:
        """Stack the counts of each step, one colour a code.

        All bars of a code are one path: two shapes that touch would show a seam wherever their edge is no whole pixel.
        """
        drawn: list[str] = []
        below = [0.0] * len(self.moments)
        ends = [self.times.x(at) for at in self.moments]
        for number, refused in enumerate(refusals):
            path: list[str] = []
            for i, count in enumerate(refused.counts):
                if count:
                    left = ends[i - 1] if i else 0.0
                    right = max(ends[i], left + LEAST_WIDTH)
                    top, bottom = self.values.y(below[i] + count), self.values.y(below[i])
                    path.append(f"M{left:.1f},{bottom:.2f}V{top:.2f}H{right:.1f}V{bottom:.2f}Z")
                    below[i] += count
            if path:
                drawn.append(f'<path class="code-{number % CODES}" d="{"".join(path)}"/>')
        return "".join(drawn)

    def _points(self, column: Sequence[float]) -> str:
        return " ".join(
            f"{self.times.x(at):.1f},{self.values.y(value):.2f}" for at, value in zip(self.moments, column, strict=True)
        )


def lease_bars(leases: Sequence[LeaseWindow], times: TimeAxis) -> tuple[str, int]:
    """Draw leases as bars, overlapping ones on rows of their own, and refusals as marks; gives the number of rows too."""
    free_from: list[float] = []
    placed: list[tuple[LeaseWindow, int]] = []
    for lease in sorted(leases, key=lambda lease: (lease.from_seconds, lease.serial)):
        if lease.outcome == REFUSED:
            continue
        row = next((row for row, end in enumerate(free_from) if end <= lease.from_seconds), len(free_from))
        free_from[row : row + 1] = [lease.until_seconds]
        placed.append((lease, row))
    high = HEIGHT / max(len(free_from), 1)
    drawn = [
        _rect(
            times.x(lease.from_seconds),
            row * high,
            max(times.x(lease.until_seconds) - times.x(lease.from_seconds) - 1.0, LEAST_WIDTH),
            high * LEASE_HEIGHT,
            f"lease {lease.outcome}",
            f"{lease.role}: lease {lease.serial} {lease.outcome}" + (f", {lease.reason}" if lease.reason else ""),
        )
        for lease, row in placed
    ]
    drawn += [
        _rect(
            times.x(lease.from_seconds),
            0.0,
            LEAST_WIDTH,
            HEIGHT,
            f"lease {lease.outcome}",
            f"{lease.role}: refused, {lease.reason}",
        )
        for lease in leases
        if lease.outcome == REFUSED
    ]
    return "".join(drawn), max(len(free_from), 1)


def fault_bands(faults: Iterable[Fault], times: TimeAxis) -> str:
    """Shade the time of each fault over the whole height."""
    return "".join(
        _rect(
            times.x(fault.from_seconds),
            0.0,
            max(times.x(fault.until_seconds) - times.x(fault.from_seconds), LEAST_WIDTH),
            HEIGHT,
            "fault",
            fault.told,
        )
        for fault in faults
    )


def render(plot: Plot) -> str:
    """Give the figure as HTML."""
    legend = "".join(f'<span class="mark"><i class="{m.kind}"></i>{escape(m.name)}</span>' for m in plot.marks)
    note = f'<span class="mark">{escape(plot.note)}</span>' if plot.note else ""
    rows = [] if plot.values is None else plot.values.ticks()
    grid = "".join(
        f'<line class="grid" x1="0" x2="{WIDTH:.0f}" y1="{HEIGHT * (1 - t.at):.2f}" y2="{HEIGHT * (1 - t.at):.2f}"/>'
        for t in rows
    )
    return (
        f'<figure class="plot{"" if plot.tall else " flat"}">'
        f"<figcaption><b>{escape(plot.title)}</b>{legend}{note}</figcaption>"
        f'<div class="frame"><div class="values">{_labels(rows, "bottom")}</div>'
        f'<div class="area-box"><svg viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" preserveAspectRatio="none" '
        f'role="img" aria-label="{escape(plot.title)}">{grid}{fault_bands(plot.faults, plot.times)}{plot.drawn}</svg>'
        f'<div class="cursor" hidden></div></div>'
        f'<div class="times">{_labels(plot.times.ticks(), "left")}</div></div></figure>'
    )


def _rect(x: float, y: float, wide: float, high: float, *named: str) -> str:
    """Draw a rectangle of a class, with what the pointer tells of it."""
    kind, *told = named
    title = "".join(f"<title>{escape(text)}</title>" for text in told)
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.2f}" width="{wide:.1f}" height="{high:.2f}">{title}</rect>'


def _labels(ticks: Sequence[Tick], side: str) -> str:
    return "".join(
        f'<span class="{"minor" if tick.minor else "major"}" style="{side}:{tick.at * 100:.2f}%">{tick.text}</span>'
        for tick in ticks
    )
