"""The original runs in the engine's world, where it is judged by the same log as doka."""

from __future__ import annotations

import pytest

from doka.adapters.simulated.original import AUTO_COMMIT_NS
from doka.app.simulate.engine import run_side
from doka.app.simulate.history import CLEAN, LOST
from doka.app.simulate.scene import CLOCK_WRONG, ORIGINAL, Scene, Traffic, Trouble, simple_rules
from doka.domain.limits import NS_PER_SECOND
from doka.domain.rules import RotationPolicy

SLOW = Traffic(rate=1.0, keys=100, burst_seconds=10.0)


def scene(policy: RotationPolicy, *troubles: Trouble, seconds: float = 1_800.0) -> Scene:
    """Give half an hour of slow traffic with tokens of fifteen minutes."""
    rules = simple_rules(policy, interval_seconds=600.0)
    return Scene("test", seconds, 900.0, traffic=SLOW, rules=rules, troubles=troubles, settle_seconds=60.0)


def test_without_renewal_it_loses_everything_after_the_first_token() -> None:
    """Offsets move over what was refused; the lag is that of a healthy service, to the end."""
    side = run_side(scene(RotationPolicy.NEVER), ORIGINAL)
    totals = side.totals
    assert LOST == side.verdict
    assert (1_800, 0) == (totals.committed, totals.waiting)
    assert totals.produced == totals.delivered + totals.lost
    assert 880 <= totals.delivered <= 900
    assert totals.first_lost_at is not None
    assert 0 <= totals.first_lost_at - 900 < SLOW.burst_seconds + AUTO_COMMIT_NS / NS_PER_SECOND
    assert totals.most_lag <= 20
    assert ["ExpiredTokenException"] == [refused.code for refused in side.refusals]


@pytest.mark.parametrize("policy", [RotationPolicy.BEFORE_EXPIRY, RotationPolicy.INTERVAL, RotationPolicy.ON_DEMAND])
def test_renewal_alone_keeps_it_clean_in_quiet_weather(policy: RotationPolicy) -> None:
    """Nothing is lost while every token comes in time: so nobody notices what it does with errors."""
    side = run_side(scene(policy), ORIGINAL)
    assert (CLEAN, ()) == (side.verdict, side.reasons)


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble("tokens_revoked", 300.0, 300.0),
        Trouble("sts_down", 300.0, 1_500.0),
        Trouble("stream_missing", 300.0, 400.0),
        Trouble(CLOCK_WRONG, 300.0, 400.0, clock_seconds=1_200.0),
    ],
    ids=lambda trouble: trouble.kind,
)
def test_renewal_does_not_save_it_from_what_it_swallows(trouble: Trouble) -> None:
    """With the best of policies, whatever refuses a put loses its records."""
    side = run_side(scene(RotationPolicy.BEFORE_EXPIRY, trouble), ORIGINAL)
    assert LOST == side.verdict
    assert 0 < side.totals.lost < side.totals.produced


def test_a_clock_that_is_a_little_wrong_does_no_harm() -> None:
    """AWS takes signatures that are four minutes off."""
    trouble = Trouble(CLOCK_WRONG, 300.0, 400.0, clock_seconds=240.0)
    assert CLEAN == run_side(scene(RotationPolicy.BEFORE_EXPIRY, trouble), ORIGINAL).verdict
