"""`python -m tests.simulation planted`: plant every bug, see each of them found, and publish the table."""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.simulation.planted.bug import BUDGET, PatchError
from tests.simulation.planted.catalogue import BY_NAME, PLANTED
from tests.simulation.planted.search import Finding, look_for_all, record, unclean

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "planted.md"
COMMAND = "make planted"
WIDTH = max(map(len, BY_NAME))


def main(arguments: list[str]) -> int:
    """Look for the planted bugs; give 1 where one is not found, or where the same seeds break a rule without it."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation planted", description=__doc__)
    parser.add_argument("bug", nargs="*", help="names of bugs; all by default")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--budget", type=int, help=f"seeds for each bug ({BUDGET} unless a bug says otherwise)")
    parser.add_argument(
        "--page", type=Path, help="write the table there, as Markdown, and the seeds; only when all are found"
    )
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.bug if name not in BY_NAME]
    if unknown:
        parser.error(f"no bug is called {', '.join(unknown)}; there are {', '.join(BY_NAME)}")
    try:
        return _run(chosen.bug or list(BY_NAME), chosen.workers, chosen.budget, chosen.page)
    except PatchError as error:
        _say(f"{error}\nFollow the machine in tests/simulation/planted, or plant the bug elsewhere.")
        return 1


def _run(names: Sequence[str], workers: int, budget: int | None, page: Path | None) -> int:
    _say(f"{'bug':<{WIDTH}}  found by  seeds  seconds of CPU")
    findings: list[Finding] = []
    for finding in look_for_all(names, workers, budget):
        findings.append(finding)
        by = finding.rule if finding.found else "NOT FOUND" if finding.rule is None else f"{finding.rule} ONLY"
        _say(f"{finding.bug:<{WIDTH}}  {by:<8}  {finding.seeds:5}  {finding.seconds:7.2f}")
    found = [finding for finding in findings if finding.found]
    _say(f"found {len(found)} of {len(findings)}")
    for finding in findings:
        if not finding.found:
            _say(_complaint(finding))
    runs, broken = 0, 0
    for tried, complaint in unclean(needed(findings), workers):
        runs += tried
        broken += complaint is not None
        if complaint is not None:
            _say(f"with no bug planted, {complaint}")
    _say(f"with no bug planted, {runs - broken} of the same {runs} runs break no rule")
    good = len(found) == len(findings) and not broken
    if good and page is not None:
        page.write_text(page_of(findings, runs, tree_of("src")), encoding="utf-8")
        record(findings)
        _say(f"written: {page}, and the seeds for the tests")
    return 0 if good else 1


def needed(findings: Sequence[Finding]) -> Mapping[str, int]:
    """Give for each plan, by the name of one bug that uses it, how many seeds the searches with it took."""
    most: dict[object, tuple[str, int]] = {}
    for finding in findings:
        plan = BY_NAME[finding.bug].plan
        name, seeds = most.get(plan, (finding.bug, 0))
        most[plan] = name, max(seeds, finding.seeds)
    return dict(most.values())


def _complaint(finding: Finding) -> str:
    bug = BY_NAME[finding.bug]
    wanted = ", ".join(sorted(bug.rules, key=_order))
    if finding.rule is None:
        return f"{bug.name} was not found in {finding.seeds} seeds; {wanted} should have: {bug.wrong}"
    return f"{bug.name} was found by {finding.rule} and not by {wanted}, in seed {finding.seeds - 1}: {finding.what}"


def _order(rule: str) -> tuple[int, str]:
    return len(rule), rule


def page_of(findings: Sequence[Finding], clean_runs: int, tree: str) -> str:
    """Give the published table, as Markdown."""
    lines = [
        f"<!-- Written by `{COMMAND}`. -->",
        "",
        "# Planted bugs",
        "",
        "A check that cannot fail proves nothing.",
        f"So {len(findings)} bugs were planted in the machine, one at a time,",
        "and the simulator ran seeds from 0 on until one of its rules was broken.",
        "A bug counts as found when the rule that was broken is one that is there for it.",
        "",
        f"- Code: `src` with the tree {tree}; `git rev-parse HEAD:src` begins so where it is the present one",
        f"- Command: `{COMMAND}` (it writes this page, and fails where a bug is not found)",
        f"- Found: {sum(finding.found for finding in findings)} of {len(findings)}",
        f"- Without a bug: {clean_runs} runs of the same seeds, and no rule is broken",
        "",
        "Each bug is a patch in `tests/simulation/planted/`; the rules are those of `tests/simulation/`,",
        "and what they protect stands in [guarantees.md](guarantees.md).",
        "",
        "| bug | what is wrong | found by | seeds |",
        "|---|---|---|---|",
    ]
    for finding in findings:
        bug = BY_NAME[finding.bug]
        lines.append(f"| {bug.name.replace('_', ' ')} | {bug.wrong} | {finding.rule} | {finding.seeds} |")
    return "\n".join(lines) + "\n"


def tree_of(folder: str, root: Path = ROOT) -> str:
    """Give the id that git has for what a folder holds now; «unknown» without git.

    A commit's id changes when the commit is moved, and then names nothing that anybody has. What a folder holds does not.
    """
    with tempfile.TemporaryDirectory() as scratch:
        known = {**os.environ, "GIT_INDEX_FILE": str(Path(scratch) / "index")}

        def git(*words: str) -> str:
            return subprocess.run(
                ["git", *words], cwd=root, env=known, capture_output=True, text=True, check=False
            ).stdout.strip()

        git("add", "--", folder)
        return git("write-tree", f"--prefix={folder}/")[:12] or "unknown"


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command's output


assert len(PLANTED) == len(BY_NAME), "two planted bugs have one name"
