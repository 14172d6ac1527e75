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
class Scene:
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

    def show(self, scene: Scene, *, last: bool = False) -> None:
        """Show this moment."""
        if self._live is not None:
            self._live.update(_picture(self._title, scene), refresh=True)
        elif last or scene.elapsed >= self._next_line:
            self._next_line = scene.elapsed + LINES_EVERY_SECONDS
            self._console.print(_line(scene), highlight=False)


def _line(scene: Scene) -> str:
    blocked = f", blocked: {scene.blocked}" if scene.blocked else ""
    return (
        f"{scene.elapsed:5.1f} s  in {scene.fed:>6}  out {scene.landed:>6}  committed {scene.committed:>6}  "
        f"leases used {scene.leases_used}  puts refused {scene.refused}{blocked}"
    )


def _picture(title: str, scene: Scene) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="bold")
    table.add_column(justify="right", min_width=7)
    table.add_column(ratio=1)
    for name, value, style in (
        ("in", scene.fed, "cyan"),
        ("out", scene.landed, "green"),
        ("committed", scene.committed, "blue"),
    ):
        bar = ProgressBar(total=scene.records, completed=value, width=40, complete_style=style, finished_style=style)
        table.add_row(name, f"{value:,}", bar)
    left = scene.lease_left or 0.0
    lease = ProgressBar(
        total=scene.token_seconds,
        completed=min(left, scene.token_seconds),
        width=40,
        complete_style="yellow" if left > scene.token_seconds / 3 else "red",
        finished_style="yellow",
    )
    table.add_row("lease", f"{left:.1f} s", lease)
    facts = Text.assemble(
        ("leases used ", "bold"),
        str(scene.leases_used),
        ("   puts refused ", "bold"),
        (str(scene.refused), "red" if scene.refused else ""),
    )
    if scene.blocked:
        facts.append(f"   blocked: {scene.blocked}", "bold red")
    lines = Text("\n".join(scene.lines[-6:]), style="dim", overflow="ellipsis", no_wrap=True)
    return Panel(Group(table, Text(), facts, lines), title=title, subtitle=f"{scene.elapsed:.0f} s", width=100)
