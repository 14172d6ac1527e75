"""How the grid is told: a block for each world, a line for each cell, and what it all comes to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from doka.app.simulate.grid import Compared, Summary
from doka.app.simulate.history import CLEAN, WAITS, Side
from doka.app.simulate.judge import span

_NOT = "not applicable: a chained role's token lives an hour at most"


def show_grid(console: Console, results: Sequence[Compared]) -> None:
    """Show every cell, a table for each world."""
    for world, of_world in groupby(results, lambda result: result.cell.world.name):
        table = Table(title=world, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0))
        for name, right in (
            ("tokens", False),
            ("policy", False),
            ("lost", True),
            ("twice", True),
            ("refused", True),
            ("stall", True),
            ("STS/h", True),
            ("doka", False),
            ("lost", True),
            ("refused", True),
            ("swallowing", False),
        ):
            table.add_column(name, justify="right" if right else "left", no_wrap=True)
        for result in of_world:
            cell = result.cell
            if result.doka is None or result.swallowing is None:
                table.add_row(cell.life, cell.policy, *[""] * 5, Text("n/a", style="dim"))
            else:
                table.add_row(cell.life, cell.policy, *_doka(result.doka), *_swallowing(result.swallowing))
        console.print(table)
        console.print()
    if any(result.doka is None for result in results):
        console.print(f"n/a: {_NOT}.", style="dim")


def show_summary(console: Console, summary: Summary) -> None:
    """Say what the grid comes to, and which part saves the records."""
    waits = f", waiting in Kafka in {summary.doka_waits} (nobody renews)" if summary.doka_waits else ""
    failed = f", FAILING in {summary.doka_failed}" if summary.doka_failed else ""
    console.print(
        f"doka: {summary.doka_lost:,} records lost in {summary.ran} cells; clean in {summary.doka_clean}{waits}{failed}.",
        style="bold red" if summary.doka_failed else "bold green",
    )
    console.print(
        f"The same renewal with errors swallowed: {summary.swallowing_lost:,} records lost, "
        f"in {summary.swallowing_lossy} of {summary.ran} cells.\n"
        "Renewal makes refused puts rare; committing only what has landed is what makes them harmless."
    )


def grid_data(results: Sequence[Compared], summary: Summary) -> dict[str, Any]:
    """Give the grid as plain data."""
    return {
        "version": 1,
        "summary": {name: getattr(summary, name) for name in Summary.__slots__},
        "cells": [
            {
                "world": result.cell.world.name,
                "tokens": result.cell.life,
                "policy": result.cell.policy,
                "applicable": result.cell.applicable,
                "doka": _side_data(result.doka),
                "swallowing": _side_data(result.swallowing),
            }
            for result in results
        ],
    }


def _side_data(side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    totals = side.totals
    return {
        "verdict": side.verdict,
        "lost": totals.lost,
        "waiting": totals.waiting,
        "duplicates": totals.duplicates,
        "puts_refused": totals.puts_refused,
        "longest_stall": totals.longest_stall,
        "sts_calls_per_hour": totals.sts_calls_per_hour,
        "reasons": list(side.reasons),
    }


def _doka(side: Side) -> list[Text]:
    totals = side.totals
    return [
        _count(totals.lost),
        _count(totals.duplicates, "yellow"),
        Text(f"{totals.puts_refused:,}"),
        Text(span(totals.longest_stall)),
        Text(f"{totals.sts_calls_per_hour:.1f}"),
        _verdict(side),
    ]


def _swallowing(side: Side) -> list[Text]:
    return [_count(side.totals.lost), Text(f"{side.totals.puts_refused:,}"), _verdict(side)]


def _verdict(side: Side) -> Text:
    return Text(side.verdict, style={CLEAN: "green", WAITS: "yellow"}.get(side.verdict, "red"))


def _count(number: int, style: str = "red") -> Text:
    return Text(f"{number:,}", style=style if number else "dim")
