"""`doka plan`: what the records of a time would need and cost in Kinesis, read beside the group, and which setting fits.

It asks Kafka alone, joins no group and commits nothing; of AWS it asks nothing, so that it can be asked before a stream is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event as Rest
from typing import Final

import typer
from rich.console import Console
from rich.status import Status as Line

from doka.adapters.kafka.log_ranges import LogRange, LogRanges
from doka.adapters.kafka.not_told import NotToldError
from doka.adapters.kafka.range_source import RangeSource
from doka.adapters.telemetry.sentences import many
from doka.app.cli.plan_screen import show
from doka.app.cli.routes import routes_named
from doka.app.cli.times import span_seconds, time_ms
from doka.app.config_options import ConfigOptions
from doka.app.container import Container
from doka.app.matched import read_matched
from doka.app.plan.planning import Plan, plan_route
from doka.app.plan.prices import Prices, read_prices
from doka.app.plan.telling import VERSION, data_of
from doka.app.plan.traffic import Traffic, Window
from doka.app.reading import read
from doka.app.service import build
from doka.app.settings.load import hostname
from doka.app.settings.mapping import stream_region
from doka.app.settings.model import Settings
from doka.domain.errors import UsageError
from doka.domain.events import Event, GapFound, RecordsFetched, RecordsUnreadable
from doka.domain.limits import FETCH_RECORDS_MAX
from doka.domain.ports import Clock
from doka.domain.rules import RouteRules
from doka.domain.skip import offsets_shown

LAST: Final = "10m"
"""What is looked at where nobody says."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to be planned, and from what."""

    route: str | None
    since: str | None
    until: str | None
    last: str | None
    seconds: int | None
    """To watch from now on."""
    round_trip_ms: float
    aggregates: bool
    prices: Path | None
    as_json: bool


@dataclass(slots=True)
class _Seen:
    """What was read."""

    window: Window
    of: Mapping[str, Traffic]
    """By the name of its route."""
    topics: Mapping[str, Sequence[Traffic]]
    """Of the routes that read it."""
    notes: list[str] = field(default_factory=list)
    """What stood in the way, a sentence each."""
    records: int = 0

    def take(self, event: Event) -> None:
        match event:
            case RecordsFetched(chunk):
                for traffic in self.topics[chunk.partition.topic]:
                    traffic.take(chunk)
                self.records += chunk.count
            case RecordsUnreadable(partition, first, far, why):
                self.notes.append(f"{partition} at {offsets_shown(first, far)} cannot be read: {why}")
            case GapFound(partition, expected, log_start):
                self.notes.append(f"{partition} from {expected} to {log_start - 1} has just left the log")
            case _:
                pass  # ends, which the source counts itself, and orders to skip, which change no rate


def plan(options: ConfigOptions, wanted: Wanted) -> int:
    """Say what the routes' records would need and cost; give 0 where all of it could be told, else 1.

    Raises:
        UsageError: the configuration or the table of prices cannot be used, or the words are wrong.
    """
    settings = read_matched(options)
    container = build(settings, hostname())
    prices = read_prices(wanted.prices)
    routes = routes_named(container.rules().routes, wanted.route)
    window = _window(wanted, container.clock().wall())
    try:
        seen = _look(container, routes, wanted, window)
    except NotToldError as error:
        if wanted.as_json:
            print(json.dumps({"version": VERSION, "told": False, "why": str(error)}, indent=2))  # noqa: T201
        else:
            typer.echo(f"doka: nothing can be planned: {error}", err=True)
        return 1
    found = _planned(settings, routes, seen, prices, wanted)
    if wanted.as_json:
        print(json.dumps(data_of(found, settings.routes), indent=2))  # noqa: T201
    else:
        show(Console(highlight=False, markup=False, emoji=False), found, settings.routes)
    return 1 if found.notes or not found.planned else 0


def _window(wanted: Wanted, wall: float) -> Window | None:
    """Read which window is meant; None: the one that begins now."""
    asked = [name for name in ("since", "last", "seconds") if getattr(wanted, name) is not None]
    if len(asked) > 1:
        raise UsageError(f"--{asked[0]} and --{asked[1]} exclude each other; keep one")
    if wanted.until is not None and wanted.since is None:
        raise UsageError("--until needs --since: from when on")
    if wanted.seconds is not None:
        return None
    now = round(wall * 1_000)
    if wanted.since is None:
        return Window(now - 1_000 * span_seconds("--last", wanted.last or LAST), now)
    since = time_ms("--since", wanted.since, wall)
    until = now if wanted.until is None else time_ms("--until", wanted.until, wall)
    if until <= since:
        raise UsageError("--until is not behind --since: nothing lies between them")
    return Window(since, until)


def _look(container: Container, routes: Sequence[RouteRules], wanted: Wanted, window: Window | None) -> _Seen:
    """Read what came; raises NotToldError."""
    member, clock, oauth = container.member(), container.clock(), container.oauth()
    topics = frozenset(topic for rules in routes for topic in rules.topics)
    ranges = LogRanges(member, clock, oauth)
    if window is None:
        window, places = _watched(clock, ranges, topics, wanted.seconds or 0)
    else:
        places = list(ranges.of_window(topics, window.since_ms, window.until_ms))
    of = {rules.name: Traffic(rules, window) for rules in routes}
    seen = _Seen(window, of, {topic: [of[rules.name] for rules in routes if topic in rules.topics] for topic in topics})
    seen.notes += (place.missing for place in places if place.missing is not None)
    whole = replace(member, topics_with_originals=topics)  # for the time of each record
    with _progress(sum(place.offsets for place in places), as_json=wanted.as_json) as tell:

        def take(event: Event) -> None:
            seen.take(event)
            tell(seen.records)

        read(RangeSource(whole, places, clock, oauth), clock, take, enough=lambda: False, limit=FETCH_RECORDS_MAX)
    return seen


def _planned(settings: Settings, routes: Sequence[RouteRules], seen: _Seen, prices: Prices, wanted: Wanted) -> Plan:
    """Plan each route of which records came."""
    named = {route.name: route for route in settings.routes}
    round_trip = wanted.round_trip_ms / 1_000
    planned = tuple(
        plan_route(
            named[rules.name],
            rules,
            stream_region(settings, named[rules.name]),
            seen.of[rules.name].figures(),
            prices,
            round_trip=round_trip,
            aggregates=wanted.aggregates,
        )
        for rules in routes
        if seen.of[rules.name].records
    )
    empty = tuple(rules.name for rules in routes if not seen.of[rules.name].records)
    return Plan(seen.window, prices, round_trip, planned, empty, tuple(seen.notes))


def _watched(clock: Clock, ranges: LogRanges, topics: frozenset[str], seconds: int) -> tuple[Window, list[LogRange]]:
    """Wait so long, and give the time and the offsets that passed meanwhile; raises NotToldError."""
    since, before = round(clock.wall() * 1_000), {log.partition: log.end for log in ranges.whole(topics)}
    typer.echo(f"doka: watching for {seconds} s", err=True)
    Rest().wait(seconds)  # never set: its wait lets signals in
    after, until = ranges.whole(topics), round(clock.wall() * 1_000)
    places = [replace(log, first=max(log.first, min(log.end, before.get(log.partition, 0)))) for log in after]
    return Window(since, max(until, since + 1)), places


@contextmanager
def _progress(offsets: int, *, as_json: bool) -> Iterator[Callable[[int], None]]:
    """Give what shows how many records were read, on a terminal; it moves beside whatever goes to a file."""
    if as_json or not sys.stderr.isatty():
        yield lambda _records: None
        return
    with Line("reading", console=Console(stderr=True)) as moving:
        yield lambda records: moving.update(f"{many(records, 'record')} of {offsets:,} at most")
