"""`doka tail`: what records of a route would become, read beside the group and sent nowhere.

It never shows what a record holds unless it is told to, and there is no way to it but this command: the right to see it is
that of whoever types it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from doka.adapters.kafka.not_told import NotToldError
from doka.adapters.telemetry.sentences import many, size
from doka.app.cli.routes import route_named
from doka.app.cli.seen import Seen, look
from doka.app.cli.shown import content_shown, cut, time_shown
from doka.app.cli.times import time_ms
from doka.app.config_options import ConfigOptions
from doka.app.matched import read_matched
from doka.app.service import build
from doka.app.settings.load import hostname
from doka.app.stream_facts import stream_of
from doka.domain.events import StreamDescribed
from doka.domain.routes.mapping import as_text
from doka.domain.routes.preview import Preview, Previews
from doka.domain.rules import OnPoison, RouteRules

_THEN: Final = {
    OnPoison.BLOCK: "stops its key",
    OnPoison.DROP: "is dropped, and counted",
    OnPoison.DEAD_LETTER: "goes to the dead letters",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to see."""

    route: str | None
    since: str | None
    limit: int
    payload: bool
    as_json: bool


def tail(options: ConfigOptions, wanted: Wanted) -> int:
    """Show what records of a route would become; give 0 where all of it could be told, else 1.

    Raises:
        UsageError: the configuration cannot be used, or the words are wrong.
    """
    container = build(read_matched(options), hostname())
    rules = route_named(container.rules().routes, wanted.route)
    since_ms = None if wanted.since is None else time_ms("--from", wanted.since, container.clock().wall())
    stream, why = stream_of(rules, container.authority(), container.describer())
    try:
        seen = Seen(wanted.limit, newest=since_ms is None, payload=wanted.payload)
        previews = Previews(rules, stream)
        look(container, rules, previews, since_ms, seen)
    except NotToldError as error:
        if wanted.as_json:
            print(json.dumps({"told": False, "why": str(error)}, indent=2))  # noqa: T201
        else:
            typer.echo(f"doka: nothing can be shown: {error}", err=True)
        return 1
    if previews.broken is not None:
        seen.notes.append(
            f"The transform fails whatever it is given ({previews.broken}): the service blocks the route instead."
        )
    if wanted.as_json:
        print(json.dumps(data_of(rules, stream, why, seen, payload=wanted.payload), indent=2))  # noqa: T201
    else:
        _show(Console(highlight=False, soft_wrap=True, markup=False), rules, stream, why, seen, payload=wanted.payload)
    return 1 if why is not None or seen.notes else 0


# --- showing ---------------------------------------------------------------------------------------------------------


def data_of(
    rules: RouteRules, stream: StreamDescribed | None, why: str | None, seen: Seen, *, payload: bool
) -> dict[str, Any]:
    """Give all that is known, by name; null is what is not known."""
    records = []
    for record in seen.records:
        skip = seen.skip_of(record)
        shown = {
            **record.partition._asdict(),
            "offset": record.offset,
            "timestamp_ms": record.timestamp_ms,
            "partition_key": record.key,
            "shard": record.shard,
            "bytes": record.size,
            "verdict": "skipped" if skip is not None else record.verdict,
        }
        records.append(shown | {"data": as_text(record.data)} if payload else shown)
    return {
        "told": True,
        "route": rules.name,
        "stream": None if stream is None else stream.arn,
        "status": None if stream is None else stream.status,
        "record_bytes_max": None if stream is None else stream.record_bytes_max,
        "on_poison": rules.on_poison.value,
        "compress": None if rules.compression is None else rules.compression.name,
        "why_not_all": why,
        "notes": seen.notes,
        "records": records,
    }


def _show(
    console: Console,
    rules: RouteRules,
    stream: StreamDescribed | None,
    why: str | None,
    seen: Seen,
    *,
    payload: bool,
) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("record", "time (UTC)", "partition key", "shard"):
        table.add_column(name, no_wrap=True)
    table.add_column("bytes", justify="right", no_wrap=True)
    table.add_column("what becomes of it")
    for record in seen.records:
        table.add_row(*_row(rules, seen, record))
    if seen.records:
        console.print(table)
    for record in seen.records if payload else ():
        console.print(f"\n{record.partition} {record.offset}")
        console.print(content_shown(record.data))
    for line in (*_sentences(rules, stream, why, seen), *seen.notes):
        console.print(line)


def _row(rules: RouteRules, seen: Seen, record: Preview) -> tuple[Text, ...]:
    skip = seen.skip_of(record)
    if skip is not None:
        verdict = Text(f"is skipped, by {skip.by}: {skip.reason}", "yellow")
    elif record.filtered is not None:
        verdict = Text(f"is filtered ({record.filtered}): not sent, and counted", "yellow")
    elif record.code is not None:
        verdict = Text(f"can never land ({record.code}): {_THEN[rules.on_poison]}", "bold red")
    else:
        verdict = Text("lands")
    drawn = "" if record.filtered is not None else "drawn when it is sent"
    key = drawn if record.key is None else cut(content_shown(record.key.encode()))
    return (
        Text(f"{record.partition} {record.offset}"),
        Text(time_shown(record.timestamp_ms)),
        Text(key, "dim" if record.key is None else ""),
        Text(record.shard or "-"),
        Text(f"{record.size:,}"),
        verdict,
    )


def _sentences(rules: RouteRules, stream: StreamDescribed | None, why: str | None, seen: Seen) -> Iterator[str]:
    poison = sum(record.code is not None and seen.skip_of(record) is None for record in seen.records)
    filtered = sum(record.filtered is not None for record in seen.records)
    yield ""
    if not seen.records:
        yield f"No record of route {rules.name} stands there."
    elif poison:
        yield f"{poison} of {many(len(seen.records), 'record')} can never land as they are. See: docs/operating.md, Poison."
    else:
        yield f"Nothing speaks against {many(len(seen.records), 'record')}; what Kinesis alone knows, a put alone can tell."
    if filtered:
        yield f"The route leaves out {filtered:,} of them: they are not sent, and settle in their turn. See: docs/transforms.md"
    if rules.compression is not None:
        yield f"Bytes are counted after {rules.compression.name}; data is shown as it is before."
    if stream is None:
        yield f"Which shard takes them is not known, and the usual limit of a record was assumed: {why}."
    else:
        at_most = (
            f"The stream {stream.arn or ''} is {stream.status} and takes records up to {size(stream.record_bytes_max)}"
        )
        yield f"{at_most}." if why is None else f"{at_most}; which shard takes them is not known: {why}."
