from __future__ import annotations

import io

from rich.console import Console
from rich.table import Table

from benchmarks.cases import Aim, Case
from benchmarks.tables import (
    changes,
    table_of_aims,
    table_of_audits,
    table_of_changes,
    table_of_latency,
    table_of_throughput,
)
from tests.unit.benchmarks.given import a_report, a_round

PLAIN = Case("plain-100b", "100 B", aims=(Aim("cpu_us", "<=", 4.5), Aim("baseline_to_cpu", ">=", 5.0)))
IDLE = Case("idle", "nothing", kind="idle", aims=(Aim("idle_cpu_percent", "<=", 1.0),))


def text_of(table: Table, *, colour: bool = False) -> str:
    """Give what a wide terminal would show."""
    out = io.StringIO()
    Console(file=out, width=200, force_terminal=colour, color_system="standard" if colour else None).print(table)
    return out.getvalue()


def rows_of(table: Table) -> list[list[str]]:
    """Give the cells of each line below the headings, as they are read."""
    lines = text_of(table).splitlines()
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]


def test_each_contender_stands_beside_the_others() -> None:
    """A line holds doka's figure, the floor's, the baseline's, and the ratios; what was not measured has no column."""
    report = a_report({"plain-100b": [a_round(4.0, floor=1.0, baseline=20.0)]})
    case, about = rows_of(table_of_throughput(report, [PLAIN, IDLE]))[-2:]
    assert ["plain-100b", "4.00 us", "1.00 us", "4.0x", "20.00 us", "5.0x"] == case
    assert "100 B" == about[0]


def test_a_kind_of_case_has_its_own_table() -> None:
    """Idling is shown with latencies, not with throughput; a table without cases has no lines."""
    report = a_report({"idle": [{"doka": {"idle_cpu_percent": 0.4}}]})
    assert 0 == table_of_throughput(report, [PLAIN, IDLE]).row_count
    assert ["idle", "0.40 %"] == rows_of(table_of_latency(report, [PLAIN, IDLE]))[-2]


def test_an_audit_is_shown_alone() -> None:
    """It forwards nothing, so it stands neither with backlogs nor with latencies."""
    case = Case("audit", "both sides", kind="audit")
    report = a_report({"audit": [{"doka": {"records_per_second": 180_000.0, "rss_mib": 380.0}}]})
    assert ["audit", "180,000", "380 MiB"] == rows_of(table_of_audits(report, [case]))[-2]
    assert (0, 0) == tuple(table(report, [case]).row_count for table in (table_of_throughput, table_of_latency))


def test_every_aim_has_its_verdict() -> None:
    """Beside the aim stand the figure and whether it is met; aims of cases that did not run are left out."""
    report = a_report({"plain-100b": [a_round(5.0, baseline=25.0)]})
    assert [
        ["plain-100b", "CPU a record", "<= 4.50 us", "5.00 us", "not met"],
        ["plain-100b", "CPU, times less than the baseline's", ">= 5.0x", "5.0x", "met"],
    ] == rows_of(table_of_aims(report, [PLAIN, IDLE]))


def test_verdicts_have_colours_at_a_terminal() -> None:
    """Red and green help the eye; without colours the words say the same."""
    report = a_report({"plain-100b": [a_round(5.0, baseline=25.0)]})
    shown = text_of(table_of_aims(report, [PLAIN]), colour=True)
    assert "\x1b[1;31mnot met" in shown
    assert "\x1b[32mmet" in shown


def test_a_comparison_divides_after_by_before() -> None:
    """Each figure of both runs has its ratio; cases and figures of only one of them are left out."""
    before = a_report({"plain-100b": [a_round(4.0)], "gone": [a_round(1.0)]}, commit="old")
    after = a_report({"plain-100b": [{"doka": {"cpu_us": 3.0, "rss_mib": 100.0}}], "new": [a_round(1.0)]})
    assert [("plain-100b", "cpu_us", 4.0, 3.0), ("plain-100b", "cpu_to_plain", 1.0, 1.0)] == changes(before, after)
    table = table_of_changes(before, after)
    assert ["plain-100b", "CPU a record", "4.00 us", "3.00 us", "0.75"] == rows_of(table)[0]
    assert "against old of" in text_of(table)


def test_nothing_is_divided_by_nothing() -> None:
    """A figure that was 0 before has no ratio."""
    before = a_report({"idle": [{"doka": {"idle_cpu_percent": 0.0}}]})
    assert [] == changes(before, before)
