"""`python -m benchmarks.page FILE.json ...`: puts the figures of runs into docs/performance.md, between its two marks.

The words of the page are written by hand; no figure between the marks is.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from benchmarks.cases import CASES, Kind
from benchmarks.figures import BASELINE, DOKA, FIGURES, FLOOR, by_contender, judged
from benchmarks.report import Report, read_report

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- figures: python -m benchmarks.page FILE.json ... -->\n", "<!-- end of figures -->\n"

_COLUMNS = (
    (DOKA, "records_per_second", "records/s"),
    (DOKA, "cpu_us", "CPU a record"),
    (FLOOR, "cpu_us", "the floor's"),
    (DOKA, "cpu_to_floor", "times it"),
    (BASELINE, "cpu_us", "boto3 loop's"),
    (DOKA, "baseline_to_cpu", "times less"),
    (DOKA, "records_per_entry", "in a Kinesis record"),
    (DOKA, "rss_mib", "peak RSS"),
)
_LATENCY = (
    (DOKA, "p50_ms", "p50"),
    (DOKA, "p99_ms", "p99"),
    (DOKA, "p50_above_ms", "doka's own p50"),
    (DOKA, "p99_above_ms", "doka's own p99"),
    (FLOOR, "p50_ms", "the floor's p50"),
    (FLOOR, "p99_ms", "its p99"),
    (BASELINE, "p50_ms", "boto3 loop's p50"),
    (BASELINE, "p99_ms", "its p99"),
    (DOKA, "cpu_us", "CPU a record"),
    (FLOOR, "cpu_us", "the floor's"),
    (DOKA, "cpu_to_floor", "times it"),
    (DOKA, "cpu_to_at_once", "times that with `linger_ms: 0`"),
    (BASELINE, "cpu_us", "boto3 loop's"),
)


def figures_of(report: Report) -> str:
    """Write the tables of a run in Markdown."""
    tables = [_table(report, "throughput", _COLUMNS), _table(report, "latency", _LATENCY)]
    return "\n".join([*_head(report), *chain.from_iterable(tables), *_aims(report)]) + "\n"


def put_into(page: str, figures: str) -> str:
    """Give the page with these figures between its marks. Raises ValueError where it has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no marks for its figures")
    return before + begin + "\n" + figures + "\n" + end + after


def _head(report: Report) -> list[str]:
    machine = report.machine
    line = (
        f"`make bench{' QUICK=1' if report.quick else ''}`, {report.at}, commit {report.commit}; {report.kafka}; "
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}; "
        f"Python {report.versions['python']}, confluent-kafka {report.versions['confluent-kafka']}; "
        f"load average {report.load_before:.1f} before, {report.load_after:.1f} after."
    )
    return [line, ""]


def _table(report: Report, kind: Kind, columns: Sequence[tuple[str, str, str]]) -> list[str]:
    found = by_contender(report.cases)
    rows = []
    for case in CASES:
        if case.kind != kind or case.name not in found:
            continue
        values = [found[case.name][who].get(figure) for who, figure, _ in columns]
        cells = ["" if v is None else FIGURES[c[1]].show(v) for c, v in zip(columns, values, strict=True)]
        rows.append(_row([case.name, case.what, *cells]))
    return [_row(["case", "", *(c[2] for c in columns)]), _row(["---"] * (2 + len(columns))), *rows, ""] if rows else []


def _aims(report: Report) -> list[str]:
    rows = []
    for case, aim, value in judged(report.cases, CASES, report.machine["cores"]):
        figure, met = FIGURES[aim.figure], "met" if aim.met(value) else "**not met**"
        rows.append(
            _row([case.name, figure.label, f"{aim.relation} {figure.show(aim.bound)}", figure.show(value), met])
        )
    return [_row(["case", "figure", "aim", "measured", ""]), _row(["---"] * 5), *rows]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(
        put_into(
            PAGE.read_text(encoding="utf-8"), "\n".join(figures_of(read_report(Path(name))) for name in sys.argv[1:])
        ),
        encoding="utf-8",
    )
