"""`doka letters list` and `show`: what stands in the dead-letter topic, and what would become of it today.

What a letter holds is shown to nobody who does not ask for it, as by `doka tail`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from doka.adapters.kafka.not_told import NotToldError
from doka.adapters.telemetry.sentences import many, size
from doka.app.cli.places import place_of
from doka.app.cli.routes import routes_named
from doka.app.cli.shown import content_shown, cut, time_shown
from doka.app.cli.times import time_ms
from doka.app.config_options import ConfigOptions
from doka.app.container import Container
from doka.app.letters.reading import FoundLetter, Letters, look_at, read_letters, topic_of
from doka.app.service import build
from doka.app.settings.load import hostname, read_configuration
from doka.app.stream_facts import stream_of
from doka.domain.errors import UsageError
from doka.domain.letters.letter import Choice
from doka.domain.records import TopicPartition
from doka.domain.routes.mapping import as_text
from doka.domain.routes.preview import Preview, Previews
from doka.domain.skip import place_shown

LETTERS_SHOWN: Final = 20
Place = tuple[TopicPartition, int, int]


@dataclass(frozen=True, slots=True)
class Filters:
    """Which letters somebody wants, as it was typed."""

    codes: tuple[str, ...] = ()
    route: str | None = None
    since: str | None = None
    until: str | None = None
    keys: tuple[str, ...] = ()
    places: tuple[str, ...] = ()

    def read(self, container: Container) -> Choice:
        """Understand them; raises UsageError for what cannot be."""
        topic, wall = topic_of(container), container.clock().wall()
        since_ms = None if self.since is None else time_ms("--since", self.since, wall)
        until_ms = None if self.until is None else time_ms("--until", self.until, wall)
        if since_ms is not None and until_ms is not None and until_ms <= since_ms:
            raise UsageError("--until is not after --since")
        routes_named(container.rules().routes, self.route)
        return Choice(
            frozenset(self.codes),
            frozenset(key.encode() for key in self.keys),
            since_ms,
            until_ms,
            tuple(letter_at(place, topic) for place in self.places),
        )


def letter_at(what: str, topic: str) -> Place:
    """Read where letters stand; raises UsageError where that is not in the topic of letters."""
    place = place_of(what)
    if place[0].topic != topic:
        raise UsageError(f"{what!r} is no letter: letters stand in topic {topic} (dead_letters.topic)")
    return place


# --- list ------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Seen:
    """What was met: counts of all, and rows of the newest."""

    limit: int
    rows: list[tuple[tuple[int, TopicPartition, int], FoundLetter]] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Letters by code and route."""
    done: int = 0

    def take(self, found: FoundLetter) -> None:
        """Count one, and keep it while it is among the newest."""
        self.counts[found.letter.code, _route(found)] += 1
        self.done += found.done
        self.rows.append(((found.letter.failed_at_ms or 0, found.partition, found.offset), found))
        if len(self.rows) >= 2 * self.limit:
            self.cut()

    def cut(self) -> Sequence[FoundLetter]:
        """Give the newest, oldest first."""
        self.rows = sorted(self.rows, key=lambda row: row[0])[-self.limit :]
        return [found for _, found in self.rows]


def list_letters(options: ConfigOptions, filters: Filters, *, limit: int | None, payload: bool, as_json: bool) -> int:
    """List letters; give 0 where all of them could be read, else 1.

    Raises:
        UsageError: the configuration cannot be used, it names no topic of letters, or the words are wrong.
    """
    container = build(read_configuration(options), hostname())
    choice = filters.read(container)
    seen = Seen(limit or LETTERS_SHOWN)

    def take(found: FoundLetter, chosen: bool) -> None:  # noqa: FBT001 - the reader's own signature
        if not chosen or filters.route not in {None, found.route}:
            return
        seen.take(found)
        if as_json and (limit is None or seen.counts.total() <= limit):
            print(json.dumps(data_of(found, payload=payload)))  # noqa: T201

    try:
        letters = look_at(container, choice.places)
        read_letters(container, letters, choice, take)
    except NotToldError as error:
        return not_told(str(error), as_json=as_json)
    if as_json:
        for line in _beside(letters):
            typer.echo(f"doka: {line}", err=True)
    else:
        _show_list(Console(highlight=False, soft_wrap=True, markup=False), seen, letters, payload=payload)
    return 1 if letters.notes else 0


def data_of(found: FoundLetter, *, payload: bool) -> dict[str, Any]:
    """Give a letter by name; null is what is not known."""
    letter = found.letter
    told = {
        "letter": {**found.partition._asdict(), "offset": found.offset},
        "source": {**letter.source._asdict(), "offset": letter.offset},
        "route": found.route,
        "code": letter.code,
        "attempts": letter.attempts,
        "failed_at_ms": letter.failed_at_ms,
        "came_back": letter.resent,
        "done": found.done,
        "key": as_text(found.key),
        "bytes": found.size,
    }
    return told | {"data": as_text(found.record.value())} if payload else told


def _show_list(console: Console, seen: Seen, letters: Letters, *, payload: bool) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("letter", "since (UTC)", "record", "route", "key", "code"):
        table.add_column(name, no_wrap=True)
    table.add_column("bytes", justify="right", no_wrap=True)
    table.add_column("resent")
    newest = seen.cut()
    for found in newest:
        table.add_row(*map(Text, _row(found)))
    if newest:
        console.print(table)
    for found in newest if payload else ():
        console.print(f"\n{_place(found)}")
        console.print(content_shown(found.record.value() or b""))
    console.print()
    for line in (*_sentences(seen, letters), *_beside(letters)):
        console.print(line)


def _row(found: FoundLetter) -> Iterator[str]:
    letter = found.letter
    yield _place(found)
    yield time_shown(letter.failed_at_ms)
    yield place_shown(letter.source, letter.offset, letter.offset + 1)
    yield _route(found)
    yield "-" if found.key is None else cut(content_shown(found.key))
    yield letter.code
    yield f"{found.size:,}"
    back = f"came back {many(letter.resent, 'time')}" if letter.resent else ""
    yield "yes" if found.done else back


def _sentences(seen: Seen, letters: Letters) -> Iterator[str]:
    total = seen.counts.total()
    if not total:
        yield f"No letter of that kind stands in topic {letters.topic}."
        return
    yield f"{many(total, 'letter')}, of which {seen.done:,} have been resent; the newest {len(seen.rows):,} are shown:"
    for (code, route), count in seen.counts.most_common():
        yield f"  {count:>9,}  {code}, route {route}"
    yield "One of them: doka letters show LETTER. Bring them back: doka letters resend --dry-run"


def _beside(letters: Letters) -> Iterator[str]:
    """Say what was met beside letters."""
    if letters.foreign:
        yield f"{many(letters.foreign, 'record')} of topic {letters.topic} are no letters of doka's; they are passed over."
    yield from letters.notes


def not_told(sentence: str, *, as_json: bool) -> int:
    """Say why nothing can be said; give the exit code."""
    if as_json:
        print(json.dumps({"told": False, "why": sentence}))  # noqa: T201
    else:
        typer.echo(f"doka: nothing can be told: {sentence}", err=True)
    return 1


def _route(found: FoundLetter) -> str:
    return found.route or "-"


def _place(found: FoundLetter) -> str:
    return place_shown(found.partition, found.offset, found.offset + 1)


# --- show ------------------------------------------------------------------------------------------------------------


def show_letter(options: ConfigOptions, what: str, *, payload: bool, as_json: bool) -> int:
    """Show one letter, and what would become of it today; give 0 where all of that could be told, else 1.

    Raises:
        UsageError: the configuration cannot be used, it names no topic of letters, or the words are wrong.
    """
    container = build(read_configuration(options), hostname())
    place = letter_at(what, topic_of(container))
    if place[2] != place[1] + 1:
        raise UsageError(f"{what!r} names several letters: one at a time, or doka letters list --letter {what}")
    met: list[FoundLetter] = []
    try:
        letters = look_at(container, [place])
        read_letters(container, letters, Choice(), lambda found, _: met.append(found))
    except NotToldError as error:
        return not_told(str(error), as_json=as_json)
    if not met:
        no_letter = "the record that stands there is no letter of doka's" if letters.foreign else "nothing stands there"
        return not_told("; ".join([f"{what}: {no_letter}", *letters.notes]), as_json=as_json)
    (found,) = met
    preview, limit, why = _today(container, found)
    if as_json:
        told = data_of(found, payload=payload) | {
            "timestamp_ms": _written_at(found),
            "headers": _headers(found, payload=payload),
            "today": None if preview is None else _preview_data(preview, limit),
            "why_not_all": why,
        }
        print(json.dumps(told, indent=2))  # noqa: T201
    else:
        _show_one(Console(highlight=False, soft_wrap=True, markup=False), found, payload=payload)
        for line in _verdict(preview, limit, why):
            typer.echo(line)
    return 0 if why is None else 1


def _today(container: Container, found: FoundLetter) -> tuple[Preview | None, int, str | None]:
    """Give what the record would become, the stream's limit in bytes, and why not all is known."""
    rules, topic = container.rules(), found.letter.source.topic
    of_route = next((each for each in rules.routes if each.name == found.route), None)
    if of_route is None:
        several = rules.routes_for(topic)
        none = f"it names none of the routes that read topic {topic}" if several else f"no route reads topic {topic}"
        return None, 0, f"{none}: nothing can be sent for it"
    stream, why = stream_of(of_route, container.authority(), container.describer())
    previews = Previews(of_route, stream)
    (preview,) = previews.of(found.chunk)
    return preview, previews.record_bytes_max, why


def _preview_data(preview: Preview, limit: int) -> dict[str, Any]:
    return {
        "verdict": preview.verdict,
        "partition_key": preview.key,
        "shard": preview.shard,
        "bytes": preview.size,
        "record_bytes_max": limit,
    }


def _show_one(console: Console, found: FoundLetter, *, payload: bool) -> None:
    letter = found.letter
    console.print(f"{_place(found)}, a letter since {time_shown(letter.failed_at_ms)} UTC")
    console.print(
        f"  record     {place_shown(letter.source, letter.offset, letter.offset + 1)}, of "
        f"{time_shown(_written_at(found))} UTC"
    )
    console.print(f"  route      {found.route or 'none that reads its topic'}")
    console.print(f"  why        {letter.code}, after {many(letter.attempts, 'attempt')}")
    back = f"came back {many(letter.resent, 'time')}" if letter.resent else "not yet"
    console.print(f"  resent     {'yes' if found.done else back}")
    console.print(f"  key        {'none' if found.key is None else content_shown(found.key)}")
    console.print(f"  bytes      {found.size:,}, of key and value")
    for name, value in _headers(found, payload=payload):
        console.print(f"  header     {content_shown(name.encode())}: {value if payload else f'{value} B'}")
    if payload:
        value = found.record.value()
        console.print(f"  value      {'none: a tombstone' if value is None else content_shown(value)}")


def _headers(found: FoundLetter, *, payload: bool) -> list[tuple[str, Any]]:
    """Give the record's own headers: names with the bytes that their values have, or with the values."""
    own = found.record.headers() or ()
    return [(name, as_text(value) if payload else len(value or b"")) for name, value in own]


def _written_at(found: FoundLetter) -> int | None:
    kind, timestamp_ms = found.record.timestamp()
    return timestamp_ms if kind else None


def _verdict(preview: Preview | None, limit: int, why: str | None) -> Iterator[str]:
    if preview is None:
        yield f"  today      {why}"
        return
    of = f"{size(preview.size)} of {size(limit)}"
    if preview.filtered is not None:
        yield f"  today      is left out by its route ({preview.filtered})"
    elif preview.code is not None:
        yield f"  today      can never land: {preview.code}; {of}"
    else:
        key = "drawn when it is sent" if preview.key is None else content_shown(preview.key.encode())
        yield f"  today      would land: partition key {key}, shard {preview.shard or 'not known'}, {of}"
    if why is not None:
        yield f"  but        {why}"
