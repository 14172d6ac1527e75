"""Dozing is run inside the engine, where a scene has everything that could end it."""

from __future__ import annotations

from dataclasses import replace

import pytest

import doka.adapters.simulated.world as world_module
import doka.app.simulate.engine as engine_module
from doka.adapters.simulated.dozing import DozingSource, NextWake
from doka.adapters.simulated.life import Life
from doka.adapters.simulated.world import World
from doka.app.simulate.engine import run_side
from doka.app.simulate.history import Side
from doka.app.simulate.scene import CLOCK_WRONG, DOKA, ORIGINAL, Scene, Traffic, Trouble, simple_rules
from doka.domain.commands import PausePartitions, ResumePartitions
from doka.domain.facts import GroupBack, GroupLost
from doka.domain.forwarder import Forwarder
from doka.domain.rules import RotationPolicy
from doka.domain.turn import Decision

SCENE = Scene(
    "test",
    1_800.0,
    900.0,
    traffic=Traffic(rate=1.0, keys=50, burst_seconds=7.0),
    settle_seconds=60.0,
    troubles=(
        Trouble("sts_down", 200.0, 800.0),
        Trouble("tokens_revoked", 400.0, 400.0),
        Trouble("broker_stall", 900.0, 960.0),
        Trouble("shard_hot", 1_000.0, 1_030.0),
        Trouble("suspended", 1_100.0, 1_300.0),
        Trouble("crash", 1_400.0, 1_400.0),
        Trouble("rebalance", 1_500.0, 1_560.0),
        Trouble("stream_missing", 1_600.0, 1_640.0),
    ),
)


class Awake(DozingSource):
    """Turns ten times a second, whatever happens."""

    def __init__(self, world: World, life: Life, next_wake: NextWake) -> None:
        super().__init__(world, life, lambda now: now)


class Recorder(Forwarder):
    """Keeps when it gave which kind of command, but for what is looked for now and then, by whoever turns then.

    These are pauses, each 100 ms, and whether the group is lost, with each status.
    """

    commands: list[tuple[int, str]] = []  # noqa: RUF012 - of the whole run, over all lives

    def decide(self, now: int) -> Decision:
        decided = super().decide(now)
        looked_for = PausePartitions | ResumePartitions | GroupLost | GroupBack
        self.commands += [
            (now, type(command).__name__) for command in decided.commands if not isinstance(command, looked_for)
        ]
        return decided


def run(monkeypatch: pytest.MonkeyPatch, scene: Scene, side: str, source: type) -> tuple[Side, list[tuple[int, str]]]:
    """Run a side with one kind of source; give it, and the commands of all its lives."""
    monkeypatch.setattr(engine_module, "DozingSource", source)
    Recorder.commands = []
    return run_side(scene, side, forwarder=Recorder), Recorder.commands


@pytest.mark.parametrize("policy", [RotationPolicy.BEFORE_EXPIRY, RotationPolicy.ON_DEMAND])
def test_a_doze_passes_over_no_decision(monkeypatch: pytest.MonkeyPatch, policy: RotationPolicy) -> None:
    """With and without it the forwarder gives the same commands at the same moments, through every kind of trouble."""
    monkeypatch.setattr(world_module, "CALL_NS", 0)  # else each turn shifts what follows by some microseconds
    scene = replace(SCENE, rules=simple_rules(policy))
    awake, commands = run(monkeypatch, scene, DOKA, Awake)
    dozing, same = run(monkeypatch, scene, DOKA, DozingSource)
    assert commands == same
    assert len(commands) > 500
    assert 1_800 == awake.totals.delivered
    assert awake == dozing


def test_a_doze_ends_with_a_stall_that_ends_without_a_word() -> None:
    """A record that waits behind a broker that comes back is fetched then, not at the next effect."""
    scene = replace(SCENE, troubles=(Trouble("partition_stall", 890.0, 905.0, which=1), Trouble(CLOCK_WRONG, 1, 2)))
    assert run_side(replace(scene, traffic=Traffic(rate=0.01, burst_seconds=100.0)), DOKA).totals.longest_delay < 6.0


def test_the_original_wakes_for_its_token_and_its_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sums are those of a loop that turns all the time."""
    awake, _ = run(monkeypatch, SCENE, ORIGINAL, Awake)
    dozing, _ = run(monkeypatch, SCENE, ORIGINAL, DozingSource)
    assert (awake.totals.produced, awake.totals.committed) == (dozing.totals.produced, dozing.totals.committed)
    assert awake.totals.lost == pytest.approx(dozing.totals.lost, abs=7)
    assert awake.totals.sts_calls == dozing.totals.sts_calls
