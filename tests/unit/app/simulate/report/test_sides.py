"""Which plots there are, and that both sides can be compared."""

from __future__ import annotations

from dataclasses import replace

from doka.app.simulate.report.sides import plots_of
from tests.unit.app.simulate.report.made_up import STEPS, incident


def test_both_sides_have_the_same_plots_on_the_same_axes() -> None:
    """Nobody compares two scales."""
    history = incident()
    original, doka = (plots_of(history, side) for side in history.sides)
    assert ["Records", "Lag", "Leases", "Puts refused", "Bytes held"] == [plot.title for plot in original]
    assert [(p.title, p.values, p.times) for p in original] == [(p.title, p.values, p.times) for p in doka]


def test_only_what_is_lost_is_painted_as_lost() -> None:
    """Committed beyond what is in the stream is red; the other side has no red."""
    history = incident()
    original, doka = (plots_of(history, side)[0] for side in history.sides)
    assert ["gone"] == [mark.kind for mark in original.marks if mark.kind == "gone"]
    assert 'class="area gone"' in original.drawn
    assert 'class="area gone"' not in doka.drawn
    assert "lost" not in [mark.name for mark in doka.marks]


def test_what_never_was_is_not_drawn() -> None:
    """A run without a refusal has no empty plot of them; the same for held bytes, which may be 0 at every look."""
    history = incident()
    idle = [replace(side, series=replace(side.series, held_bytes=(0,) * STEPS)) for side in history.sides]
    idly = replace(history, sides=tuple(idle))
    assert "Bytes held" not in [plot.title for plot in plots_of(idly, idly.sides[0])]
    quiet = replace(history, sides=history.sides[1:])
    assert "Puts refused" not in [plot.title for plot in plots_of(quiet, quiet.sides[0])]


def test_the_pointer_tells_the_columns_that_are_drawn() -> None:
    """What is read at a moment are the history's own numbers."""
    history = incident()
    records = plots_of(history, history.sides[0])[0]
    series = history.sides[0].series
    assert [series.produced, series.delivered, series.committed] == [column for _, column in records.columns]
