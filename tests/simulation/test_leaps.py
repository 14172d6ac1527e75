"""A leap passes over turns, and over nothing else: what happens to a world is the same with leaps and without."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

import doka.adapters.simulated.world as world_module
from doka.adapters.simulated.faults import swarm_plan
from doka.domain.forwarder import Forwarder
from doka.domain.turn import Decision
from tests.simulation.report import describe
from tests.simulation.runner import Outcome, run_plan

SHORT = (*range(29), 58)
LONG = (29, 43)
"""200 s in which records wait without an error, and 25 minutes in which the owner of the streams changes them."""


def passes(seed: int, *, leaps: bool) -> Outcome:
    """Run a seed, which must break no rule."""
    outcome = run_plan(swarm_plan(seed), leaps=leaps)
    assert outcome.violation is None, describe(outcome)
    return outcome


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give the moments of all turns; a call of a port takes no time, or each turn would shift what follows by microseconds."""
    monkeypatch.setattr(world_module, "CALL_NS", 0)
    decide, taken = Forwarder.decide, list[int]()

    def noted(self: Forwarder, now: int) -> Decision:
        taken.append(now)
        return decide(self, now)

    monkeypatch.setattr(Forwarder, "decide", noted)
    return taken


def counted(turns: list[int], seeds: Sequence[int], *, leaps: bool) -> tuple[list[str], int]:
    """Give the digests of some seeds, and how many turns they took."""
    turns.clear()
    return [passes(seed, leaps=leaps).world.trace.digest() for seed in seeds], len(turns)


def test_a_leap_passes_over_nothing_that_happens(turns: list[int]) -> None:
    """Seeds of every kind are equal to the last event with and without leaps, and some of the turns are not taken."""
    all_of_them, many = counted(turns, SHORT, leaps=False)
    leapt, fewer = counted(turns, SHORT, leaps=True)
    assert all_of_them == leapt
    assert fewer < many * 9 // 10, (fewer, many)


def test_hours_in_which_nothing_happens_cost_little(turns: list[int]) -> None:
    """So it is in worlds of many minutes, in which three of four turns are not taken."""
    all_of_them, many = counted(turns, LONG, leaps=False)
    leapt, fewer = counted(turns, LONG, leaps=True)
    assert all_of_them == leapt
    assert fewer < many // 4, (fewer, many)
