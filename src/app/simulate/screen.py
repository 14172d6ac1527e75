"""How a simulated run is told at a terminal: in plain words, within 100 columns; colour only where it is one."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from doka.app.simulate.history import BAD, CLEAN, GOOD, WAITS, History, Moment, Side
from doka.app.simulate.judge import span
from doka.app.simulate.scene import DOKA, ORIGINAL

WIDTH = 100
_NAMES = {ORIGINAL: "the original service", DOKA: "doka"}
_STYLES = {GOOD: "green", BAD: "red"}


def screen() -> Console:
    """Give the console of a command: at most 100 columns wide."""
    console = Console(highlight=False)
    narrow = console.is_terminal and console.width < WIDTH  # a pipe has no width
    return console if narrow else Console(highlight=False, width=WIDTH)


def show_story(console: Console, history: History) -> None:
    """Show what each side went through, side by side by the clock."""
    table = Table(box=box.SIMPLE, padding=(0, 1), pad_edge=False, show_edge=False)
    table.add_column("", style="dim", no_wrap=True)
    for side in history.sides:
        table.add_column(f"{_NAMES.get(side.name, side.name)} ({side.policy})", ratio=1)
    minutes = sorted({_minute(moment) for side in history.sides for moment in side.moments})
    for minute in minutes:
        columns = [[moment for moment in side.moments if _minute(moment) == minute] for side in history.sides]
        for row in range(max(map(len, columns))):
            cells = [_told(column[row]) if row < len(column) else Text() for column in columns]
            table.add_row("" if row else history.wall(minute * 60), *cells)
    console.print(table)


def show_totals(console: Console, history: History) -> None:
    """Show the sums of each side."""
    table = Table(box=box.SIMPLE, padding=(0, 1), pad_edge=False, show_edge=False)
    table.add_column("")
    for side in history.sides:
        table.add_column(_NAMES.get(side.name, side.name), justify="right", no_wrap=True)
    for name, figures in _rows(history.sides):
        table.add_row(Text(name, style="bold" if name == "lost" else ""), *figures)
    console.print(table)


def show_verdict(console: Console, side: Side) -> None:
    """Show one side's verdict and its reasons."""
    style = "bold green" if side.verdict == CLEAN else "bold yellow" if side.verdict == WAITS else "bold red"
    console.print(Text(f"{_NAMES.get(side.name, side.name)}: {side.verdict}", style=style))
    for reason in side.reasons:
        console.print(f"  {reason}")


def _minute(moment: Moment) -> int:
    return int(moment.at_seconds // 60)


def _told(moment: Moment) -> Text:
    return Text(moment.told, style=_STYLES.get(moment.tone, ""))


def _rows(sides: Sequence[Side]) -> list[tuple[str, list[Text]]]:
    totals = [side.totals for side in sides]
    return [
        ("records produced", [Text(f"{t.produced:,}") for t in totals]),
        ("delivered", [Text(f"{t.delivered:,}") for t in totals]),
        ("lost", [_count(t.lost) for t in totals]),
        ("waiting in Kafka", [Text(f"{t.waiting:,}") for t in totals]),
        ("duplicates", [Text(f"{t.duplicates:,}") for t in totals]),
        ("out of order", [_count(t.out_of_order) for t in totals]),
        ("highest lag shown", [Text(f"{t.most_lag:,}") for t in totals]),
        ("longest delay of a record", [Text("never" if t.lost else span(t.longest_delay)) for t in totals]),
        ("leases used", [Text(f"{t.leases:,}") for t in totals]),
        ("puts refused", [_count(t.puts_refused, "yellow") for t in totals]),
    ]


def _count(number: int, style: str = "bold red") -> Text:
    return Text(f"{number:,}", style=style if number else "")
