"""The figures as tables for a person: what each contender showed, the aims and whether they are met, a comparison."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from benchmarks.cases import Case
from benchmarks.figures import (
    BASELINE,
    DOKA,
    FIGURES,
    FLOOR,
    Figure,
    against_before,
    by_contender,
    figures_of_doka,
    judged,
    known,
)
from benchmarks.report import Report

SAME_WITHIN = 0.1
"""A ratio nearer to 1 than this is noise on most machines, and is not coloured."""

_THROUGHPUT = (
    (DOKA, "records_per_second", "doka\nrecords/s"),
    (DOKA, "cpu_us", "doka\nCPU"),
    (FLOOR, "cpu_us", "floor\nCPU"),
    (DOKA, "cpu_to_floor", "times\nfloor"),
    (BASELINE, "cpu_us", "baseline\nCPU"),
    (DOKA, "baseline_to_cpu", "times less\nthan it"),
    (BASELINE, "records_per_second", "baseline\nrecords/s"),
    (DOKA, "records_per_request", "records\na request"),
    (DOKA, "records_per_entry", "in an\nentry"),
    (DOKA, "rss_mib", "doka\npeak RSS"),
    (DOKA, "cores_busy", "cores\nbusy"),
    (DOKA, "endpoint_busy", "endpoint\nbusy"),
)
_LATENCY = (
    (DOKA, "p50_ms", "doka\np50"),
    (DOKA, "p99_ms", "doka\np99"),
    (DOKA, "most_ms", "doka\nlongest"),
    (FLOOR, "p50_ms", "floor\np50"),
    (FLOOR, "p99_ms", "floor\np99"),
    (DOKA, "p50_above_ms", "doka's\nown p50"),
    (DOKA, "p99_above_ms", "doka's\nown p99"),
    (DOKA, "cpu_us", "doka\nCPU"),
    (FLOOR, "cpu_us", "floor\nCPU"),
    (BASELINE, "p50_ms", "baseline\np50"),
    (BASELINE, "p99_ms", "baseline\np99"),
    (DOKA, "idle_cpu_percent", "idle CPU\nof a core"),
    (DOKA, "rss_mib", "doka\npeak RSS"),
    (DOKA, "base_mib", "with nothing\nto do"),
    (DOKA, "held_mib", "held of\nheld_mib"),
)
_AUDIT = (
    (DOKA, "records_per_second", "records/s"),
    (DOKA, "cpu_us", "CPU"),
    (DOKA, "judging_us", "of it, wall:\njudging"),
    (DOKA, "cores_busy", "cores\nbusy"),
    (DOKA, "rss_mib", "peak RSS"),
    (DOKA, "disk_bytes", "bytes\non disk"),
)
Column = tuple[str, str, str]


def table_of_throughput(report: Report, cases: Iterable[Case]) -> Table:
    """Show what forwarding a backlog costs, beside the floor and the baseline of the same rounds."""
    return _table("a backlog", report, [case for case in cases if case.kind == "throughput"], _THROUGHPUT)


def table_of_latency(report: Report, cases: Iterable[Case]) -> Table:
    """Show how long records take at a steady rate, from `produce` to the endpoint's answer, and what idling costs."""
    others = [case for case in cases if case.kind not in {"throughput", "audit"}]
    return _table("a trickle, nothing, and a stall", report, others, _LATENCY)


def table_of_audits(report: Report, cases: Iterable[Case]) -> Table:
    """Show what comparing costs an audit, reading not counted."""
    return _table("both sides compared", report, [case for case in cases if case.kind == "audit"], _AUDIT)


def table_of_aims(report: Report, cases: Iterable[Case]) -> Table:
    """Show each aim beside its figure; the absolute ones are meant for a calm machine."""
    table = Table(title="aims", title_justify="left")
    for heading in ("case", "figure", "aim", "measured", ""):
        table.add_column(heading, justify="right" if heading in {"aim", "measured"} else "left")
    for case, aim, value in judged(report.cases, cases, report.machine["cores"]):
        figure, met = FIGURES[aim.figure], aim.met(value)
        verdict = Text("met", "green") if met else Text("not met", "bold red")
        wanted = f"{aim.relation} {figure.show(aim.bound)}"
        table.add_row(case.name, figure.label, wanted, figure.show(value), verdict)
    return table


def table_of_changes(before: Report, after: Report) -> Table:
    """Show what became of each figure of doka: after divided by before."""
    table = Table(title=f"against {before.commit} of {before.at}", title_justify="left")
    for heading in ("case", "figure", "before", "after", "ratio"):
        table.add_column(heading, justify="left" if heading in {"case", "figure"} else "right")
    for case, name, was, value in changes(before, after):
        figure, ratio = FIGURES[name], value / was
        text = Text(f"{ratio:.2f}", _colour(ratio, figure))
        table.add_row(case, figure.label, figure.show(was), figure.show(value), text)
    return table


def table_in_turn(report: Report, before: str) -> Table:
    """Show each figure of two revisions that ran in turn: medians, and now divided by before within the rounds."""
    table = Table(title=f"{report.commit.rstrip('+')} against {before}, in turn", title_justify="left")
    for heading in ("case", "figure", "before", "now", "ratio", "of the rounds"):
        table.add_column(heading, justify="left" if heading in {"case", "figure"} else "right")
    for case, rounds in report.cases.items():
        for name, was, became, ratios in against_before(rounds):
            figure, ratio = FIGURES[name], statistics.median(ratios)
            spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
            row = (case, figure.label, figure.show(was), figure.show(became))
            table.add_row(*row, Text(f"{ratio:.2f}", _colour(ratio, figure)), spread)
    return table


def _colour(ratio: float, figure: Figure) -> str:
    if abs(ratio - 1) <= SAME_WITHIN:
        return ""
    return "green" if (ratio > 1) == figure.more_is_better else "red"


def changes(before: Report, after: Report) -> list[tuple[str, str, float, float]]:
    """Give (case, figure, before, after) for each figure of doka that both runs have and that is not 0 before."""
    was, became = figures_of_doka(before.cases), figures_of_doka(after.cases)
    return [
        (case, name, was[case][name], figures[name])
        for case, figures in became.items()
        if case in was
        for name in known(figures)
        if was[case].get(name)
    ]


def _table(title: str, report: Report, cases: Sequence[Case], columns: Sequence[Column]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("case")
    shown = [case for case in cases if case.name in report.cases]
    found = by_contender(report.cases)
    used = [c for c in columns if any(c[1] in found[case.name][c[0]] for case in shown)]
    for _, _, heading in used:
        table.add_column(heading, justify="right")
    for case in shown:
        values = [found[case.name][contender].get(figure) for contender, figure, _ in used]
        cells = ["-" if v is None else FIGURES[c[1]].show(v) for c, v in zip(used, values, strict=True)]
        table.add_row(f"{case.name}\n[dim]{case.what}[/]", *cells)
    return table
