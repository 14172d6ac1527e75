"""`doka lag`: how far a group is behind, in records and in time, asked from outside: also while no service runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event
from typing import Any, Final

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from doka.adapters.kafka.group_lag import GroupLag, LagReading, PartitionLag
from doka.adapters.kafka.not_told import NotToldError
from doka.adapters.telemetry.sentences import many, span
from doka.app.config_options import ConfigOptions
from doka.app.matched import read_matched
from doka.app.service import build
from doka.app.settings.load import hostname
from doka.domain.errors import UsageError
from doka.domain.limits import NS_PER_MS

LOOK_EVERY_SECONDS: Final = 2.0


Look = Callable[[], GroupLag]
"""One look at a group; raises NotToldError."""


def lag(options: ConfigOptions, *, group: str | None, watch: bool, as_json: bool) -> int:
    """Tell how far a group is behind in the topics of all routes; give 0 where all of it could be told, else 1.

    Raises:
        UsageError: the configuration cannot be used, or nobody can watch.
    """
    if watch and not as_json and not sys.stdout.isatty():
        raise UsageError(
            "--watch draws at a terminal, and this is none: leave it out, or add --json for a line each look"
        )
    container = build(read_matched(options), hostname())
    member = container.member()
    reading = LagReading(member, container.clock(), container.oauth())

    def look() -> GroupLag:
        return reading.look(group or member.group_id, member.topics)

    if watch:
        return _watch(look, as_json=as_json)
    try:
        found = look()
    except NotToldError as error:
        return _not_told(str(error), as_json=as_json)
    if as_json:
        print(json.dumps(data_of(found), indent=2))  # noqa: T201
    else:
        Console(highlight=False, soft_wrap=True).print(picture_of(found))
    return 0 if told_and_sound(found) else 1


def _watch(look: Look, *, as_json: bool) -> int:
    """Look again and again, until Ctrl-C ends the command."""
    rest = Event()  # never set: its wait lets signals in
    with _shown(as_json=as_json) as show:
        while True:
            try:
                show(look())
            except NotToldError as error:
                show(str(error))
            rest.wait(LOOK_EVERY_SECONDS)


@contextmanager
def _shown(*, as_json: bool) -> Iterator[Callable[[GroupLag | str], None]]:
    """Give what shows a look, or the sentence by which it failed: a line of JSON, or one picture that is drawn anew."""
    if as_json:
        yield lambda found: print(json.dumps(_line_of(found)), flush=True)  # noqa: T201
        return
    with Live(console=Console(highlight=False), auto_refresh=False) as live:
        yield lambda found: live.update(_drawn(found), refresh=True)


def _line_of(found: GroupLag | str) -> dict[str, Any]:
    return {"told": False, "why": found} if isinstance(found, str) else data_of(found)


def _drawn(found: GroupLag | str) -> RenderableType:
    return Text(f"doka: nothing is known: {found}", "red") if isinstance(found, str) else picture_of(found)


def told_and_sound(found: GroupLag) -> bool:
    """Say whether everything could be told, and the group can go on wherever it has committed."""
    return found.committed_anything and not found.missing_topics and not any(each.trouble for each in found.partitions)


# --- for a machine ---------------------------------------------------------------------------------------------------


def data_of(found: GroupLag) -> dict[str, Any]:
    """Give all that is known, by name; null is what is not known."""
    known = [each.lag for each in found.partitions]
    waits = [seconds for each in found.partitions if (seconds := _seconds(found, each)) is not None]
    return {
        "told": True,
        "group": found.group,
        "at": datetime.fromtimestamp(found.at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "committed_anything": found.committed_anything,
        "members": found.members,
        "lag": None if None in known else sum(filter(None, known)),
        "seconds": max(waits, default=None),
        "missing_topics": list(found.missing_topics),
        "partitions": [_partition_data(found, each) for each in found.partitions],
    }


def _partition_data(found: GroupLag, each: PartitionLag) -> dict[str, Any]:
    return {
        **each.partition._asdict(),
        "committed": each.committed,
        "start": each.start,
        "end": each.end,
        "lag": each.lag,
        "gone": each.gone,
        "seconds": _seconds(found, each),
        "why_no_seconds": each.why_no_time,
        "owner": each.owner,
        "trouble": each.trouble,
    }


def _seconds(found: GroupLag, each: PartitionLag) -> float | None:
    """Give for how long the oldest record has waited; 0 where nothing waits."""
    if each.waits_since_ms is not None:
        return max(0, found.at_ms - each.waits_since_ms) / 1000
    return 0.0 if each.lag == 0 else None


# --- for a person ----------------------------------------------------------------------------------------------------


def picture_of(found: GroupLag) -> RenderableType:
    """Give a row for each partition, and below what it comes to, in sentences."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name, justify in (("partition", "left"), ("committed", "right"), ("end", "right"), ("behind", "right")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type] # one of the library's words
    table.add_column("oldest waits", justify="right", no_wrap=True)
    table.add_column("read by", overflow="fold")
    table.add_column("", overflow="fold")
    for each in found.partitions:
        table.add_row(*_row(found, each))
    return Group(table, Text(), *(Text(line, style) for line, style in _sentences(found)))


def _row(found: GroupLag, each: PartitionLag) -> tuple[str | Text, ...]:
    waits = _seconds(found, each)
    note = each.trouble or each.why_no_time or ("" if each.committed is not None else "no commit")
    return (
        str(each.partition),
        "-" if each.committed is None else str(each.committed),
        "-" if each.end is None else str(each.end),
        "-" if each.lag is None else f"{each.lag:,}",
        "-" if not waits else span(int(waits * 1000) * NS_PER_MS),
        each.owner or "-",
        Text(note, "yellow" if each.trouble else "dim"),
    )


def _sentences(found: GroupLag) -> Iterator[tuple[str, str]]:
    """Say what it comes to, with what to do next."""
    for topic in found.missing_topics:
        yield f"Topic {topic} does not exist.", "bold yellow"
    if found.partitions:
        yield _sum(found)
    gone = sum(each.gone for each in found.partitions)
    if gone:
        yield (
            f"{gone:,} offsets below the logs' starts are gone from Kafka: kafka.on_gap decides what follows.",
            "bold red",
        )
    if found.members is None:
        yield f"Who is a member of it is not told: {found.why_no_members}.", "dim"
    elif not found.members:
        yield "Nobody is a member of it now. Next: doka run", ""
    elif any(each.lag for each in found.partitions):
        yield f"{many(found.members, 'member')} of it; what each waits for: curl localhost:9400/readyz", ""


def _sum(found: GroupLag) -> tuple[str, str]:
    """Say in one sentence how far the group is behind."""
    count = len(found.partitions)
    if not found.committed_anything:
        return (
            f"Group {found.group} has committed nothing of {'this partition' if count == 1 else f'these {count} partitions'}: "
            "it never ran, its name is another one, or Kafka has forgotten it. kafka.start_from says where it begins."
        ), "bold yellow"
    behind = [each for each in found.partitions if each.lag]
    unknown = sum(each.lag is None for each in found.partitions)
    beside = f"; of {many(unknown, 'partition')} it is not known" if unknown else ""
    if not behind:
        return f"Group {found.group} is at the end of {many(count - unknown, 'partition')}{beside}.", "bold green"
    waits = max((seconds for each in behind if (seconds := _seconds(found, each)) is not None), default=None)
    oldest = "" if waits is None else f"; the oldest record has waited {span(int(waits * 1000) * NS_PER_MS)}"
    total = sum(each.lag or 0 for each in behind)
    return (
        f"Group {found.group} is {many(total, 'record')} behind at most, in {len(behind)} of {many(count, 'partition')}"
        f"{oldest}{beside}."
    ), "bold"


def _not_told(sentence: str, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(_line_of(sentence), indent=2))  # noqa: T201
    else:
        typer.echo(f"doka: nothing is known: {sentence}", err=True)
    return 1
