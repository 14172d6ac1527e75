"""How a command that sends shows how it goes: on stderr, a line that moves at a terminal, else one every ten seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import typer
from rich.console import Console
from rich.status import Status as Line

from doka.domain.limits import NS_PER_SECOND
from doka.domain.status import Status

LINE_EVERY_NS: Final = 10 * NS_PER_SECOND


@contextmanager
def progress_shown(
    said: Callable[[Status], str], now: Callable[[], int], *, as_json: bool
) -> Iterator[Callable[[Status], None]]:
    """Give what shows the present state, in the words of `said`; under `as_json` no line moves."""
    told_at = now()

    def line(status: Status) -> None:
        nonlocal told_at
        if now() - told_at >= LINE_EVERY_NS:
            told_at = now()
            typer.echo(said(status), err=True)

    if sys.stderr.isatty() and not as_json:
        with Line("it begins", console=Console(stderr=True)) as moving:
            yield lambda status: moving.update(said(status))
    else:
        yield line
