"""Without any fault the outcome is exactly once: nothing doubled, nothing sent twice, nothing refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from doka.adapters.simulated.faults import aggregated, calm_plan, sharing
from doka.adapters.simulated.plan import Plan
from tests.simulation.report import describe
from tests.simulation.runner import run_plan


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("as_well", [None, aggregated, sharing])
def test_calm_weather_delivers_exactly_once(seed: int, as_well: Callable[[Plan], Plan] | None) -> None:
    """In calm weather every record lands exactly once, in one attempt, in one life, and the stop is clean."""
    plan = calm_plan(seed)
    outcome = run_plan(plan if as_well is None else as_well(plan))
    assert outcome.violation is None, describe(outcome)
    landings = [truth.landed for truth in outcome.checker.truths.values()]
    produced = [set(truth.offsets) - truth.removed for truth in outcome.checker.truths.values()]
    assert [set(landed) for landed in landings] == produced
    assert {1} == {times for landed in landings for times in landed.values()}
    assert [] == [name for name in outcome.reached if name.startswith("the order of a key was broken")]
    assert (1, [0]) == (outcome.world.lives, [ending.code for ending in outcome.endings])


def test_calm_seeds_differ() -> None:
    """Forty calm seeds are forty different runs, or the test above would be one test repeated."""
    assert len({run_plan(calm_plan(seed)).world.trace.digest() for seed in range(40)}) == 40
