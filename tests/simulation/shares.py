"""`python -m tests.simulation shares`: what seeds cost, and which part of it is whose, by a profile of so many seeds.

A profile makes calls dearer than they are, each alike: shares are good for comparison, and times are those without it.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import time
from collections import Counter
from typing import Any

from doka.adapters.simulated.faults import RECORDS_DEFAULT, swarm_plan
from tests.simulation.runner import run_plan

PARTS = {
    "doka/domain/": "the machine",
    "doka/app/": "the loop",
    "doka/adapters/": "the world",
    "tests/": "the judges",
}
BESIDES = "Python's own"
BUILT_IN = "~"  # as a profile names the file of what is written in C


def main(arguments: list[str]) -> int:
    """Print the shares; give 1 where a seed breaks a rule."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation shares", description=__doc__)
    parser.add_argument("--seeds", type=int, default=180, help="a multiple of 180 has each kind of world in its share")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--records", type=int, default=RECORDS_DEFAULT)
    chosen = parser.parse_args(arguments)
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    began = time.process_time()
    broken = _run(seeds, chosen.records)
    took = time.process_time() - began
    profile = cProfile.Profile()
    profile.runcall(_run, seeds, chosen.records)
    stats: Any = pstats.Stats(profile)  # Any: what it holds is documented nowhere but in its source
    print(f"{chosen.seeds} seeds of {chosen.records} records, {1_000 * took / chosen.seeds:.1f} ms of CPU each")  # noqa: T201 - a command's output
    for part, share, calls in shares(stats.stats):
        print(f"{part:<12}  {share:4.0%}  {calls / chosen.seeds:8,.0f} calls a seed")  # noqa: T201 - likewise
    return 1 if broken else 0


def _run(seeds: range, records: int) -> bool:
    """Run the seeds; say whether one breaks a rule."""
    broken = False
    for seed in seeds:
        outcome = run_plan(swarm_plan(seed, records))
        broken = broken or outcome.violation is not None
        outcome.let_go()
    return broken


def shares(stats: dict[Any, Any]) -> list[tuple[str, float, int]]:
    """Give each part, its share of the time and its calls; what is written in C counts for whoever calls it."""
    times: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for (file, _, _), (_, count, own, _, callers) in stats.items():
        if file == BUILT_IN:
            for (caller, _, _), (_, its_count, its_own, _) in callers.items():
                times[part_of(caller)] += its_own
                calls[part_of(caller)] += its_count
        else:
            times[part_of(file)] += own
            calls[part_of(file)] += count
    whole = sum(times.values())
    return [(part, time / whole, calls[part]) for part, time in times.most_common()]


def part_of(file: str) -> str:
    """Say whose a file is."""
    return next((part for path, part in PARTS.items() if path in file), BESIDES)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
