"""`python -m tests.simulation.swarm --seconds 60`: as many seeds as the time allows, stopping at the first broken rule."""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import Self

from adapters.simulated.faults import RECORDS_DEFAULT, swarm_plan
from adapters.simulated.plan import Kind
from tests.simulation.report import describe
from tests.simulation.runner import run_plan
from tests.simulation.situations import SITUATIONS

COLLECT_EVERY = 50  # seeds; each world is one big cycle of references, and looking for it at every turn costs a tenth


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
    gc.disable()
    try:
        for seed in seeds:
            outcome = run_plan(swarm_plan(seed, records))
            tally.seeds += 1
            tally.steps += outcome.world.steps
            tally.virtual_seconds += outcome.virtual_seconds
            tally.reached += outcome.reached
            tally.befell += outcome.world.befell
            if outcome.violation is not None:
                tally.failure = describe(outcome)
                break
            if tally.seeds % COLLECT_EVERY == 0:
                gc.collect()
            if time.monotonic() >= deadline:
                break
    finally:
        gc.enable()
    tally.cpu_seconds = time.process_time() - began
    return tally


def _worker(first: int, step: int, seconds: float, records: int) -> Tally:
    return run_seeds(count(first, step), seconds, records)


def run_swarm(first: int, seconds: float, workers: int, records: int = RECORDS_DEFAULT) -> Tally:
    """Run seeds from `first` on in several processes."""
    if workers == 1:
        return _worker(first, 1, seconds, records)
    whole = Tally()
    with ProcessPoolExecutor(workers) as pool:
        shares: Iterator[Tally] = pool.map(
            _worker, range(first, first + workers), *zip(*[(workers, seconds, records)] * workers, strict=True)
        )
        for share in shares:
            whole += share
    return whole


def main(arguments: list[str]) -> int:
    """Run the swarm; give 1 when a rule was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.swarm", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--records", type=int, default=RECORDS_DEFAULT)
    chosen = parser.parse_args(arguments)
    tally = run_swarm(chosen.first, chosen.seconds, chosen.workers, chosen.records)
    if tally.failure is not None:
        print(tally.failure)  # noqa: T201 - a command's output
    print(tally)  # noqa: T201 - a command's output
    for name in tally.missed():
        print(f"not reached: {name}")  # noqa: T201 - a command's output
    return 0 if tally.failure is None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
