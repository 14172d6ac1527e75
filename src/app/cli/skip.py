"""`doka skip`: lets the service pass exactly one record, or one batch that cannot be read, and leaves who, when and why."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final

import typer
from rich.console import Console

from doka.adapters.kafka.skip_orders import skips_group
from doka.adapters.kafka.skip_writing import Found, SkipRefusedError, SkipWriting
from doka.adapters.telemetry.sentences import many
from doka.app.cli.places import place_of
from doka.app.config_options import ConfigOptions
from doka.app.matched import read_matched
from doka.app.service import build
from doka.app.settings.load import hostname
from doka.domain.errors import UsageError
from doka.domain.records import TopicPartition
from doka.domain.skip import Skip

REASON_SHOWN: Final = "the order was cancelled, ticket 4711"


def skip(options: ConfigOptions, what: str, *, reason: str, by: str | None, yes: bool, as_json: bool) -> int:
    """Order a skip after a look and a confirmation; give 0 where it is ordered, else 1.

    Raises:
        UsageError: the words are wrong, the configuration cannot be used, or nobody can be asked.
    """
    partition, first, far = place_of(what)
    why, who = _words("--reason", reason), _words("--by", by or f"{_user()}@{hostname()}")
    settings = read_matched(options)
    container = build(settings, hostname())
    topics = container.member().topics
    if partition.topic not in topics:
        raise UsageError(f"no route reads topic {partition.topic}: routes read {', '.join(sorted(topics))}")
    if not yes and (as_json or not sys.stdin.isatty()):
        raise UsageError("nobody can be asked here whether to skip it: add --yes")
    writing = SkipWriting(container.member(), container.clock(), container.oauth())
    at = datetime.fromtimestamp(container.clock().wall(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    order = Skip(first, far, who, at, why)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    try:
        found = writing.look(partition, first, far)
        before = next((each for each in found.standing if each.covers(first, far)), None)
        if not as_json:
            routes = [route.name for route in container.rules().routes_of()[partition.topic]]
            _show(console, partition, order, found, routes)
        if before is None:
            if not yes and not typer.confirm("\nSkip it?"):
                console.print("Nothing was ordered.")
                return 1
            writing.order(partition, found, order)
    except SkipRefusedError as error:
        return _refused(str(error), as_json=as_json)
    if as_json:
        print(json.dumps(_data(partition, before or order, found), indent=2))  # noqa: T201
    else:
        _next(console, before)
    return 0


def _words(option: str, text: str) -> str:
    """Give a person's words on one line; they go into the log."""
    words = " ".join(text.split())
    if not words:
        raise UsageError(f"{option} is empty; say it in words, as in --reason {REASON_SHOWN!r}")
    if not words.isprintable():
        raise UsageError(f"{option} has characters that cannot be shown")
    return words


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"  # a container's user needs no name


def _show(console: Console, partition: TopicPartition, order: Skip, found: Found, routes: Sequence[str]) -> None:
    offsets = order.far - order.first
    what = f"offset {order.first}" if offsets == 1 else f"{offsets:,} offsets, {order.first} to {order.far - 1}"
    console.print(f"To be skipped of topic {partition.topic}, partition {partition.partition}: {what}")
    for name, text in (
        ("what" if offsets == 1 else "the first", _record(found)),
        ("committed", f"{found.committed}, by group {found.group}"),
        ("end", f"{found.end}, so {found.lag:,} offsets wait"),
        ("by", order.by),
        ("reason", order.reason),
        *([("routes", f"{', '.join(routes)}: none of them sends it")] if len(routes) > 1 else []),
    ):
        console.print(f"  {name:<10} {text}")
    console.print(
        "It is not sent to Kinesis, nor to the dead letters; what was sent already stays. All else of the partition is "
        "sent as always,\nand what landed above the committed offset may land again."
    )


def _record(found: Found) -> str:
    if found.unreadable is not None:
        return f"cannot be read: {found.unreadable}"
    key = "no key" if found.key_bytes is None else f"a key of {many(found.key_bytes, 'byte')}"
    value = "no value" if found.value_bytes is None else f"a value of {many(found.value_bytes, 'byte')}"
    written = ""
    if found.timestamp_ms is not None:
        stamp = datetime.fromtimestamp(found.timestamp_ms / 1000, UTC)
        written = f", of {stamp:%Y-%m-%d %H:%M:%S} UTC"
    return f"a record with {key} and {value}{written}"


def _next(console: Console, before: Skip | None) -> None:
    if before is not None:
        console.print(f"\nIt is ordered already, by {before.by} at {before.at}: {before.reason}")
    else:
        console.print("\nOrdered.", style="bold green")
    console.print(
        "A service that runs passes it within a minute, one that does not when it starts; it says record_skipped in its log, "
        "and\ncounts doka_records_skipped_total. Next: curl localhost:9400/readyz"
    )


def _data(partition: TopicPartition, order: Skip, found: Found) -> dict[str, object]:
    place = {"topic": partition.topic, "partition": partition.partition, "first": order.first, "last": order.far - 1}
    facts = asdict(found)
    for name in ("standing", "topic_id"):
        del facts[name]
    return {
        "ordered": True,
        **place,
        **facts,
        "lag": found.lag,
        "by": order.by,
        "at": order.at,
        "reason": order.reason,
        "stored_for": skips_group(found.group),
    }


def _refused(sentence: str, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"ordered": False, "why": sentence}, indent=2))  # noqa: T201
    else:
        typer.echo(f"doka: nothing is skipped: {sentence}", err=True)
    return 1
