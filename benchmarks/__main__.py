"""`python -m benchmarks`, which `make bench` runs: measures, shows the tables, leaves the figures as JSON."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks import report
from benchmarks.broker import NoBroker, running_kafka
from benchmarks.cases import Case, chosen
from benchmarks.report import Report, UnreadableReportError, read_report
from benchmarks.revisions import Pair, UnknownRevisionError, in_turn, resolved
from benchmarks.rounds import BrokenRunError
from benchmarks.run import run_case
from benchmarks.tables import (
    table_in_turn,
    table_of_aims,
    table_of_audits,
    table_of_changes,
    table_of_latency,
    table_of_throughput,
)

WIDTH_OF_A_FILE = 150
ENDED_BY_SIGTERM = 128 + signal.SIGTERM
FOLDER = Path("build/benchmarks")  # below what git ignores


def main(words: Sequence[str] | None = None) -> int:
    """Measure and show; 2 for words that mean nothing, 1 where a case was broken, else 0, aims met or not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--case", metavar="NAME,...", help="run these cases alone")
    parser.add_argument("--quick", action="store_true", help="the short round: few cases, once, under two minutes")
    parser.add_argument(
        "--compare",
        metavar="FILE|COMMIT",
        help="show ratios to the figures in this file; or run this commit's code as well, in turn with the checkout's commit",
    )
    given = parser.parse_args(words)
    try:
        cases = chosen(given.case, quick=given.quick)
        file = None if given.compare is None else Path(given.compare)
        before = read_report(file) if file is not None and file.exists() else None
        revision = None if before is not None else given.compare
        if revision is not None:
            resolved(revision)
    except (ValueError, UnreadableReportError, UnknownRevisionError) as error:
        parser.error(str(error))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ENDED_BY_SIGTERM))  # so that all that was started is stopped
    console = Console(width=None if sys.stdout.isatty() else WIDTH_OF_A_FILE)
    begun = report.now()
    path = FOLDER / f"{begun.replace(':', '')}-{report.commit().rstrip('+')}.json"
    with nullcontext() if revision is None else in_turn(revision) as pair:
        measured = measure(cases, console, path, at=begun, quick=given.quick, revisions=pair)
    show(measured, cases, console)
    if before is not None:
        console.print(table_of_changes(before, measured))
    if revision is not None:
        console.print(table_in_turn(measured, revision))
    console.print(f"the figures are in {path}; compare a later run by `make bench COMPARE={path}`", highlight=False)
    return 0 if len(measured.cases) == len(cases) else 1


def measure(
    cases: Sequence[Case], console: Console, path: Path, *, at: str, quick: bool, revisions: Pair | None = None
) -> Report:
    """Run the cases one after the other, against one Kafka; what was measured so far is always in the file."""
    load_before = os.getloadavg()[0]
    needs_kafka = any(case.kind != "audit" for case in cases)
    with running_kafka() if needs_kafka else nullcontext(NoBroker()) as broker:
        console.print(f"Kafka: {broker.kind}; load average {load_before:.1f}", highlight=False)
        measured = Report(
            at=at,
            commit=report.commit(),
            machine=report.machine(),
            versions=report.versions(),
            kafka=broker.kind,
            quick=quick,
            load_before=load_before,
            load_after=load_before,
            cases={},
        )
        for case in cases:
            console.print(f"[bold]{case.name}[/]: {case.what}", highlight=False)
            try:
                rounds = run_case(broker, case, quick=quick, say=partial(_say, console), revisions=revisions)
            except BrokenRunError as error:
                console.print("  this case is broken and shows nothing:", str(error), style="red", markup=False)
                continue
            cases_so_far = {**measured.cases, case.name: rounds}
            measured = replace(measured, cases=cases_so_far, load_after=os.getloadavg()[0])
            measured.write(path)
        return measured


def _say(console: Console, text: str) -> None:
    console.print(f"  {text}", style="dim", highlight=False)


def show(measured: Report, cases: Sequence[Case], console: Console) -> None:
    """Print the tables, and what they hang on."""
    for table in (table_of_throughput, table_of_latency, table_of_audits, table_of_aims):
        shown = table(measured, cases)
        if shown.row_count:
            console.print(shown)
    parts: Mapping[str, object] = {**measured.machine, "Kafka": measured.kafka, **measured.versions}
    words = ", ".join(f"{name} {value}" for name, value in parts.items())
    console.print(
        f"commit {measured.commit}; {words}; load average {measured.load_before:.1f} before, "
        f"{measured.load_after:.1f} after",
        highlight=False,
    )


if __name__ == "__main__":
    raise SystemExit(main())
