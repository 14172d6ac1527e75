"""A turn that the forwarder passes over, because nothing has happened and no moment has come, would have decided nothing."""

from __future__ import annotations

from collections import Counter

import pytest

from adapters.simulated.faults import draw_plan
from domain.commands import Command, PausePartitions
from domain.forwarder import Forwarder
from tests.simulation.report import describe
from tests.simulation.runner import run_plan

SEEDS = range(60)
RESTS_MIN = 2_000


def test_a_turn_passed_over_would_have_decided_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever a decision is empty, a full one at the same moment is empty too; and many were really passed over."""
    decide = Forwarder.decide
    turns: Counter[str] = Counter()

    def judged(self: Forwarder, now: int) -> list[Command]:
        turns["passed over"] += self._rest.lasts(now, self._moments)
        commands = decide(self, now)
        if not commands:
            self._rest.end()
            missed = [c for c in decide(self, now) if not isinstance(c, PausePartitions)]  # looked for now and then
            assert missed == [], f"{missed} had to wait"
        return commands

    monkeypatch.setattr(Forwarder, "decide", judged)
    for seed in SEEDS:
        outcome = run_plan(draw_plan(seed))
        assert outcome.violation is None, describe(outcome)
    assert turns["passed over"] >= RESTS_MIN
