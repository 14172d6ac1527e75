"""What the commands of `doka simulate` do: simulate, show, write, and give the exit code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from doka.adapters.system.clock import SystemClock
from doka.app.simulate.engine import history_of, run_side
from doka.app.simulate.fuzz import draw_scene, run_seeds, shares
from doka.app.simulate.grid import LIVES, WORLDS, cells, compared, jobs_of, run_job, summary_of
from doka.app.simulate.grid_screen import grid_data, show_grid, show_summary
from doka.app.simulate.history import CLEAN, History, Side
from doka.app.simulate.incident import WEEKEND_HOURS, incident_scene, moral, told
from doka.app.simulate.jobs import Tell, bar, run_jobs
from doka.app.simulate.judge import span
from doka.app.simulate.own_settings import configured_rules, own_functions
from doka.app.simulate.report import render
from doka.app.simulate.scenario import read_scenario, scenario_schema, scene_of
from doka.app.simulate.scene import DOKA, ORIGINAL, Scene
from doka.app.simulate.screen import screen, show_story, show_totals, show_verdict
from doka.domain.errors import UsageError
from doka.domain.limits import NS_PER_SECOND

_SideJob = tuple[Scene, str]


def incident(*, hours: float, rate: float, seed: int, as_json: bool, report: Path | None, jobs: int) -> int:
    """Run the weekend of the incident for both sides; give 1 when doka's side failed.

    Raises:
        UsageError: the report cannot be written.
    """
    repeat = "doka simulate incident" + "".join(
        f" --{name} {value:g}"
        for name, value, usual in (("hours", hours, WEEKEND_HOURS), ("rate", rate, 100.0), ("seed", seed, 1))
        if value != usual
    )
    work = [(incident_scene(side, hours=hours, rate=rate, seed=seed), side) for side in (ORIGINAL, DOKA)]
    with bar(f"{hours:g} h, {rate:g} records a second, twice") as tell:
        history = told(_history(work, jobs, tell))
    _write(report, history, repeat)
    if as_json:
        print(history.to_json())  # noqa: T201 - the command's result
        return _code(history)
    console = screen()
    console.print(
        f"{history.title}: {history.wall(0)} to {history.wall(history.duration_seconds)}, {rate:g} records a second, "
        "tokens of 60 min.\n"
        "Both services ran in the same virtual world; every number is from that world's log.",
    )
    show_story(console, history)
    show_totals(console, history)
    for line in moral(history):
        console.print(line + "\n")
    if history.side(DOKA).verdict != CLEAN:
        show_verdict(console, history.side(DOKA))
    if report is None:
        console.print(f"See it drawn: {repeat} --report incident.html", style="dim")
    return _code(history)


def run(
    *,
    scenario: Path,
    config: Path | None,
    records: Path | None,
    original: bool,
    seed: int,
    as_json: bool,
    report: Path | None,
    jobs: int,
) -> int:
    """Run a scenario, by the rules of a configuration if there is one; give 1 when doka's side failed.

    Raises:
        UsageError: the scenario, the configuration or the records are none, or the report cannot be written.
    """
    if records is not None and config is None:
        raise UsageError("--records is what the routes of a configuration are run over; add --config")
    wanted = read_scenario(scenario, configured=config is not None)
    notes: tuple[str, ...] = ()
    configured = None
    if config is not None:
        configured, notes = configured_rules(config, records)
    scene = scene_of(wanted, seed, configured)
    if config is not None and records is not None:
        scene = replace(scene, functions=own_functions(config, records))
    work = [(scene.never_renewed(), ORIGINAL), (scene, DOKA)] if original else [(scene, DOKA)]
    with bar(scene.title) as tell:
        history = _history(work, jobs, tell)
    options = [f"--scenario {scenario}"] + ([f"--config {config}"] if config else [])
    options += [f"--records {records}"] if records else []
    options += ["--original"] if original else []
    repeat = f"doka simulate run {' '.join(options)} --seed {seed}"
    _write(report, history, repeat)
    if as_json:
        print(history.to_json())  # noqa: T201 - the command's result
        return _code(history)
    console = screen()
    console.print(
        f"{history.title}: {history.wall(0)} to {history.wall(history.duration_seconds)}, tokens of "
        f"{span(history.token_seconds)}, seed {seed}"
    )
    for note in notes:
        console.print(note, style="dim")
    show_story(console, history)
    show_totals(console, history)
    for side in history.sides:
        show_verdict(console, side)
    return _code(history)


def compare(*, worlds: list[str], lives: list[str], as_json: bool, jobs: int) -> int:
    """Run the grid, or a part of it; give 1 when doka failed in any cell.

    Raises:
        UsageError: there is no such world, or no such life of a token.
    """
    _known("world", worlds, [world.name for world in WORLDS])
    _known("tokens", lives, list(LIVES))
    grid = cells(worlds, lives)
    work = jobs_of(grid)
    with bar(f"{len(work)} runs") as tell:
        results = compared(grid, run_jobs(run_job, work, jobs, tell))
    summary = summary_of(results)
    if as_json:
        print(json.dumps(grid_data(results, summary)))  # noqa: T201 - the command's result
    else:
        console = screen()
        console.print("One record a second for two token lives a cell, in virtual time.")
        show_grid(console, results)
        show_summary(console, summary)
    return 1 if summary.doka_failed else 0


def _known(option: str, given: list[str], names: list[str]) -> None:
    for name in given:
        if name not in names:
            raise UsageError(f"--{option}: there is no {name!r}; there are {', '.join(names)}")


def fuzz(*, seeds: int, first: int, as_json: bool, jobs: int) -> int:
    """Run many drawn worlds; give 1 when any of them failed."""
    clock = SystemClock()
    began = clock.now()
    with bar(f"{seeds} seeds") as tell:
        found = run_jobs(run_seeds, shares(first, seeds), jobs, tell)
    took = (clock.now() - began) / NS_PER_SECOND
    ran = sum(share.seeds for share in found)
    failed = next((share.failed for share in found if share.failed is not None), None)
    if as_json:
        data = {"version": 1, "seeds": ran, "first": first, "records": sum(share.records for share in found)}
        seed_data = (
            None if failed is None else {"seed": failed[0], "verdict": failed[1].verdict, "reasons": failed[1].reasons}
        )
        print(json.dumps(data | {"failed": seed_data}))  # noqa: T201 - the command's result
        return 0 if failed is None else 1
    console = screen()
    console.print(
        f"{ran:,} seeds, {ran / took:.1f} a second; {sum(share.records for share in found):,} records, "
        f"{sum(share.puts for share in found):,} puts"
    )
    if failed is None:
        console.print("nothing lost, nothing out of order, nothing late, no duplicate unexplained", style="bold green")
        return 0
    seed, side = failed
    console.print(f"seed {seed} fails first", style="bold red")
    show_story(console, history_of(draw_scene(seed), [side]))
    show_verdict(console, side)
    console.print(f"Repeat it: doka simulate fuzz --first {seed} --seeds 1")
    return 1


def print_schema() -> int:
    """Print the JSON Schema of a scenario file."""
    print(json.dumps(scenario_schema(), indent=2))  # noqa: T201 - the command's result
    return 0


def _history(work: list[_SideJob], jobs: int, tell: Tell) -> History:
    """Run each side in a process of its own, as far as there are `jobs`."""
    sides = run_jobs(_run, work, jobs, tell)
    return history_of(work[-1][0], sides)


def _run(job: _SideJob, tell: Tell) -> Side:
    scene, side = job
    return run_side(scene, side, tell)


def _code(history: History) -> int:
    return 1 if history.side(DOKA).failed else 0


def _write(report: Path | None, history: History, repeat: str) -> None:
    if report is None:
        return
    try:
        report.write_text(render(history, repeat), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{report} cannot be written: {error.strerror}; name a file in a folder that is there"
        ) from None
