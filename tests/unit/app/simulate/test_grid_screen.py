from __future__ import annotations

import io

from rich.console import Console

from doka.app.simulate.grid import Compared, cells, summary_of
from doka.app.simulate.grid_screen import grid_data, show_grid, show_summary
from tests.unit.app.simulate.test_history import SIDE

GRID = cells(["quiet", "role chain"], ["1h", "12h"])
RESULTS = [Compared(cell, *((SIDE, SIDE) if cell.applicable else (None, None))) for cell in GRID]


def test_the_grid_fits_and_says_what_does_not_apply() -> None:
    """A block for each world, a line for each cell, within 100 columns and with no word cut off."""
    console = Console(file=io.StringIO(), width=100, highlight=False)
    show_grid(console, RESULTS)
    show_summary(console, summary_of(RESULTS))
    assert isinstance(console.file, io.StringIO)
    out = console.file.getvalue()
    assert 100 >= max(map(len, out.splitlines()))
    assert "…" not in out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "1h interval 30 min 0 0 0 500 ms 1.0 clean 0 0 clean" in lines
    assert 5 == sum("n/a" in line for line in lines if line.startswith("12h"))
    assert "n/a: not applicable: a chained role's token lives an hour at most." in lines
    assert "doka: 0 records lost in 15 cells; clean in 15." in lines


def test_the_data_has_every_cell() -> None:
    """A cell that does not apply has no sides."""
    data = grid_data(RESULTS, summary_of(RESULTS))
    assert len(GRID) == len(data["cells"])
    assert 15 == data["summary"]["ran"]
    assert {"verdict": "clean", "lost": 0}.items() <= data["cells"][0]["doka"].items()
    assert data["cells"][-1]["doka"] is None
