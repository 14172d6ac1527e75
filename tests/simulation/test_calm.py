"""Without any fault the outcome is exactly once: nothing doubled, nothing sent twice, nothing refused."""

from __future__ import annotations

import pytest

from adapters.simulated.faults import aggregated, calm_plan
from tests.simulation.report import describe
from tests.simulation.runner import run_plan


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("with_aggregation", [False, True])
def test_calm_weather_delivers_exactly_once(seed: int, *, with_aggregation: bool) -> None:
    """In calm weather every record lands exactly once, in one attempt, in one life, and the stop is clean."""
    plan = calm_plan(seed)
    outcome = run_plan(aggregated(plan) if with_aggregation else plan)
    assert outcome.violation is None, describe(outcome)
    landings = [truth.landed for truth in outcome.checker.truths.values()]
    produced = [set(truth.offsets) - truth.removed for truth in outcome.checker.truths.values()]
    assert [set(landed) for landed in landings] == produced
    assert {1} == {times for landed in landings for times in landed.values()}
    assert (1, [0]) == (outcome.world.lives, [ending.code for ending in outcome.endings])


def test_calm_seeds_differ() -> None:
    """Forty calm seeds are forty different runs, or the test above would be one test repeated."""
    assert len({run_plan(calm_plan(seed)).world.trace.digest() for seed in range(40)}) == 40
