"""A failing seed is made smaller until only what its bug needs is left, and can be run again from a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from doka.adapters.simulated.faults import aggregated, draw_plan
from doka.adapters.simulated.plan import Incident, Kind, Plan
from doka.domain.limits import NS_PER_MS
from tests.simulation import __main__ as command
from tests.simulation.minimise import broken_by, minimise, readable, towards, without
from tests.simulation.plan_file import PlanFileError, read_plan, write_plan
from tests.simulation.planted.bug import planted
from tests.simulation.planted.catalogue import BY_NAME
from tests.simulation.planted.search import look_for
from tests.simulation.runner import run_plan

LATE = 400 * NS_PER_MS


def test_only_the_incident_that_matters_is_left() -> None:
    """Of all the incidents of a drawn plan one rebalance is left, which the bug needs."""
    bug = BY_NAME["take_an_assignment_for_unpaused"]
    crowd = draw_plan(look_for(bug).seeds - 1)
    crowd = replace(crowd, incidents=(*crowd.incidents, Incident(Kind.SHARD_SPLIT, crowd.heal_at, crowd.heal_at)))
    with planted(bug):
        found = minimise(crowd, "I9")
        assert "I9" == broken_by(found.plan)
    (left,) = found.plan.incidents
    assert left.kind in {Kind.EXPELLED, Kind.REBALANCE, Kind.SUSPENDED}
    assert found.plan.work.records <= 10


def test_a_bug_of_calm_weather_needs_nothing() -> None:
    """Where a bug shows in any run, two records at most are left of a storm, and not one fault."""
    with planted(BY_NAME["commit_one_too_far"]):
        plan = draw_plan(0)
        rule = broken_by(plan)
        assert rule is not None
        smaller = minimise(plan, rule).plan
    assert (1, 1, ()) == (smaller.work.routes, smaller.work.partitions, smaller.incidents)
    assert smaller.work.records <= 2
    assert smaller.calm


def test_it_stops_after_so_many_runs() -> None:
    """A bound on the runs is kept, and what was found by then still breaks the rule."""
    with planted(BY_NAME["commit_one_too_far"]):
        found = minimise(draw_plan(0), "I1", runs_max=3)
        assert (3, "I1") == (found.runs, broken_by(found.plan))


def test_halves_are_left_out_before_single_ones() -> None:
    """Everything, each half, each single one: the boldest first."""
    assert [(), (3, 4), (1, 2), (2, 3, 4), (1, 3, 4), (1, 2, 4), (1, 2, 3)] == list(without([1, 2, 3, 4]))
    assert [1, 5, 7, 8] == list(towards(9, 1))


def test_it_is_readable() -> None:
    """Only what is not as always is said, incidents a line each."""
    plan = Plan(7, incidents=(Incident(Kind.CRASH, LATE, LATE),), crash_steps=frozenset({12}))
    assert [
        "seed 7, everything heals at 1.000 s",
        "incident: crash at 0.400 s",
        "crash at step 12",
    ] == readable(plan)


# --- plan files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_a_plan_comes_back_from_its_file(seed: int, tmp_path: Path) -> None:
    """Whatever is drawn is the same after it was written and read, its run too."""
    for plan in (draw_plan(seed), aggregated(replace(draw_plan(seed), crash_steps=frozenset({3, 5})))):
        write_plan(plan, tmp_path / "plan.json")
        assert plan == read_plan(tmp_path / "plan.json")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"seeed": 1}, "plan has no field seeed"),
        ({"heal_at": "soon"}, "plan.heal_at is 'soon'"),
        ({"sick": "tired"}, "plan.sick"),
        ({"incidents": 4}, "plan.incidents is no list"),
        ({"work": []}, "plan.work is no object"),
    ],
)
def test_a_file_that_is_no_plan_is_told(change: dict[str, object], complaint: str, tmp_path: Path) -> None:
    """A field that there is not, or that is of another type, is named."""
    path = tmp_path / "plan.json"
    write_plan(Plan(1), path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(PlanFileError, match=complaint):
        read_plan(path)


def test_a_smaller_plan_is_repeated_from_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What minimise writes breaks the same rule when replay runs it; without the bug it breaks none."""
    path, bug = tmp_path / "plan.json", "release_a_lane_too_early"
    assert 1 == command.main(["minimise", "0", "--planted", bug, "--out", str(path), "--runs", "40"])
    printed = capsys.readouterr().out
    assert "seed 0 breaks I4; so does, after 40 runs, this:" in printed
    assert f"repeat it: .venv/bin/python -m tests.simulation replay --plan {path} --planted {bug}" in printed
    assert 1 == command.main(["replay", "--plan", str(path), "--planted", bug])
    assert "I4 is broken" in capsys.readouterr().out
    assert 0 == command.main(["replay", "--plan", str(path)])
    assert run_plan(read_plan(path)).violation is None


def test_a_clean_seed_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Where no rule is broken there is nothing to make smaller, and that is said."""
    assert 0 == command.main(["minimise", "1"])
    assert "breaks no rule" in capsys.readouterr().out


def test_a_mode_that_there_is_not_shows_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a mode, or with another one, the modes are listed, and the exit code says so."""
    assert (2, 2) == (command.main([]), command.main(["fly"]))
    assert "minimise" in capsys.readouterr().err
