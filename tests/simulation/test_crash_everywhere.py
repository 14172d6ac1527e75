"""SIGKILL at every step of a run, and then a second time: nothing is lost, nothing is out of order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doka.adapters.simulated.faults import draw_plan
from doka.adapters.simulated.plan import Incident, Kind, Plan, Rates, Span, Work
from doka.adapters.simulated.world import World
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.rules import LimitRules
from tests.simulation.report import describe
from tests.simulation.runner import Judge, run_plan
from tests.simulation.tees import TeeChecker

SECOND_CRASH_AFTER = (1, 2, 5, 13)  # steps of the next life
STEPS_MIN = 50


def small_plan() -> Plan:
    """Give a run that is short and has everything in it: refusals, a lease that ends, a rebalance, a stop."""
    return Plan(
        seed=7,
        work=Work(partitions=2, records=14, keys=3, burst=3, every=Span(0, 30 * NS_PER_MS), fetch_run=2),
        rates=Rates(entry_throttled=0.2, reset_after=0.1, commit_refused=0.2),
        incidents=(
            Incident(Kind.REBALANCE, at=150 * NS_PER_MS, until=250 * NS_PER_MS, draw=1),
            Incident(Kind.STOP, at=300 * NS_PER_MS, until=300 * NS_PER_MS),
        ),
        limits=LimitRules(request_timeout=50 * NS_PER_MS, commit_every=30 * NS_PER_MS, drain=NS_PER_SECOND),
        lease_life=300 * NS_PER_MS,
        session_timeout=80 * NS_PER_MS,
        restart=10 * NS_PER_MS,
        heal_at=400 * NS_PER_MS,
    )


def lost_nothing(checker: Judge, world: World) -> bool:
    """Say whether every record landed and is committed."""
    return all(
        not set(truth.offsets) - truth.removed - set(truth.landed) and truth.committed == world.logs[tp].end
        for tp, truth in checker.truths.items()
    )


def test_the_run_is_worth_crashing() -> None:
    """The run that is crashed everywhere has retries, a rebalance and a stop in it."""
    outcome = run_plan(small_plan())
    assert outcome.violation is None, describe(outcome)
    assert outcome.world.steps > STEPS_MIN
    assert outcome.world.lives > 1
    assert outcome.reached["the same partition came back to its owner"]


def test_a_crash_at_any_step_loses_nothing() -> None:
    """Whatever the process was doing when it died, the next life makes it good."""
    plan = small_plan()
    steps = run_plan(plan).world.steps
    for step in range(1, steps + 1):
        outcome = run_plan(replace(plan, crash_steps=frozenset({step})))
        assert outcome.violation is None, f"crash at step {step}\n{describe(outcome)}"
        assert lost_nothing(outcome.checker, outcome.world), f"crash at step {step}\n{describe(outcome)}"


def test_a_second_crash_right_after_the_first_loses_nothing() -> None:
    """A process that dies again at its start, or a little later, loses nothing either."""
    plan = small_plan()
    steps = run_plan(plan).world.steps
    for step in range(1, steps + 1, 3):
        for after in SECOND_CRASH_AFTER:
            outcome = run_plan(replace(plan, crash_steps=frozenset({step, step + after})))
            assert outcome.violation is None, f"crashes at steps {step} and {step + after}\n{describe(outcome)}"
            assert lost_nothing(outcome.checker, outcome.world), (
                f"crashes at steps {step} and {step + after}\n{describe(outcome)}"
            )


@pytest.mark.parametrize("tee", [2, 3])
def test_a_crash_at_any_step_loses_nothing_of_any_route(tee: int) -> None:
    """Where several routes read a topic, each of them makes good what it has not settled."""
    plan = small_plan()
    plan = replace(plan, work=replace(plan.work, tee=tee))
    steps = run_plan(plan).world.steps
    for step in range(1, steps + 1, 2):
        outcome = run_plan(replace(plan, crash_steps=frozenset({step})))
        assert outcome.violation is None, f"crash at step {step}\n{describe(outcome)}"
        assert isinstance(outcome.checker, TeeChecker)
        for judge in outcome.checker.judges:
            assert lost_nothing(judge, outcome.world), f"crash at step {step}\n{describe(outcome)}"


@pytest.mark.parametrize("seed", range(6))
def test_crashes_in_the_worst_weather_break_no_rule(seed: int) -> None:
    """Crashes on top of a swarm's faults break no rule."""
    plan = draw_plan(seed)
    steps = run_plan(plan).world.steps
    for step in range(1, steps, max(1, steps // 12)):
        outcome = run_plan(replace(plan, crash_steps=frozenset({step, step + 40})))
        assert outcome.violation is None, f"crashes at steps {step} and {step + 40}\n{describe(outcome)}"
