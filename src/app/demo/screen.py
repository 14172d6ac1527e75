"""The demo's live view: what is fed, what has landed, how long the lease lasts, and the last outcomes in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

LINES_EVERY_SECONDS = 3.0  # where the output is no terminal


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment of the demo."""

    records: int
    fed: int
    landed: int
    committed: int
    lease_left: float | None
    token_seconds: float
    leases_used: int
    refused: int
    blocked: str | None
    lines: Sequence[str]
    elapsed: float


class Screen:
    """At a terminal one picture that moves; elsewhere a plain line every few seconds."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._live = Live(console=console, auto_refresh=False, transient=False) if console.is_terminal else None
        self._next_line = 0.0

    def __enter__(self) -> Self:
        """Begin to draw."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last picture standing."""
        if self._live is not None:
            self._live.stop()

    def show(self, moment: Moment, *, last: bool = False) -> None:
        """Show this moment."""
        if self._live is not None:
            self._live.update(_picture(self._title, moment), refresh=True)
        elif last or moment.elapsed >= self._next_line:
            self._next_line = moment.elapsed + LINES_EVERY_SECONDS
            self._console.print(_line(moment), highlight=False)


def _line(moment: Moment) -> str:
    blocked = f", blocked: {moment.blocked}" if moment.blocked else ""
    return (
        f"{moment.elapsed:5.1f} s  in {moment.fed:>6}  out {moment.landed:>6}  committed {moment.committed:>6}  "
        f"leases used {moment.leases_used}  puts refused {moment.refused}{blocked}"
    )


def _picture(title: str, moment: Moment) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="bold")
    table.add_column(justify="right", min_width=7)
    table.add_column(ratio=1)
    for name, value, style in (
        ("in", moment.fed, "cyan"),
        ("out", moment.landed, "green"),
        ("committed", moment.committed, "blue"),
    ):
        bar = ProgressBar(total=moment.records, completed=value, width=40, complete_style=style, finished_style=style)
        table.add_row(name, f"{value:,}", bar)
    left = moment.lease_left or 0.0
    lease = ProgressBar(
        total=moment.token_seconds,
        completed=min(left, moment.token_seconds),
        width=40,
        complete_style="yellow" if left > moment.token_seconds / 3 else "red",
        finished_style="yellow",
    )
    table.add_row("lease", f"{left:.1f} s", lease)
    facts = Text.assemble(
        ("leases used ", "bold"),
        str(moment.leases_used),
        ("   puts refused ", "bold"),
        (str(moment.refused), "red" if moment.refused else ""),
    )
    if moment.blocked:
        facts.append(f"   blocked: {moment.blocked}", "bold red")
    lines = Text("\n".join(moment.lines[-6:]), style="dim", overflow="ellipsis", no_wrap=True)
    return Panel(Group(table, Text(), facts, lines), title=title, subtitle=f"{moment.elapsed:.0f} s", width=100)
