"""`python -m scripts.evidence`, which `make evidence` runs: runs what proves doka's promises and writes docs/evidence.md.

Each part leaves its result in .evidence/, and the page is written from those results alone. A part that cannot be run
here loses its old result, so that the page says that it was not run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from benchmarks.report import commit, machine, now, versions
from scripts.evidence_page import Part, page

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".evidence"
PAGE = ROOT / "docs" / "evidence.md"
WORKERS = 2


class CannotRunError(Exception):
    """This machine lacks what a part needs."""


def simulation(given: argparse.Namespace) -> Part:
    """Run seeds of the simulator for the time that was asked for."""
    from tests.simulation.situations import SITUATIONS
    from tests.simulation.swarm import run_swarm

    tally = run_swarm(given.first, given.seconds, WORKERS)
    return {
        "command": f"make simulate SECONDS={given.seconds:g}",
        "seconds": given.seconds,
        "first": given.first,
        "seeds": tally.seeds,
        "steps": tally.steps,
        "virtual_seconds": tally.virtual_seconds,
        "cpu_seconds": tally.cpu_seconds,
        "befell": {kind.value: count for kind, count in tally.befell.items()},
        "reached": {name: tally.reached[name] for name in SITUATIONS},
        "failure": None if tally.failure is None else tally.failure.splitlines()[1],
        "passed": tally.passed,
    }


def planted(_given: argparse.Namespace) -> Part:
    """Look for every planted bug; raises CannotRunError where one no longer applies to the machine."""
    from tests.simulation.planted.bug import PatchError
    from tests.simulation.planted.catalogue import BY_NAME
    from tests.simulation.planted.search import look_for_all

    try:
        findings = list(look_for_all(list(BY_NAME), WORKERS))
    except PatchError as error:
        raise CannotRunError(str(error)) from error
    told = [{"bug": each.bug, "found": each.found, "rule": each.rule, "seeds": each.seeds} for each in findings]
    return {"findings": told}


def chaos(given: argparse.Namespace) -> Part:
    """Kill the real service; raises CannotRunError where no container engine answers."""
    words = ["--rounds", str(given.rounds), *([] if given.seed is None else ["--seed", str(given.seed)])]
    ended = subprocess.run([sys.executable, "-m", "tests.chaos", *words], cwd=ROOT, check=False)
    if ended.returncode not in {0, 1} or not (FOLDER / "chaos.json").exists():
        raise CannotRunError(f"the rounds of kills ended with {ended.returncode}")
    result: dict[str, Any] = orjson.loads((FOLDER / "chaos.json").read_bytes())
    return {**result, "command": f"make chaos ROUNDS={result['rounds']} SEED={result['seed']}"}


def tests(_given: argparse.Namespace) -> Part:
    """Count the tests by kind, as pytest collects them."""
    words = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    listed = subprocess.run(words, cwd=ROOT, check=False, capture_output=True, text=True)
    if listed.returncode != 0:
        raise CannotRunError("pytest could not collect the tests")
    return {"kinds": kinds_of(listed.stdout.splitlines())}


def kinds_of(lines: Sequence[str]) -> dict[str, int]:
    """Count lines that name a test by the folder of tests/ that it stands in."""
    named = [line.split("/")[1] for line in lines if line.startswith("tests/") and "::" in line]
    return dict(Counter("others" if name.endswith(".py") or "::" in name else name for name in named))


PARTS: Mapping[str, Callable[[argparse.Namespace], Part]] = {
    "simulation": simulation,
    "planted": planted,
    "chaos": chaos,
    "tests": tests,
}


def passed(name: str, result: Part) -> bool:
    """Say whether a part's result is a good one."""
    match name:
        case "simulation":
            return bool(result["passed"])  # no rule broken, and so many seeds have been in every situation
        case "planted":
            return all(each["found"] for each in result["findings"])
        case "chaos":
            return not result["broken"]
        case _:
            return True


def main(words: Sequence[str] | None = None) -> int:
    """Run the parts, write the page; 1 where a part found something broken or could not be run."""
    parser = argparse.ArgumentParser(prog="python -m scripts.evidence", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the simulator runs (60)")
    parser.add_argument("--first", type=int, default=0, help="its first seed (0)")
    parser.add_argument("--rounds", type=int, default=200, help="how often the real service is killed (200)")
    parser.add_argument("--seed", type=int, default=None, help="of the kills; by default a new one")
    parser.add_argument(
        "--only", action="append", choices=list(PARTS), help="run this part; the others keep their results"
    )
    given = parser.parse_args(words)
    FOLDER.mkdir(exist_ok=True)
    good = True
    for name in given.only or PARTS:
        good &= _run(name, given)
    results = {name: _result(name) for name in PARTS}
    PAGE.write_text(page(now(), commit(), machine() | {"python": versions()["python"]}, results), encoding="utf-8")
    _say(f"written: {PAGE.relative_to(ROOT)}")
    return 0 if good else 1


def _run(name: str, given: argparse.Namespace) -> bool:
    _say(f"{name} ...")
    file = FOLDER / f"{name}.json"
    file.unlink(missing_ok=True)
    at = now()
    try:
        result = {"at": at, "commit": commit(), **PARTS[name](given)}
    except CannotRunError as error:
        _say(f"{name}: not run, {error}")
        return False
    file.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2))
    good = passed(name, result)
    _say(f"{name}: {'good' if good else 'BROKEN'}")
    return good


def _result(name: str) -> Part | None:
    file = FOLDER / f"{name}.json"
    if not file.exists():
        return None
    result: dict[str, Any] = orjson.loads(file.read_bytes())
    return result


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
