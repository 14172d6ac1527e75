"""`doka top`: the page of a running service in a terminal, or a line of JSON each look."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from threading import Event
from typing import Any, Final
from urllib.parse import urlsplit

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from doka.adapters.system.clock import SystemClock
from doka.adapters.telemetry.page.data import FORMAT
from doka.adapters.telemetry.page.serving import STATUS_PATH
from doka.adapters.telemetry.sentences import many, size, span
from doka.domain.errors import UsageError
from doka.domain.limits import NS_PER_SECOND

LOOK_EVERY_SECONDS: Final = 2.0
PATIENCE_SECONDS: Final = 6.0  # a supervisor waits two for its workers
PARTITIONS_SHOWN: Final = 15
ROUTES_SHOWN: Final = 15
REASONS_SHOWN: Final = 10
PORT: Final = 9400

_OF_ROUTES: Final = ("route", "records/s", "settled", "sent again", "waiting", "lag", "oldest waits", "")

Told = Mapping[str, Any]
"""What /status.json says."""


class NoAnswerError(Exception):
    """The service did not say how it is; the text says why, in words."""


def top(address: str, *, as_json: bool) -> int:
    """Show how the service at an address is: again and again at a terminal until Ctrl-C, once elsewhere.

    Gives 0 where it is ready, 1 where it is not or does not answer.

    Raises:
        UsageError: the address is none.
    """
    host, port = _place(address)
    if not as_json and sys.stdout.isatty():
        return _watch(host, port)
    try:
        told = _ask(host, port)
    except NoAnswerError as error:
        if as_json:
            print(json.dumps({"told": False, "why": str(error)}))  # noqa: T201
        else:
            typer.echo(f"doka: {error}", err=True)
        return 1
    if as_json:
        print(json.dumps(told))  # noqa: T201
    else:
        Console(highlight=False, soft_wrap=True).print(picture_of(told, {}))
    return 0 if told["ready"] else 1


def _place(address: str) -> tuple[str, int]:
    given = urlsplit(address if "//" in address else f"//{address}")
    try:
        port = given.port or PORT
    except ValueError:
        port = 0
    if given.scheme not in {"", "http"} or not given.hostname or not port:
        raise UsageError(f"{address!r} is no address of a service: take HOST or HOST:PORT, its http.host and http.port")
    return given.hostname, port


def _ask(host: str, port: int) -> Told:
    connection = HTTPConnection(host, port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", STATUS_PATH)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, HTTPException) as error:
        why = getattr(error, "strerror", None) or "it says nothing that could be read"
        raise NoAnswerError(
            f"nobody answers at {host}:{port} ({why}); is it http.port of a running service?"
        ) from error
    finally:
        connection.close()
    if answer.status != 200:  # noqa: PLR2004 - OK
        raise NoAnswerError(f"{host}:{port} shows no status ({answer.status}); is http.page false, or is it no doka?")
    told: Any = None
    with suppress(ValueError):
        told = json.loads(body)
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise NoAnswerError(f"{host}:{port} is of another version: its status has a form that is not known here")
    return told


def _watch(host: str, port: int) -> int:
    """Look again and again, until Ctrl-C ends the command."""
    rest, clock = Event(), SystemClock()  # never set: its wait lets signals in
    before: tuple[int, dict[str, int]] | None = None
    with Live(console=Console(highlight=False), auto_refresh=False, screen=True) as live:
        while True:
            picture: RenderableType
            try:
                told = _ask(host, port)
                now, settled = clock.now(), _settled(told)
                picture, before = picture_of(told, _rates(before, now, settled)), (now, settled)
            except NoAnswerError as error:
                picture = Text(f"doka: {error}", "red")
            live.update(picture, refresh=True)
            rest.wait(LOOK_EVERY_SECONDS)


def _settled(told: Told) -> dict[str, int]:
    """Add up what was settled of each route."""
    found: dict[str, int] = {}
    for process in told["processes"]:
        for route in process["routes"]:
            found[route["route"]] = found.get(route["route"], 0) + route["settled"]
    return found


def _rates(before: tuple[int, Mapping[str, int]] | None, now: int, settled: Mapping[str, int]) -> dict[str, float]:
    """Give how many records a second of each route have settled since the look before; nothing of one that began anew."""
    if before is None or now <= before[0]:
        return {}
    then, was = before
    return {
        route: (count - was[route]) * NS_PER_SECOND / (now - then)
        for route, count in settled.items()
        if route in was and count >= was[route]
    }


# --- for a person ----------------------------------------------------------------------------------------------------


def picture_of(told: Told, rates: Mapping[str, float]) -> RenderableType:
    """Give what is to be seen at one look; `rates` are records a second by route, where they are known."""
    parts = (_headline(told), _routes(told, rates), [_leases(told)], _partitions(told))
    return Group(*(each for part in parts for each in (*part, Text())))


def _headline(told: Told) -> Iterator[Text]:
    processes = told["processes"]
    workers = f", {many(len(processes), 'worker')}" if len(processes) != 1 else ""
    yield Text(f"doka {told['version']}, group {told['group']}{workers}", "dim")
    if told["ready"]:
        yield Text("It forwards.", "bold green")
    for reason in told["reasons"][:REASONS_SHOWN]:
        yield Text(reason, "bold red")
    more = told["reasons_count"] - min(len(told["reasons"]), REASONS_SHOWN)
    if more:
        yield Text(f"and {more:,} more, which /readyz has", "red")
    if told["runbook"] is not None:
        for place in dict.fromkeys(told["reasons_at"]):
            yield Text(f"what to do: {told['runbook']}{place}", "dim")
    for process in processes:
        name = "" if process["worker"] is None else f"{_called(process)}: "
        draining = ", draining" if process["draining"] else ""
        held = f"{size(process['held_bytes'])} of at most {size(process['held_bytes_max'])} held"
        rebalances = sum(process["rebalances"].values())
        ran = f"runs for {_span(process['uptime_seconds'])}, {many(rebalances, 'rebalance')}"
        yield Text(f"{name}{many(process['partitions_owned'], 'partition')}, {held}, {ran}{draining}")


def _table(*columns: str) -> Table:
    """Make a table whose first column and last are words, and the others figures."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for place, name in enumerate(columns):
        word = place in {0, len(columns) - 1}
        table.add_column(
            name, justify="left" if word else "right", overflow="fold", no_wrap=not word, min_width=8 if word else None
        )
    return table


def _routes(told: Told, rates: Mapping[str, float]) -> Iterator[RenderableType]:
    """Show all in their order; where a screen does not take them, those that are blocked, then those that wait longest."""
    found = [(route, process) for process in told["processes"] for route in process["routes"]]
    if len(found) > ROUTES_SHOWN:
        found.sort(key=lambda pair: (pair[0]["blocked"] is None, -(pair[0]["lag_seconds"] or 0)))
    table = _table(*_OF_ROUTES)
    for route, process in found[:ROUTES_SHOWN]:
        rate = rates.get(route["route"])
        counts = [_count(route[name]) for name in ("settled", "failed", "waiting", "lag")]
        state = Text(f"blocked: {route['blocked']}", "bold red") if route["blocked"] else Text("may send", "green")
        if route["filtered"]:
            state.append(f", {_count(route['filtered'])} filtered", "dim")
        name, waits = _named(route["route"], process), _span(route["lag_seconds"])
        table.add_row(name, _count(None if rate is None else round(rate)), *counts, waits, state)
    yield table
    if len(found) > ROUTES_SHOWN:
        yield Text(f"and {many(len(found) - ROUTES_SHOWN, 'route')} that wait less", "dim")


def _leases(told: Told) -> Table:
    table = _table("role", "ends in", "")
    for process in told["processes"]:
        for lease in process["leases"]:
            ends = _span(lease["seconds_left"]) if lease["has_end"] else "never"
            tone = "green" if lease["state"] == "fresh" else "bold red" if lease["wanted"] else "yellow"
            table.add_row(_named(lease["role"], process), ends, Text(lease["state"], tone))
    return table


def _partitions(told: Told) -> Iterator[RenderableType]:
    """Show those that wait first, and say how many there are besides."""
    found = [(each, process) for process in told["processes"] for each in process["partitions"]]
    found.sort(key=lambda pair: (pair[0]["stuck"] is None, -(pair[0]["lag_seconds"] or 0), -(pair[0]["lag"] or 0)))
    table = _table("partition", "lag", "oldest waits", "un-settled", "ahead", "")
    for each, process in found[:PARTITIONS_SHOWN]:
        lag, *here = (_count(each[name]) for name in ("lag", "unsettled", "ahead"))
        why = Text(each["stuck"], "bold red") if each["stuck"] else Text("paused" if each["paused"] else "", "yellow")
        name = _named(f"{each['topic']}[{each['partition']}]", process)
        table.add_row(name, lag, _span(each["lag_seconds"]), *here, why)
    yield table
    rest = sum(process["partitions_owned"] for process in told["processes"]) - min(len(found), PARTITIONS_SHOWN)
    if rest:
        yield Text(f"and {many(rest, 'partition')} that {'waits' if rest == 1 else 'wait'} less", "dim")


def _named(name: str, process: Mapping[str, Any]) -> Text:
    return Text(name if process["worker"] is None else f"{name} ({_called(process)})")


def _called(process: Mapping[str, Any]) -> str:
    """Name one of several processes: its number, and before it the configuration where there are several."""
    config = process.get("config")
    return f"worker {process['worker']}" if config is None else f"{config}: worker {process['worker']}"


def _count(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def _span(seconds: float | None) -> str:
    return "-" if seconds is None else span(round(seconds * NS_PER_SECOND))
