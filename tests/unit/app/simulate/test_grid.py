from __future__ import annotations

from doka.app.simulate.grid import LIVES, POLICIES, WORLDS, cells, compared, jobs_of, run_job, summary_of
from doka.app.simulate.history import CLEAN, LOST, WAITS
from doka.app.simulate.scene import DOKA, ORIGINAL


def test_the_grid_is_whole() -> None:
    """Every policy meets every token life in every world; a chained role's day-long token is not applicable."""
    grid = cells()
    assert len(POLICIES) * len(LIVES) * len(WORLDS) == len(grid)
    assert {("role chain", "12h")} == {(cell.world.name, cell.life) for cell in grid if not cell.applicable}
    assert 2 * (len(grid) - len(POLICIES)) == len(jobs_of(grid))
    assert ["never", "interval 30 min", "interval 59 min", "before_expiry", "on_demand"] == [c.policy for c in grid[:5]]


def test_a_part_of_it_can_be_chosen() -> None:
    """By world and by token life."""
    part = cells(["quiet", "role chain"], ["1h"])
    assert {("quiet", "1h"), ("role chain", "1h")} == {(cell.world.name, cell.life) for cell in part}


def test_every_fault_is_over_before_its_cell_ends() -> None:
    """So whatever still waits at the end is doka's doing; and a cell lasts two token lives at least."""
    for cell in cells():
        scene = cell.scene()
        assert scene.duration_seconds >= 2 * scene.token_seconds
        assert all(trouble.until_seconds < scene.duration_seconds for trouble in scene.troubles)


def test_what_saves_the_records_can_be_seen() -> None:
    """With STS down over a renewal: doka is late and loses nothing, the same renewal with swallowed errors loses."""
    grid = cells(["STS down 5 min"], ["15m"])
    sides = [run_job(job, lambda _: None) for job in jobs_of(grid)]
    results = compared(grid, sides)
    assert [DOKA, ORIGINAL] * len(grid) == [side.name for side in sides]
    assert [WAITS, CLEAN, CLEAN, CLEAN, CLEAN] == [result.doka.verdict for result in results if result.doka]
    assert LOST == next(result.swallowing.verdict for result in results if result.swallowing)
    summary = summary_of(results)
    assert (5, 4, 1, 0, 0) == (
        summary.ran,
        summary.doka_clean,
        summary.doka_waits,
        summary.doka_failed,
        summary.doka_lost,
    )
    assert summary.swallowing_lost > 0


def test_a_chain_asks_sts_twice() -> None:
    """Each renewal is a question for each hop."""
    (quiet, chain) = (cells([world], ["15m"])[3] for world in ("quiet", "role chain"))
    once, twice = (run_job((cell, DOKA), lambda _: None).totals for cell in (quiet, chain))
    assert once.leases * 2 == twice.sts_calls
