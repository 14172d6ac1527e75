"""What is drawn for a service, and which words stand above it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from doka.app.simulate.history import History, Side
from doka.app.simulate.report.plots import CODES, Canvas, Mark, Plot, lease_bars
from doka.app.simulate.report.scales import TimeAxis, ValueAxis, value_axis

PRODUCED = Mark("produced", "written to Kafka")
DELIVERED = Mark("delivered", "in the stream")
COMMITTED = Mark("committed", "committed")
GONE = Mark("gone", "lost")
LAG = Mark("lag", "the lag that monitors show")
MISSING = Mark("missing", "not in the stream")
HELD = Mark("held", "held")


def plots_of(history: History, side: Side) -> list[Plot]:
    """Give the plots of one side; those of both sides have the same axes, so that they can be compared."""
    times = TimeAxis(datetime.fromisoformat(history.start), history.duration_seconds)
    drawn = [_records(history, side, times), _lag(history, side, times), _leases(history, side, times)]
    if any(each.refusals for each in history.sides):
        drawn.append(_refusals(history, side, times))
    if any(any(each.series.held_bytes) for each in history.sides):
        drawn.append(_held(history, side, times))
    return drawn


def _records(history: History, side: Side, times: TimeAxis) -> Plot:
    series = side.series
    values = value_axis(*(each.series.produced for each in history.sides))
    canvas = Canvas(history.times(), times, values)
    gone = [min(c, p) for c, p in zip(series.committed, series.produced, strict=True)]
    lost = any(c > d for c, d in zip(gone, series.delivered, strict=True))
    drawn = canvas.area(series.produced, None, PRODUCED.kind)
    if lost:
        upper = [max(c, d) for c, d in zip(gone, series.delivered, strict=True)]
        drawn += canvas.area(upper, series.delivered, GONE.kind)
    drawn += canvas.line(series.delivered, DELIVERED.kind)
    drawn += canvas.line(series.committed, COMMITTED.kind)
    marks = [PRODUCED, DELIVERED, COMMITTED, *([GONE] if lost else [])]
    columns = [(PRODUCED, series.produced), (DELIVERED, series.delivered), (COMMITTED, series.committed)]
    return Plot("Records", drawn, times, values, marks, faults=history.faults, columns=columns)


def _lag(history: History, side: Side, times: TimeAxis) -> Plot:
    values = value_axis(*(each.series.lag for each in history.sides), *(_missing(each) for each in history.sides))
    canvas = Canvas(history.times(), times, values)
    missing = _missing(side)
    drawn = canvas.area(missing, None, MISSING.kind)
    drawn += canvas.line(side.series.lag, LAG.kind)
    columns = [(LAG, side.series.lag), (MISSING, missing)]
    return Plot(
        "Lag",
        drawn,
        times,
        values,
        [LAG, MISSING],
        tall=False,
        faults=history.faults,
        columns=columns,
    )


def _missing(side: Side) -> Sequence[int]:
    return [p - d for p, d in zip(side.series.produced, side.series.delivered, strict=True)]


def _leases(history: History, side: Side, times: TimeAxis) -> Plot:
    drawn, _ = lease_bars(side.leases, times)
    marks = [Mark("lease issued", "first lease"), Mark("lease renewed", "renewed")]
    if side.totals.leases_refused:
        marks.append(Mark("lease refused", "refused by STS"))
    return Plot(
        "Leases",
        drawn,
        times,
        marks=marks,
        note=f"{side.totals.leases:,} used; {side.totals.sts_calls_per_hour:.2f} calls of STS an hour",
        tall=False,
        faults=history.faults,
    )


def _refusals(history: History, side: Side, times: TimeAxis) -> Plot:
    values = _refused_axis(history)
    canvas = Canvas(history.times(), times, values)
    marks = [Mark(f"code-{i % CODES}", refused.code) for i, refused in enumerate(side.refusals)]
    columns = [(mark, refused.counts) for mark, refused in zip(marks, side.refusals, strict=True)]
    return Plot(
        "Puts refused",
        canvas.bars(side.refusals),
        times,
        values,
        marks,
        note="" if side.refusals else "none",
        tall=False,
        faults=history.faults,
        columns=columns,
    )


def _refused_axis(history: History) -> ValueAxis:
    sums = [
        [sum(counts) for counts in zip(*(refused.counts for refused in side.refusals), strict=True)]
        for side in history.sides
    ]
    return value_axis(*sums)


def _held(history: History, side: Side, times: TimeAxis) -> Plot:
    values = value_axis(*(each.series.held_bytes for each in history.sides), unit="B")
    canvas = Canvas(history.times(), times, values)
    drawn = canvas.area(side.series.held_bytes, None, HELD.kind)
    columns = [(HELD, side.series.held_bytes)]
    return Plot("Bytes held", drawn, times, values, [HELD], tall=False, faults=history.faults, columns=columns)
