"""A seed decides everything (I18), the wall clock nothing (I20): what fails once can be seen again."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from doka.adapters.simulated.faults import draw_plan, swarm_plan
from doka.adapters.simulated.plan import Incident, Kind
from doka.domain.limits import NS_PER_MS
from tests.simulation.runner import run_plan

SEEDS = range(12)

PRINT_DIGESTS = """
from doka.adapters.simulated.faults import swarm_plan
from tests.simulation.runner import run_plan
print(*(run_plan(swarm_plan(seed)).world.trace.digest() for seed in range(12)))
"""


def digests() -> list[str]:
    """Give the trace hashes of some seeds, of every kind of route, run here."""
    return [run_plan(swarm_plan(seed)).world.trace.digest() for seed in SEEDS]


def test_two_runs_of_a_seed_are_equal() -> None:
    """A second run of the same seeds gives the same traces, to the last event; another seed gives another one."""
    first = digests()
    assert first == digests()
    assert len(SEEDS) == len(set(first))


def test_the_order_of_sets_decides_nothing() -> None:
    """Under other PYTHONHASHSEEDs, each in a process of its own, the traces are the same, and the same as here."""
    here = digests()
    for hash_seed in ("1", "4711"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        command = [sys.executable, "-c", PRINT_DIGESTS]
        printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=120)
        assert here == printed.stdout.split(), hash_seed


@pytest.mark.parametrize("seed", SEEDS)
def test_the_wall_clock_decides_nothing(seed: int) -> None:
    """A host clock that is minutes wrong from the start changes no event of a run (I20)."""
    plan = replace(draw_plan(seed), wall_skew_seconds=0.0)
    plan = replace(plan, incidents=tuple(i for i in plan.incidents if i.kind is not Kind.WALL_JUMP))
    skewed = replace(plan, wall_skew_seconds=-250.0)
    assert run_plan(plan).world.trace.digest() == run_plan(skewed).world.trace.digest()


def test_a_wall_clock_that_is_refused_blocks_the_route_by_name() -> None:
    """Twenty minutes of wrong host clock while a lease is due end in `clock_skew`, and heal by themselves."""
    calm = replace(draw_plan(3), rates=type(draw_plan(3).rates)(), incidents=())
    wrong = Incident(Kind.WALL_JUMP, at=0, until=300 * NS_PER_MS, draw=1)
    outcome = run_plan(replace(calm, incidents=(wrong,)))
    assert outcome.violation is None, str(outcome.violation)
    assert outcome.reached["a route was blocked: clock_skew"] > 0
