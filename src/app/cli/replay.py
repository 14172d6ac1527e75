"""`doka replay`: sends what Kafka still has once more, by the service's own machine, lanes and sink, at a pace of its own.

It joins no group and commits nothing in Kafka: how far it has come stands in a file. First it says what it would do.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import typer
from pydantic import ValidationError
from rich.console import Console

from doka.adapters.kafka.no_letters import NoLetters
from doka.adapters.kafka.not_told import NotToldError
from doka.adapters.kafka.range_source import RangeSource
from doka.adapters.system.signals import StopSignals
from doka.adapters.system.watchdog import leave_now
from doka.adapters.telemetry.sentences import many, size, span
from doka.app.cli.places import place_of
from doka.app.cli.progress import progress_shown
from doka.app.cli.routes import routes_named
from doka.app.cli.times import span_seconds, time_ms
from doka.app.config_options import ConfigOptions
from doka.app.container import Container
from doka.app.matched import read_matched
from doka.app.replay.landings import NotedLandings
from doka.app.replay.outcome import ReplayTelemetry, ranges_as_data
from doka.app.replay.patience import Patience
from doka.app.replay.plan import Asked, NotPlannedError, Place, Plan, plan
from doka.app.replay.source import ReplaySource
from doka.app.replay.state import LOSSES
from doka.app.runtime import Ending
from doka.app.service import build_quiet
from doka.app.settings import Settings
from doka.app.settings.load import hostname
from doka.app.settings.routes import RouteSettings, StreamSettings
from doka.domain.audit.fates import Fate, OffsetRange
from doka.domain.errors import UsageError
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.replay.pace import Pace
from doka.domain.rules import OnGap, OnPoison, OnUnreadable, Rules
from doka.domain.skip import place_shown
from doka.domain.status import Status

GIVE_UP_AFTER: Final = "30m"
"""Longer than STS or a network is away as a rule, and soon enough for who waits for it."""
COMMIT_EVERY_NS: Final = 250 * NS_PER_MS
"""How often the state is written; what landed since is what a kill repeats, beside what was in flight."""
PLACES_SHOWN: Final = 10
_KEPT: Final = "what landed above a record that had not settled, and since the state was written last, may land again"


@dataclass(frozen=True, slots=True)
class Words:
    """What somebody typed."""

    since: str | None
    until: str | None
    offsets: tuple[str, ...]
    audit: Path | None
    route: str | None
    stream: str | None
    rate: int | None
    state: Path | None
    dry_run: bool
    yes: bool
    as_json: bool
    give_up_after: str = GIVE_UP_AFTER


def replay(options: ConfigOptions, words: Words) -> int:
    """Send again what was asked for; give 0 where all of it landed (or would be sent, in a dry run), else 1.

    Raises:
        UsageError: the words are wrong, the configuration cannot be used, or nobody can be asked.
    """
    if not (words.yes or words.dry_run) and (words.as_json or not sys.stdin.isatty()):
        raise UsageError("nobody can be asked here whether to send it: add --yes, or --dry-run to see what it would be")
    patience_ns = span_seconds("--give-up-after", words.give_up_after) * NS_PER_SECOND
    settings = read_matched(options)
    lost = None if words.audit is None else _lost(words.audit)
    settings = _to_stream(settings, words, lost)
    container = build_quiet(settings, hostname())
    container.rules.override(_rules(container.rules()))
    (rules,) = container.rules().routes
    console = Console(highlight=False, soft_wrap=True, markup=False)
    try:
        planned = plan(container, rules, _asked(words, lost, container), _state_file(words))
        planned = replace(planned, keys_overtaken=_keys_overtaken(planned, words))
    except (NotPlannedError, NotToldError) as error:
        return _nothing_sent(str(error), as_json=words.as_json)
    if not words.as_json:
        _show_plan(console, planned, rules.name, words)
    ending = None
    if not planned.state.progress.finished and not words.dry_run:
        if not words.yes and not typer.confirm("\nSend them?"):
            console.print("Nothing was sent.")
            return 1
        try:
            ending = _run(container, planned, words, Patience(patience_ns, container.inbox()))
        except OSError as error:
            return _nothing_sent(
                f"the state file {_state_file(words)} cannot be written: {error.strerror}", as_json=words.as_json
            )
    if words.as_json:
        print(json.dumps(data_of(planned, ending), indent=2))  # noqa: T201
    elif not words.dry_run:
        for sentence in _verdict(planned, ending, words):
            console.print(sentence)
    return 0 if words.dry_run or _all_landed(planned) else 1


# --- what was asked for ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lost:
    """What an audit has found to be lost."""

    route: str
    stream: str
    places: tuple[Place, ...]
    looked_at_ms: int


def _lost(file: Path) -> Lost:
    """Read what is lost by an audit file."""
    from doka.adapters.audit.file import AuditFile  # it brings DuckDB, which no other replay needs

    with AuditFile.open(file) as audit:
        ranges = audit.ranges(Fate.LOST)
        places = tuple((each.partition, each.first, each.last + 1) for each in ranges)
        return Lost(audit.terms.route, audit.terms.stream.rpartition("/")[2], places, audit.plan.looked_at_ms)


def _keys_overtaken(planned: Plan, words: Words) -> int | None:
    """Count the keys whose order is gone, as far as the audit's window goes; None where no audit of that stream is given."""
    if words.audit is None or words.stream is not None:
        return None
    from doka.adapters.audit.file import AuditFile

    with AuditFile.open(words.audit) as audit:
        left = planned.state.progress.left
        return audit.keys_overtaken(OffsetRange(each.partition, each.first, each.end - 1) for each in left)


def _state_file(words: Words) -> Path | None:
    """Name the state file: beside an audit file there is always one, so that what it found is not sent twice."""
    if words.state is not None or words.audit is None:
        return words.state
    return words.audit.with_name(f"{words.audit.name}.replay")


def _to_stream(settings: Settings, words: Words, lost: Lost | None) -> Settings:
    """Give the settings with the one route that is replayed, to the stream that was named."""
    route = _route(settings, words, lost)
    if words.stream is not None:
        named = {"arn" if words.stream.startswith("arn:") else "name": words.stream}
        try:
            stream = StreamSettings(**named, region=route.stream.region, role=route.stream.role)
        except ValidationError:
            raise UsageError(f"--stream {words.stream!r} is neither the name of a stream nor its ARN") from None
        route = route.model_copy(update={"stream": stream})
    return settings.model_copy(update={"routes": (route,)})


def _route(settings: Settings, words: Words, lost: Lost | None) -> RouteSettings:
    names = ", ".join(route.name for route in settings.routes)
    routes = routes_named(settings.routes, words.route)
    if lost is not None:
        routes = [route for route in routes if route.name == lost.route]
        if not routes or (words.stream is None and routes[0].stream.called != lost.stream):
            there = f"route {lost.route} to stream {lost.stream}"
            raise UsageError(f"--audit {words.audit} is of {there}, which this configuration does not have")
    for topic in {place_of(place)[0].topic for place in words.offsets}:
        routes = [route for route in routes if topic in route.topics]
        if not routes:
            raise UsageError(
                f"no route reads topic {topic}, and all else that is named: one route at a time, of {names}"
            )
    if len(routes) > 1:
        raise UsageError(f"one route at a time: add --route with one of {names}")
    return routes[0]


def _rules(rules: Rules) -> Rules:
    """Give the rules of a replay: it holds nobody up, and names what it passes; nothing is lost, for Kafka has it."""
    return replace(
        rules,
        routes=tuple(replace(route, on_poison=OnPoison.DROP, replayed=True) for route in rules.routes),
        limits=replace(rules.limits, commit_every=COMMIT_EVERY_NS),
        on_gap=OnGap.CONTINUE,
        on_unreadable=OnUnreadable.CONTINUE,
    )


def _asked(words: Words, lost: Lost | None, container: Container) -> Asked:
    if (words.since is not None) + bool(words.offsets) + (lost is not None) != 1:
        ways = "--since TIME, with --until TIME; --offsets TOPIC:PARTITION:FIRST-LAST; or --audit FILE"
        raise UsageError(f"say what to send, in one way: {ways}")
    if words.until is not None and words.since is None:
        raise UsageError("--until needs --since")
    wall = container.clock().wall()
    since_ms = None if words.since is None else time_ms("--since", words.since, wall)
    until_ms = None if words.until is None else time_ms("--until", words.until, wall)
    if since_ms is not None and until_ms is not None and until_ms <= since_ms:
        raise UsageError("--until is not after --since")
    typed = {
        "--since": words.since,
        "--until": words.until,
        "--offsets": list(words.offsets),
        "--audit": None if words.audit is None else str(words.audit),
        LOSSES: None if lost is None else _digest(lost),
        "--route": words.route,
        "--stream": words.stream,
    }
    places = tuple(place_of(place) for place in words.offsets) if lost is None else lost.places
    looked_at_ms = None if lost is None else lost.looked_at_ms
    return Asked(
        typed,
        since_ms,
        until_ms,
        places,
        rate=words.rate,
        elsewhere=words.stream is not None,
        looked_at_ms=looked_at_ms,
    )


def _digest(lost: Lost) -> str:
    """Tell one set of losses from another: an audit that goes on may find more, and its state is another one."""
    return sha256(json.dumps(lost.places).encode()).hexdigest()[:16]


# --- sending -----------------------------------------------------------------------------------------------------------


def _run(container: Container, planned: Plan, words: Words, patience: Patience) -> Ending:
    """Send what is left; raises OSError where the state cannot be written before anything was sent."""
    state, clock, file = planned.state, container.clock(), _state_file(words)

    def keep() -> None:
        if file is not None:
            state.write(file)

    keep()
    pace = Pace(planned.records_per_second, clock.now())
    ranges = RangeSource(container.member(), state.progress.left, clock, container.oauth())
    source = ReplaySource(ranges, state.progress, pace, clock, container.inbox(), keep=keep)
    said = partial(_said, planned, pace, patience, clock.now)
    with progress_shown(said, clock.now, as_json=words.as_json) as show:
        telemetry = ReplayTelemetry(state.outcome, pace, clock, show, patience)
        sink = NotedLandings(container.sink(), state.outcome.note_landings)
        for provider, part in (
            (container.source, source),
            (container.sink, sink),
            (container.telemetry, telemetry),
            (container.letters, NoLetters()),
        ):
            provider.override(part)
        with StopSignals(container.inbox(), lambda: leave_now(lambda: None)):
            return container.runtime().run()


def _said(planned: Plan, pace: Pace, patience: Patience, now: Callable[[], int], status: Status) -> str:
    """Say in a line how it goes, or what stands in its way, in the words of /readyz."""
    progress = planned.state.progress
    left = progress.offsets - progress.offsets_settled
    reason, gives_up = status.in_the_way(), patience.left(now())
    if reason is not None and gives_up is not None:
        until = f"it gives up in {span(gives_up)} unless something lands"
        return f"{progress.offsets_settled:,} of {progress.offsets:,}, and it waits: {reason}; {until}"
    rate = pace.records_per_second(now())
    time = span(round(left / rate * NS_PER_SECOND))
    return f"{progress.offsets_settled:,} of {progress.offsets:,}, {rate:,.0f} records/s, about {time} left"


# --- telling -----------------------------------------------------------------------------------------------------------


def _all_landed(planned: Plan) -> bool:
    state = planned.state
    return state.progress.finished and state.outcome.whole and not state.short


def data_of(planned: Plan, ending: Ending | None) -> dict[str, Any]:
    """Give all that is known, by name; null is what is not known."""
    state = planned.state
    return {
        "told": True,
        "sent": ending is not None,
        "resumed": planned.resumed,
        "plan": {
            "offsets": state.progress.offsets,
            "offsets_left": planned.offsets_left,
            "bytes_about": planned.bytes_about,
            "records_per_second": planned.records_per_second,
            "share": planned.share,
            "above_committed": planned.above_committed,
            "keys_overtaken": planned.keys_overtaken,
            "missing": list(state.missing),
            "stream": None if planned.stream is None else planned.stream.arn,
        },
        "all_landed": _all_landed(planned),
        "ending": None if ending is None else ending.reason,
        "left": ranges_as_data(state.progress.left),
        **state.outcome.as_data(),
    }


def _show_plan(console: Console, planned: Plan, route: str, words: Words) -> None:
    progress = planned.state.progress
    left = progress.left
    partitions = many(len({each.partition for each in left}), "partition")
    where = words.stream if planned.stream is None else planned.stream.arn
    if not left:
        nothing = "Kafka has no record of it" if words.audit is None else "of what is lost Kafka has nothing"
        done = "all of it has settled already" if progress.offsets else nothing
        console.print(f"Nothing is left to be sent: {done}.")
        for sentence in planned.state.missing:
            console.print(f"  missing    {sentence}")
        return
    console.print(f"To be sent again, by route {route}{'' if where is None else f', to {where}'}:")
    if planned.resumed:
        console.print(f"  goes on    {progress.offsets_settled:,} of {progress.offsets:,} offsets have settled already")
    console.print(f"  records    {planned.offsets_left:,} at most, of {partitions}")
    if planned.bytes_about is not None:
        console.print(f"  bytes      about {size(planned.bytes_about)}, by the first {planned.sampled_records}")
    for sentence in planned.state.missing:
        console.print(f"  missing    {sentence}")
    share = "" if planned.share is None else f", {planned.share:.0%} of what {many(planned.shards or 0, 'shard')} take"
    console.print(
        f"  pace       {planned.records_per_second:,.0f} records a second{share}; less where the stream throttles"
    )
    console.print(f"  time       about {span(round(planned.seconds_about * NS_PER_SECOND))}")
    if planned.above_committed:
        console.print(
            f"  twice      {planned.above_committed:,} of these offsets are above what the group has committed: the service "
            "sends them, too"
        )
    file = _state_file(words)
    if file is None:
        console.print("  state      none is kept: add --state FILE, so that it can go on after a kill")
    else:
        console.print(f"  state      {file}: after a kill type the same again; {_KEPT}")
    if words.stream is None:
        console.print(_order(planned.keys_overtaken))


def _order(keys: int | None) -> str:
    """Say whose order in the stream cannot be restored; `keys` are those whose later records are there, where that is known."""
    gone = "that order\nis gone, and who reads the stream sees the older ones behind them."
    if keys is None:
        return (
            "  order      not known of how many keys later records are in the stream already; an audit would know\n"
            f"Among themselves they keep the order of their keys. Later records of these keys may be in the stream already: {gone}"
        )
    if keys == 0:
        return "  order      kept: of none of their keys are later records in the stream, as far as the audit's window goes"
    return f"  order      of {many(keys, 'key')} later records are in the stream already, as far as the audit's window goes: {gone}"


def _verdict(planned: Plan, ending: Ending | None, words: Words) -> Iterator[str]:
    """Say what became of it."""
    state, outcome = planned.state, planned.state.outcome
    if ending is not None and not state.progress.finished:
        yield f"\nIt ended before all was sent: {ending.reason}."
        if _state_file(words) is not None:
            yield "Type the same again, and it goes on."
        for each in state.progress.left[:PLACES_SHOWN]:
            yield f"  left       {place_shown(each.partition, each.first, each.end)}"
        if len(state.progress.left) > PLACES_SHOWN:
            yield f"  and {len(state.progress.left) - PLACES_SHOWN} ranges more"
    for (partition, offset), code in sorted(outcome.poisoned.items())[:PLACES_SHOWN]:
        yield f"  not sent   {place_shown(partition, offset, offset + 1)} can never land: {code}"
    if len(outcome.poisoned) > PLACES_SHOWN:
        yield f"  and {len(outcome.poisoned) - PLACES_SHOWN} records more that can never land"
    for word, ranges in (("gone", outcome.gone), ("unreadable", outcome.unreadable), ("skipped", outcome.skipped)):
        for each in sorted(ranges)[:PLACES_SHOWN]:
            yield f"  {word:<10} {place_shown(each.partition, each.first, each.end)}"
    again = f"; {many(outcome.may_repeat, 'record')} may have landed twice" if outcome.may_repeat else ""
    if outcome.filtered:
        yield f"  filtered   {many(outcome.filtered, 'record')}, which the route leaves out"
    yield f"{many(outcome.landed, 'record')} landed{again}."
    for shard, (first, last) in sorted(outcome.written.items()):
        yield f"  {shard:<21} sequence numbers {first} to {last}"
    if outcome.written:
        yield "Between these stands all that landed, and what the service wrote meanwhile."
    if _all_landed(planned):
        filtered = ", but for what the route leaves out" if outcome.filtered else ""
        yield f"All that was asked for and that Kafka still had has landed{filtered}."
    elif state.progress.finished:
        yield "The rest of what was asked for has landed."


def _nothing_sent(sentence: str, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"told": False, "why": sentence}, indent=2))  # noqa: T201
    else:
        typer.echo(f"doka: nothing is sent: {sentence}", err=True)
    return 1
