"""Figures in a page come from a run, and from nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.page import BEGIN, END, PAGE, figures_of, put_into
from benchmarks.report import Report
from tests.unit.benchmarks.given import a_report, a_round


def a_run() -> Report:
    """Give a run of one case on a machine that is told in full."""
    machine = {"cpu": "a CPU", "cores": 2, "memory_gib": 8.0, "system": "Linux 6"}
    versions = {"python": "3.11.7", "confluent-kafka": "2.16.1"}
    return replace(a_report({"plain-100b": [a_round(4.4), a_round(5.0)]}), machine=machine, versions=versions)


def test_the_tables_hold_the_figures_of_the_run() -> None:
    """Medians with units, the ratios, and each aim with its verdict; the head says what it hangs on."""
    figures = figures_of(a_run())
    assert "commit abc; apache/kafka:4.1.1; a CPU, 2 cores" in figures
    assert (
        "| plain-100b | 100 B, 10k keys, 16 partitions |  | 4.70 us | 1.00 us | 4.7x | 20.00 us | 4.3x |  |  |"
        in figures
    )
    assert "| plain-100b | CPU a record | <= 4.50 us | 4.70 us | **not met** |" in figures


def test_a_trickle_is_told_beside_the_floors_cost() -> None:
    """How many times the floor it costs says how much of it is doka's."""
    run = replace(a_run(), cases={"latency-1k": [a_round(50.0, floor=20.0, baseline=100.0)]})
    cells = "| 50.00 us | 20.00 us | 2.5x |  | 100.00 us |"
    assert cells in next(line for line in figures_of(run).splitlines() if line.startswith("| latency-1k |"))


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    """The words around them stay; twice is the same as once."""
    page = f"words\n{BEGIN}old{END}more words\n"
    once = put_into(page, "new\n")
    assert f"words\n{BEGIN}\nnew\n\n{END}more words\n" == once == put_into(once, "new\n")


def test_a_page_without_marks_is_left_alone() -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="no marks"):
        put_into("words", "new")


def test_the_page_has_its_marks() -> None:
    """docs/performance.md can be written anew."""
    assert put_into(PAGE.read_text(encoding="utf-8"), "x\n")
