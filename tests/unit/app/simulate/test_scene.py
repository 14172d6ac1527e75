from __future__ import annotations

import pytest

from doka.adapters.simulated.plan import Kind
from doka.app.simulate.scene import (
    CLOCK_WRONG,
    FAULTS,
    SENTENCES,
    Scene,
    Traffic,
    Trouble,
    plan_of,
    policy_words,
    simple_rules,
)
from doka.domain.rules import RotationPolicy


def test_what_is_told_can_happen() -> None:
    """No words stand there for a fault that no scene can have."""
    assert [] == sorted(SENTENCES.keys() - set(FAULTS))
    assert {kind.value for kind in Kind} > set(FAULTS) - {CLOCK_WRONG}


def test_the_day_has_its_curve() -> None:
    """The share of an hour is that of the wall clock; without a curve it is always the whole."""
    curve = tuple(hour / 8 for hour in range(24))
    assert [0.0, 225.0, 287.5] == [Traffic(100.0, by_hour=curve).rate_at(at * 3_600) for at in (0, 18, 23)]
    assert 0.0 == Traffic(100.0, by_hour=curve).rate_at(24 * 3_600)
    assert 100.0 == Traffic(100.0).rate_at(5.0)


@pytest.mark.parametrize(("hours", "step"), [(0.1, 1), (1, 10), (63, 600), (24 * 30, 7_200)])
def test_a_history_has_some_hundred_samples(hours: float, step: float) -> None:
    """However long a run is, its series can be drawn."""
    assert step == Scene("a", hours * 3_600).step_seconds


def test_a_plan_knows_the_world_s_names_and_the_given_rules() -> None:
    """Routes get the names of the world; limits and roles stay as they are."""
    scene = Scene("a", 60.0, 900.0, troubles=(Trouble("sts_down", 1.0, 2.0), Trouble(CLOCK_WRONG, 1, 2)))
    plan = plan_of(scene)
    assert [("s0", {"t0"}, "writer")] == [(r.name, set(r.topics), r.role) for r in plan.rules().routes]
    assert ["sts_down@1.000..2.000"] == [str(incident) for incident in plan.incidents]
    assert scene.rules.limits == plan.rules().limits
    assert 900 * 10**9 == plan.lease_life


def test_a_policy_is_told_with_its_interval() -> None:
    """Two intervals are two policies."""
    words = [
        policy_words(simple_rules(policy, interval_seconds=3_540).roles[0])
        for policy in (RotationPolicy.INTERVAL, RotationPolicy.NEVER)
    ]
    assert ["interval 59 min", "never"] == words


def test_a_fault_is_told_in_words() -> None:
    """The clock says by how much, a revocation with which code."""
    assert "the clock of the host is wrong: 4 min behind" == Trouble(CLOCK_WRONG, 0, 1, clock_seconds=-240).told
    assert "(UnrecognizedClientException)" in Trouble("tokens_revoked", 0, 0, which=1).told
    assert "STS does not answer" == Trouble("sts_down", 0, 1).told
