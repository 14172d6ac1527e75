"""Looks for a planted bug: seed after seed from 0 on, until a rule is broken that is there for it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from doka.adapters.simulated.plan import Plan
from tests.simulation.checkers import ViolationError
from tests.simulation.planted.bug import Bug, PatchError, planted
from tests.simulation.planted.catalogue import BY_NAME
from tests.simulation.runner import run_plan

RECORD = Path(__file__).with_name("seeds.json")
HASH_SEEDS = ("1", "2", "3")
HASH_SEED_RUNS = 8  # seeds that are compared at once: most of the time goes into starting an interpreter
IN_THE_BUG_ITSELF = re.compile(r"an unexpected \w+ came up.*\bplanted\w* \([^>]*$")


@dataclass(frozen=True)
class Finding:
    """What became of the search for one bug."""

    bug: str
    rule: str | None
    """The rule that was broken; None when none was."""
    what: str
    seeds: int
    """How many were needed, or tried."""
    seconds: float

    @property
    def found(self) -> bool:
        """Whether it was found, by a rule that is there for it."""
        return self.rule in BY_NAME[self.bug].rules


def broken_rule(plan: Plan) -> tuple[str, str] | None:
    """Run a plan; give the rule that it broke and how, or None."""
    violation = run_plan(plan).violation
    if violation is None:
        return None
    return violation.rule if isinstance(violation, ViolationError) else type(violation).__name__, str(violation)


def recorded() -> Mapping[str, int]:
    """Give the seed with which each bug was found last, as `make planted` wrote it down."""
    found: dict[str, int] = json.loads(RECORD.read_text(encoding="utf-8"))
    return found


def record(findings: Iterable[Finding]) -> None:
    """Write down the seeds with which bugs were found."""
    found = {finding.bug: finding.seeds - 1 for finding in findings}
    RECORD.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def look_again_for(bug: Bug) -> Finding:
    """Run the seed that is on record for a bug, and look further only where that does not find it any more.

    Raises:
        PatchError: the bug no longer applies.
    """
    seed = recorded().get(bug.name)
    if seed is not None:
        finding = _look_in(bug, range(seed, seed + 1))
        if finding.found:
            return finding
    return look_for(bug)


def look_for(bug: Bug, budget: int | None = None) -> Finding:
    """Run seeds with the bug planted until one breaks a rule, or the budget is used up.

    Raises:
        PatchError: the bug no longer applies.
    """
    return _look_in(bug, range(bug.budget if budget is None else budget))


def _look_in(bug: Bug, seeds: range) -> Finding:
    began = time.process_time()
    search = _differing if bug.by_hash_seed else _breaking
    tried, rule, what = search(bug, seeds)
    if IN_THE_BUG_ITSELF.search(what):
        raise PatchError(f"the planted bug {bug.name} no longer applies: {what}")
    return Finding(bug.name, rule, what, tried, time.process_time() - began)


def _breaking(bug: Bug, seeds: Iterable[int]) -> tuple[int, str | None, str]:
    tried = 0
    with planted(bug):
        for seed in seeds:
            tried += 1
            broken = broken_rule(bug.plan(seed))
            if broken is not None:
                return tried, *broken
    return tried, None, ""


def _differing(bug: Bug, seeds: range) -> tuple[int, str | None, str]:
    """Compare the traces of the same seeds in processes with other PYTHONHASHSEEDs."""
    for first in range(seeds.start, seeds.stop, HASH_SEED_RUNS):
        some = range(first, min(first + HASH_SEED_RUNS, seeds.stop))
        one, *others = HASH_SEEDS
        expected = digests_under(one, bug.name, some)
        for other in others:
            for seed, wanted, found in zip(some, expected, digests_under(other, bug.name, some), strict=True):
                if wanted != found:
                    return seed + 1, "I18", f"I18: seed {seed} runs otherwise under another PYTHONHASHSEED"
    return len(seeds), None, ""


def digests_under(hash_seed: str, name: str, seeds: range) -> list[str]:
    """Give the trace hashes of these seeds, with this bug planted ("" for none), in a process of its own."""
    code = (
        "import sys; from tests.simulation.planted.search import print_digests; "
        f"print_digests({name!r}, range({seeds.start}, {seeds.stop}))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


def print_digests(name: str, seeds: range) -> None:
    """Print the trace hash of each seed."""
    bug = BY_NAME.get(name)
    draw = next(iter(BY_NAME.values())).plan if bug is None else bug.plan
    with planted(bug):
        for seed in seeds:
            print(run_plan(draw(seed)).world.trace.digest())  # noqa: T201 - to the process that asked


def look_for_named(name: str, budget: int | None) -> Finding:
    """Look for a bug by its name: a process cannot be sent a function."""
    return look_for(BY_NAME[name], budget)


def look_for_all(names: Iterable[str], workers: int, budget: int | None = None) -> Iterator[Finding]:
    """Look for bugs in several processes; give the findings in order, each when it is there."""
    search = partial(look_for_named, budget=budget)
    if workers == 1:
        yield from map(search, names)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(search, names)


def _unclean_of(name: str, seeds: int) -> list[tuple[int, str | None]]:
    """Run the seeds of a bug's plan without the bug; give how many were run, and what each broke."""
    found: list[tuple[int, str | None]] = []
    for seed in range(seeds):
        broken = broken_rule(BY_NAME[name].plan(seed))
        found.append((1, None if broken is None else f"seed {seed} of {name} breaks a rule: {broken[1]}"))
    return found


def unclean(seeds: Mapping[str, int], workers: int) -> Iterator[tuple[int, str | None]]:
    """Run the same seeds with no bug planted: by the plans of these bugs, so many; give (runs, complaint or None)."""
    if workers == 1:
        for name, count in seeds.items():
            yield from _unclean_of(name, count)
        return
    with ProcessPoolExecutor(workers) as pool:
        for found in pool.map(_unclean_of, seeds, seeds.values()):
            yield from found
