"""Plans are drawn from seeds: always the same for one, and as different as can be for many."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace

from doka.adapters.simulated.chance import Chance
from doka.adapters.simulated.faults import aggregated, calm_plan, draw_plan, sharing, swarm_plan
from doka.adapters.simulated.plan import CALM, UNDRAWN, Kind, Sick
from doka.domain.rules import Ordering

SEEDS = range(400)


def test_a_seed_always_draws_the_same_plan() -> None:
    """Two draws of a seed are equal, of two seeds they are not."""
    assert draw_plan(17) == draw_plan(17)
    assert draw_plan(17) != draw_plan(18)


def test_concerns_draw_apart() -> None:
    """Two concerns of a seed have sources of their own, each always the same."""
    first, again, other = Chance(1).of("a"), Chance(1).of("a"), Chance(1).of("b")
    numbers = [first.random() for _ in range(3)]
    assert [again.random() for _ in range(3)] == numbers
    assert [other.random() for _ in range(3)] != numbers


def test_aggregation_is_drawn_apart() -> None:
    """A run with aggregation is the same run but for that, and in a swarm there are both."""
    assert draw_plan(17) == replace(aggregated(draw_plan(17)), aggregation=None)
    assert aggregated(draw_plan(17)) == aggregated(draw_plan(17))
    drawn = [rules for seed in SEEDS if (rules := swarm_plan(seed).aggregation) is not None]
    assert len(SEEDS) // 4 < len(drawn) < len(SEEDS) // 2
    assert {1, 2, 4, 64} == {rules.lanes for rules in drawn}


def test_sharing_is_drawn_apart() -> None:
    """A run whose keys share requests is the same run but for its keys and what befalls entries; in a swarm there are some."""
    plan = draw_plan(17)
    shared = sharing(plan)
    assert sharing(plan) == shared
    assert plan == replace(shared, ordering=Ordering.KEY, rates=plan.rates, work=plan.work)
    assert plan.work == replace(shared.work, keys=plan.work.keys)
    touched = {"entry_throttled", "entry_failed", "reordered"}
    assert {name for name, _ in asdict(plan.rates).items() ^ asdict(shared.rates).items()} <= touched
    drawn = [plan for plan in map(swarm_plan, SEEDS) if plan.ordering is Ordering.KEY_IN_REQUEST]
    assert len(SEEDS) // 8 < len(drawn) < len(SEEDS) // 5
    assert {None} == {plan.aggregation for plan in drawn}
    assert {0.0, 0.2, 1.0} == {plan.rates.reordered for plan in drawn}


def test_a_calm_plan_is_calm() -> None:
    """A calm plan has no fault in it, whatever its seed."""
    assert {True} == {calm_plan(seed).calm for seed in SEEDS}
    assert {True} == {sharing(calm_plan(seed)).calm for seed in SEEDS}


def test_every_kind_of_incident_and_every_rate_is_drawn() -> None:
    """Four hundred seeds have met each kind of incident, each rate, and each thing that never heals."""
    plans = [swarm_plan(seed) for seed in SEEDS]
    assert set(Kind) - set(UNDRAWN) == {incident.kind for plan in plans for incident in plan.incidents}
    drawn: Counter[str] = Counter()
    for plan in plans:
        drawn.update(name for name, rate in asdict(plan.rates).items() if rate)
    assert set(asdict(CALM)) == set(drawn)
    assert set(Sick) == {plan.sick for plan in plans}


def test_many_seeds_are_calm_in_most_dimensions() -> None:
    """Swarms need seeds with few faults: a tenth has at most two rates, and some have no incident."""
    plans = [draw_plan(seed) for seed in SEEDS]
    few = [plan for plan in plans if sum(1 for rate in asdict(plan.rates).values() if rate) <= 2]
    assert len(few) > len(plans) // 10
    assert [plan for plan in plans if not plan.incidents]


def test_no_fault_outlasts_the_healing() -> None:
    """Every incident ends when the world heals, at the latest."""
    assert [] == [i for seed in SEEDS for i in draw_plan(seed).incidents if i.until > draw_plan(seed).heal_at]
