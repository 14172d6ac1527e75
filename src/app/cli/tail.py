"""`doka tail`: what records of a route would become, read beside the group and sent nowhere.

It never shows what a record holds unless it is told to, and there is no way to it but this command: the right to see it is
that of whoever types it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from doka.adapters.kafka.log_ranges import LogRange, LogRanges
from doka.adapters.kafka.not_told import NotToldError
from doka.adapters.kafka.range_source import RangeSource
from doka.adapters.telemetry.sentences import many, size
from doka.app.cli.routes import route_named
from doka.app.cli.shown import content_shown, cut, time_shown
from doka.app.cli.times import time_ms
from doka.app.config_options import ConfigOptions
from doka.app.container import Container
from doka.app.reading import read
from doka.app.service import build
from doka.app.settings.load import hostname, read_configuration
from doka.app.stream_facts import stream_of
from doka.domain.events import (
    Event,
    GapFound,
    RecordsFetched,
    RecordsUnreadable,
    SkipsOrdered,
    StreamDescribed,
)
from doka.domain.records import TopicPartition
from doka.domain.routes.mapping import as_text
from doka.domain.routes.preview import Preview, Previews
from doka.domain.rules import OnPoison, RouteRules
from doka.domain.skip import Skip, offsets_shown

HOLES: Final = 10
"""How many offsets more are read of each partition than records are wanted: some have none, as the markers of transactions."""
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


@dataclass(slots=True)
class Seen:
    """What was read: the first records, or the newest ones, by their times."""

    limit: int
    newest: bool
    payload: bool
    records: list[Preview] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What stood in the way, a sentence each."""
    skips: dict[TopicPartition, tuple[Skip, ...]] = field(default_factory=dict)

    @property
    def enough(self) -> bool:
        """Whether nothing that comes later is wanted."""
        return not self.newest and len(self.records) >= self.limit

    def take(self, records: Iterable[Preview]) -> None:
        """Keep what is wanted of them, and of that no data where nobody wants to see it."""
        self.records += records if self.payload else (replace(record, data=b"") for record in records)
        self.records.sort(key=lambda record: (record.timestamp_ms or 0, record.partition, record.offset))
        self.records = self.records[-self.limit :] if self.newest else self.records[: self.limit]

    def skip_of(self, record: Preview) -> Skip | None:
        """Give the order by which a record is passed, if there is one."""
        skips = self.skips.get(record.partition, ())
        return next((skip for skip in skips if skip.covers(record.offset, record.offset + 1)), None)


def tail(options: ConfigOptions, wanted: Wanted) -> int:
    """Show what records of a route would become; give 0 where all of it could be told, else 1.

    Raises:
        UsageError: the configuration cannot be used, or the words are wrong.
    """
    container = build(read_configuration(options), hostname())
    rules = route_named(container.rules().routes, wanted.route)
    since_ms = None if wanted.since is None else time_ms("--from", wanted.since, container.clock().wall())
    stream, why = stream_of(rules, container.authority(), container.describer())
    try:
        seen = Seen(wanted.limit, newest=since_ms is None, payload=wanted.payload)
        _look(container, rules, Previews(rules, stream), since_ms, seen)
    except NotToldError as error:
        if wanted.as_json:
            print(json.dumps({"told": False, "why": str(error)}, indent=2))  # noqa: T201
        else:
            typer.echo(f"doka: nothing can be shown: {error}", err=True)
        return 1
    if wanted.as_json:
        print(json.dumps(data_of(rules, stream, why, seen, payload=wanted.payload), indent=2))  # noqa: T201
    else:
        _show(Console(highlight=False, soft_wrap=True, markup=False), rules, stream, why, seen, payload=wanted.payload)
    return 1 if why is not None or seen.notes else 0


# --- reading ---------------------------------------------------------------------------------------------------------


def _look(container: Container, rules: RouteRules, previews: Previews, since_ms: int | None, seen: Seen) -> None:
    """Read the first records from a time on, or the newest there are, of all partitions of a route together."""
    member, clock, oauth = container.member(), container.clock(), container.oauth()
    ranges = LogRanges(member, clock, oauth)
    if since_ms is None:
        places = _newest(ranges.whole(rules.topics), seen.limit)
    else:
        places = list(ranges.of_window(rules.topics, since_ms))
    seen.notes += (place.missing for place in places if place.missing is not None)
    whole = replace(member, topics_with_originals=rules.topics)  # for the time of each record
    source = RangeSource(whole, places, clock, oauth)
    read(source, clock, partial(_take, previews, seen), enough=lambda: seen.enough, limit=seen.limit)


def _newest(logs: Sequence[LogRange], limit: int) -> list[LogRange]:
    """Give the ends of the logs that hold anything, each long enough that all together hold `limit` records."""
    filled = [log for log in logs if log.offsets]
    each = -(-limit // max(1, len(filled))) + HOLES
    return [replace(log, first=max(log.first, log.end - each)) for log in filled]


def _take(previews: Previews, seen: Seen, event: Event) -> None:
    match event:
        case RecordsFetched(chunk):
            seen.take(previews.of(chunk))
        case SkipsOrdered(partition, skips):
            seen.skips[partition] = skips
        case RecordsUnreadable(partition, first, far, why):
            seen.notes.append(f"{partition} at {offsets_shown(first, far)} cannot be read: {why}")
        case GapFound(partition, expected, log_start):
            seen.notes.append(f"{partition} from {expected} to {log_start - 1} has just left the log")
        case _:
            pass  # ends, which the source counts itself


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
