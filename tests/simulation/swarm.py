"""`python -m tests.simulation.swarm --seconds 60`: as many seeds as the time allows, stopping at the first broken rule.

A run of SEEDS_FOR_ALL_SITUATIONS seeds or more must have been in every situation that is named, or it fails: what was
never put to the test has not held. A shorter run says which it has not been in, and leaves it at that.
With `--seeds` the number is fixed, and so is what is reached, on every machine.
"""

from __future__ import annotations

import argparse
import gc
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from types import FrameType
from typing import NoReturn, Self

from doka.adapters.simulated.faults import RECORDS_DEFAULT, swarm_plan
from doka.adapters.simulated.plan import Kind, Plan
from tests.simulation.checkers import ViolationError
from tests.simulation.report import describe
from tests.simulation.runner import Outcome, run_plan
from tests.simulation.situations import SEEDS_FOR_ALL_SITUATIONS, SITUATIONS

COLLECT_EVERY = 200  # seeds; what a world leaves behind is let go by hand, all but a few small cycles
SEED_SECONDS_MAX = 20.0  # of the processor; a thousand times what a seed takes


@dataclass
class Tally:
    """What a number of seeds came to."""

    seeds: int = 0
    steps: int = 0
    virtual_seconds: float = 0.0
    cpu_seconds: float = 0.0
    reached: Counter[str] = field(default_factory=Counter)
    befell: Counter[Kind] = field(default_factory=Counter)
    failure: str | None = None

    def __iadd__(self, other: Tally) -> Self:
        self.seeds += other.seeds
        self.steps += other.steps
        self.virtual_seconds += other.virtual_seconds
        self.cpu_seconds += other.cpu_seconds
        self.reached += other.reached
        self.befell += other.befell
        self.failure = self.failure or other.failure
        return self

    def missed(self) -> list[str]:
        """Name the situations that no seed has been in."""
        return [name for name in SITUATIONS if not self.reached[name]]

    @property
    def passed(self) -> bool:
        """Whether no rule was broken, and so many seeds have been wherever they must have been."""
        return self.failure is None and not (self.seeds >= SEEDS_FOR_ALL_SITUATIONS and self.missed())

    def __str__(self) -> str:
        rate = self.seeds / self.cpu_seconds if self.cpu_seconds else 0.0
        return (
            f"{self.seeds} seeds, {rate:.0f} a second of CPU, {self.steps / max(self.seeds, 1):.0f} steps each, "
            f"{self.virtual_seconds / 3600:.1f} virtual hours, {sum(self.befell.values())} incidents of "
            f"{len(self.befell)} kinds, {len(SITUATIONS) - len(self.missed())} of {len(SITUATIONS)} situations"
        )


def run_seeds(seeds: Iterable[int], seconds: float, records: int = RECORDS_DEFAULT) -> Tally:
    """Run seeds in order until the time (of the wall) is up or a rule is broken."""
    tally = Tally()
    deadline = time.monotonic() + seconds
    began = time.process_time()
    gc.collect()
    gc.freeze()  # what is imported stays, and need not be looked at again
    gc.disable()
    try:
        for seed in seeds:
            outcome = run_within(swarm_plan(seed, records), SEED_SECONDS_MAX)
            tally.seeds += 1
            tally.steps += outcome.world.steps
            tally.virtual_seconds += outcome.virtual_seconds
            tally.reached += outcome.reached
            tally.befell += outcome.world.befell
            if outcome.violation is not None:
                tally.failure = describe(outcome)
                break
            outcome.let_go()
            if tally.seeds % COLLECT_EVERY == 0:
                gc.collect()
            if time.monotonic() >= deadline:
                break
    finally:
        gc.unfreeze()
        gc.enable()
    tally.cpu_seconds = time.process_time() - began
    return tally


def run_within(plan: Plan, seconds: float) -> Outcome:
    """Run a plan; one that takes so many seconds of the processor goes round in a circle in which no port is called: I9."""
    former = signal.signal(signal.SIGPROF, _circles)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        return run_plan(plan)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, former)


def _circles(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise ViolationError("I9", "it goes round in a circle, and calls nobody")


def run_swarm(
    first: int, seconds: float, workers: int, records: int = RECORDS_DEFAULT, seeds: int | None = None
) -> Tally:
    """Run seeds from `first` on in several processes: `seeds` of them, or until `seconds` of the wall are over."""
    end = sys.maxsize if seeds is None else first + seeds
    time_limit = seconds if seeds is None else float("inf")
    shares = [range(first + i, end, workers) for i in range(workers)]
    if workers == 1:
        return run_seeds(shares[0], time_limit, records)
    whole = Tally()
    with ProcessPoolExecutor(workers) as pool:
        for share in pool.map(run_seeds, shares, repeat(time_limit), repeat(records)):
            whole += share
    return whole


def main(arguments: list[str]) -> int:
    """Run the swarm; give 1 when a rule was broken, or when so many seeds have missed a situation."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation.swarm",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, help="exactly so many seeds, however long they take")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--records", type=int, default=RECORDS_DEFAULT)
    chosen = parser.parse_args(arguments)
    tally = run_swarm(chosen.first, chosen.seconds, chosen.workers, chosen.records, chosen.seeds)
    print(verdict(tally))  # noqa: T201 - a command's output
    return 0 if tally.passed else 1


def verdict(tally: Tally) -> str:
    """Say what came out; of a failing seed first and last the seed, its rule and the command that repeats it."""
    if tally.failure is not None:
        return f"{tally.failure.partition(chr(10))[0]} fails, of {tally}\n{tally.failure}"
    missed = tally.missed()
    lines = [str(tally), *(f"not reached: {name}" for name in missed)]
    if missed and tally.seeds >= SEEDS_FOR_ALL_SITUATIONS:
        lines.append(f"{SEEDS_FOR_ALL_SITUATIONS} seeds must have been in every situation, so this run fails")
    elif missed:
        lines.append(f"only {SEEDS_FOR_ALL_SITUATIONS} seeds must have been in every situation: this run was too short")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
