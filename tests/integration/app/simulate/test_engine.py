from __future__ import annotations

from dataclasses import replace

import pytest

from doka.app.simulate.engine import run_scene, run_side
from doka.app.simulate.history import CLEAN, LATE, LOST, WAITS, uneven
from doka.app.simulate.scene import CLOCK_WRONG, DOKA, ORIGINAL, Scene, Traffic, Trouble, simple_rules
from doka.domain.rules import RotationPolicy
from tests.integration.app.simulate.forwarders import Breaks, LosesOne

SLOW = Traffic(rate=1.0, keys=100, burst_seconds=10.0)
SCENE = Scene("test", 1_800.0, 900.0, traffic=SLOW, settle_seconds=120.0)
TROUBLES = (
    Trouble("sts_down", 300.0, 1_500.0),
    Trouble("tokens_revoked", 305.0, 305.0),
    Trouble("stream_missing", 300.0, 400.0),
    Trouble(CLOCK_WRONG, 300.0, 900.0, clock_seconds=1_200.0),
    Trouble("suspended", 300.0, 1_500.0),
    Trouble("crash", 300.0, 300.0),
    Trouble("stop", 300.0, 300.0),
    Trouble("consumer_dead", 300.0, 300.0),
    Trouble("rebalance", 300.0, 600.0),
    Trouble("expelled", 300.0, 300.0),
    Trouble("broker_stall", 300.0, 600.0),
    Trouble("coordinator_frozen", 300.0, 600.0),
    Trouble("partition_stall", 300.0, 600.0),
    Trouble("stream_updating", 300.0, 600.0),
    Trouble("stream_auto", 300.0, 600.0),
    Trouble("describe_denied", 0.0, 600.0),
    Trouble("shard_split", 300.0, 300.0),
    Trouble("shard_hot", 300.0, 360.0),
    Trouble("access_denied", 300.0, 600.0),
    Trouble("sts_denied", 300.0, 600.0),
    Trouble("sts_slow", 0.0, 1_800.0),
    Trouble("sts_throttled", 300.0, 600.0),
)


def test_a_quiet_run_is_clean() -> None:
    """Everything lands once, in order, within a second; the series end with everything delivered."""
    side = run_side(SCENE, DOKA)
    assert (CLEAN, ()) == (side.verdict, side.reasons)
    assert (1_800, 1_800, 1_800) == (side.totals.produced, side.totals.delivered, side.totals.committed)
    assert (0, 0, 0) == (side.totals.duplicates, side.totals.lost, side.totals.out_of_order)
    assert side.totals.longest_delay < 1.0
    assert [] == uneven(side.series)
    assert (1_800, 0, 0) == (side.series.delivered[-1], side.series.lag[-1], side.series.held_bytes[-1])
    assert side.totals.leases == len(side.leases) >= 3


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.kind)
def test_doka_loses_nothing_and_delivers_all(trouble: Trouble) -> None:
    """Whatever goes wrong and heals: all is delivered, in order, and duplicates are explained."""
    side = run_side(replace(SCENE, troubles=(trouble,)), DOKA)
    assert (CLEAN, ()) == (side.verdict, side.reasons)
    assert 1_800 == side.totals.delivered


def test_never_renewed_doka_waits_and_loses_nothing() -> None:
    """With the incident's own policy the records wait in Kafka; whether that is a failure is the scene's to say."""
    scene = replace(SCENE, rules=simple_rules(RotationPolicy.NEVER), must_deliver=False)
    side = run_side(scene, DOKA)
    assert (WAITS, 0) == (side.verdict, side.totals.lost)
    assert side.totals.produced == side.totals.delivered + side.totals.waiting
    assert side.totals.waiting > 800
    assert side.series.lag[-1] >= side.totals.waiting
    assert LATE == run_side(replace(scene, must_deliver=True), DOKA).verdict


def test_a_stated_bound_is_held_against_the_slowest_record() -> None:
    """An outage longer than the bound is late, although everything was delivered."""
    side = run_side(replace(SCENE, troubles=(Trouble("broker_stall", 300.0, 600.0),), delay_seconds=60.0), DOKA)
    assert LATE == side.verdict
    assert 280 < side.totals.longest_delay < 320
    assert "the stated bound is 60 s" in side.reasons[0]


def test_the_same_seed_gives_the_same_history_to_the_byte() -> None:
    """Two runs of both sides are equal; another seed is not."""
    scene = replace(SCENE, duration_seconds=900.0, troubles=(Trouble("crash", 300.0, 300.0),))
    first = run_scene(scene).to_json()
    assert first == run_scene(scene).to_json()
    assert first != run_scene(replace(scene, seed=2)).to_json()


def test_progress_is_told_up_to_the_end() -> None:
    """The shares rise, over both sides."""
    told: list[float] = []
    run_scene(replace(SCENE, duration_seconds=900.0), (ORIGINAL, DOKA), told.append)
    assert told == sorted(told)
    assert 0.0 == told[0]
    assert 0.9 < told[-1] <= 1.0


def test_a_forwarder_that_loses_one_record_is_seen() -> None:
    """One record of 1,800 left out of one put: the verdict is lost, with the count and the time."""
    side = run_side(SCENE, DOKA, forwarder=LosesOne)
    assert (LOST, 1) == (side.verdict, side.totals.lost)
    assert (1_799, 1_800) == (side.totals.delivered, side.totals.committed)
    assert side.totals.first_lost_at is not None
    assert side.totals.first_lost_at < 30
    assert side.failed
    assert side.reasons[0].startswith("1 record is lost")


def test_a_forwarder_that_breaks_is_seen() -> None:
    """A service that ends by itself, again and again, is broken; the run ends all the same."""
    side = run_side(replace(SCENE, duration_seconds=300.0), DOKA, forwarder=Breaks)
    assert "broken" == side.verdict
    assert any("planted" in reason for reason in side.reasons)
