"""A turn that the forwarder passes over, because nothing has happened and no moment has come, would have decided nothing."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable

import pytest

from doka.adapters.simulated.faults import swarm_plan
from doka.domain.forwarder import Forwarder
from doka.domain.turn import Decision
from tests.simulation import rests
from tests.simulation.report import describe
from tests.simulation.rests import LOOKED_FOR
from tests.simulation.runner import run_plan

SEEDS = range(60)
RESTS_MIN = 2_000


def judge_each_decision(monkeypatch: pytest.MonkeyPatch, judged: Callable[[Forwarder, int], Decision]) -> None:
    """Run the seeds with this in the place of `Forwarder.decide`."""
    monkeypatch.setattr(Forwarder, "decide", judged)
    monkeypatch.setattr(rests, "JUDGED_EVERY", sys.maxsize)  # each is judged here
    for seed in SEEDS:
        outcome = run_plan(swarm_plan(seed), leaps=False)
        assert outcome.violation is None, describe(outcome)


def test_a_turn_passed_over_would_have_decided_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever a decision is empty, a full one at the same moment is empty too; and many were really passed over."""
    decide = Forwarder.decide
    turns: Counter[str] = Counter()

    def judged(self: Forwarder, now: int) -> Decision:
        turns["passed over"] += self._decided is not None and self._decided.lasts(now)
        decided = decide(self, now)
        if decided.commands:
            return decided
        self._decided = None
        anew = decide(self, now)
        missed = [c for c in anew.commands if not isinstance(c, LOOKED_FOR)]
        assert missed == [], f"{missed} had to wait"
        return anew

    judge_each_decision(monkeypatch, judged)
    assert turns["passed over"] >= RESTS_MIN


def test_nothing_waits_for_a_look_that_is_not_foreseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine rests and foresees no look at the partitions, one would pause, resume or let in nothing.

    A look now and then finds by accident what nobody asked for; so each change that matters must ask for one itself.
    """
    decide = Forwarder.decide
    looks: Counter[str] = Counter()

    def judged(self: Forwarder, now: int) -> Decision:
        decided = decide(self, now)
        rests = decided.lasts(now)
        if self._halted is None and rests and self._intake.next_look(self._partitions.values()) is None:
            looks["not foreseen"] += 1
            self._turn.look = True
            self._decided = None
            missed = decide(self, now)
            assert missed.commands == [], f"{missed.commands} had to wait"
        return decided

    judge_each_decision(monkeypatch, judged)
    assert looks["not foreseen"] >= RESTS_MIN
