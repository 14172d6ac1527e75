from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from doka.app.simulate.history import LOST, WAITS, Moment
from doka.app.simulate.screen import screen, show_story, show_totals, show_verdict
from tests.unit.app.simulate.test_history import HISTORY, SIDE, TOTALS


def plain() -> Console:
    """Give a console that is no terminal."""
    return Console(file=io.StringIO(), width=100, highlight=False)


def text_of(console: Console) -> str:
    """Give what was printed on it."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_two_sides_stand_beside_each_other_by_the_clock() -> None:
    """What happened at the same time is on one line, under the name of its side; nothing is coloured in a pipe."""
    console = plain()
    other = replace(SIDE, name="original", policy="never", moments=(Moment(0, "b", "bad"), Moment(3_600, "c")))
    show_story(console, replace(HISTORY, sides=(other, SIDE)))
    lines = [" ".join(line.split()) for line in text_of(console).splitlines()]
    assert "the original service (never) doka (before_expiry)" in lines
    assert "Fri 18:00 b a" in lines
    assert "Fri 19:00 c" in lines
    assert "\x1b" not in text_of(console)


def test_the_sums_are_rows() -> None:
    """What was lost never arrives, so its delay is `never`."""
    console = plain()
    show_totals(console, replace(HISTORY, sides=(replace(SIDE, totals=replace(TOTALS, lost=3)),)))
    lines = [" ".join(line.split()) for line in text_of(console).splitlines()]
    assert "lost 3" in lines
    assert "longest delay of a record never" in lines


@pytest.mark.parametrize("verdict", [LOST, WAITS])
def test_a_verdict_is_told_with_its_reasons(verdict: str) -> None:
    """One line for each reason."""
    console = plain()
    show_verdict(console, replace(SIDE, verdict=verdict, reasons=("this", "and that")))
    assert [f"doka: {verdict}", "  this", "  and that"] == text_of(console).splitlines()


@pytest.mark.parametrize(("forced", "columns", "width"), [("1", "300", 100), ("1", "80", 80), ("", "80", 100)])
def test_a_line_is_100_columns_at_most(monkeypatch: pytest.MonkeyPatch, forced: str, columns: str, width: int) -> None:
    """Longer lines are hard to read; a narrow terminal is respected, and a pipe has no width."""
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("FORCE_COLOR", forced)
    assert width == screen().width
