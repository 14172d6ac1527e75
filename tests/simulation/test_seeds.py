"""A swarm of a fixed number of seeds, by the entry point of `make simulate`: every rule holds.

SIM_SEEDS sets the number, SIM_FIRST_SEED where to begin. A search belongs beside the tests, not into them: `make evidence`
runs as many as must reach every named situation, and more.
"""

from __future__ import annotations

import os

import pytest

from doka.adapters.simulated.faults import swarm_plan
from doka.domain.forwarder import Forwarder
from doka.domain.turn import Decision
from tests.simulation.checkers import ViolationError
from tests.simulation.situations import SEEDS_FOR_ALL_SITUATIONS, SITUATIONS
from tests.simulation.swarm import Tally, main, run_within, verdict

SEEDS = int(os.environ.get("SIM_SEEDS", "150"))
FIRST_SEED = int(os.environ.get("SIM_FIRST_SEED", "0"))


@pytest.mark.slow
@pytest.mark.timeout(SEEDS // 2 + 120)
def test_no_seed_breaks_a_rule(capsys: pytest.CaptureFixture[str]) -> None:
    """So many seeds pass; and where they are enough to have been everywhere, they have been."""
    code = main(["--seeds", str(SEEDS), "--first", str(FIRST_SEED), "--workers", "1"])
    printed = capsys.readouterr().out
    with capsys.disabled():
        print(f"\n{printed.splitlines()[0]}")  # noqa: T201 - what was tried is worth a line
    assert code == 0, printed
    assert SEEDS < SEEDS_FOR_ALL_SITUATIONS or f"{len(SITUATIONS)} of {len(SITUATIONS)} situations" in printed


def test_a_situation_that_so_many_seeds_have_missed_fails_the_run() -> None:
    """A run that is long enough and has not been in one of the situations does not pass, and says in which."""
    tally = Tally(seeds=SEEDS_FOR_ALL_SITUATIONS)
    tally.reached.update(SITUATIONS[1:])
    assert not tally.passed
    assert f"not reached: {SITUATIONS[0]}" in verdict(tally)
    assert "so this run fails" in verdict(tally)


def test_a_short_run_says_what_it_has_missed_and_passes(capsys: pytest.CaptureFixture[str]) -> None:
    """Three seeds cannot have been everywhere, and nobody asks it of them."""
    assert main(["--seeds", "3", "--workers", "1"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("3 seeds, ")
    assert "not reached: " in printed
    assert "this run was too short" in printed


def test_a_machine_that_goes_round_in_a_circle_breaks_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop in which no port is called is ended by the processor's time that it takes, and told as what it is."""

    def circle(self: Forwarder, now: int) -> Decision:
        while True:
            pass

    monkeypatch.setattr(Forwarder, "decide", circle)
    violation = run_within(swarm_plan(0), 0.2).violation
    assert isinstance(violation, ViolationError)
    assert "I9" == violation.rule


def test_there_are_forty_situations_and_more() -> None:
    """The list is long, and no name stands in it twice."""
    assert len(SITUATIONS) == len(set(SITUATIONS)) >= 40
