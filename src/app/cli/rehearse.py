"""`doka test`: what a route makes of records of a file, or of its topics, against what is expected of them; nothing is sent.

With a file it asks neither Kafka nor AWS, so that it runs wherever the function's tests run. What records hold is shown only
to who asks for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from doka.adapters.kafka.not_told import NotToldError
from doka.adapters.telemetry.sentences import many
from doka.app.cli.routes import route_named
from doka.app.cli.seen import Seen, look
from doka.app.cli.shown import content_shown, cut
from doka.app.cli.times import time_ms
from doka.app.config_options import ConfigOptions
from doka.app.matched import read_matched
from doka.app.rehearsal.expectation import state_of
from doka.app.rehearsal.record_file import GivenRecord, batches_of, read_records
from doka.app.rehearsal.rehearsal import Rehearsal
from doka.app.service import build
from doka.app.settings.load import hostname, read_configuration
from doka.app.stream_facts import stream_of
from doka.domain.errors import UsageError
from doka.domain.limits import NS_PER_MS
from doka.domain.records import TopicPartition
from doka.domain.routes.mapping import as_text
from doka.domain.routes.preview import Preview
from doka.domain.rules import RouteRules

USUAL_LIMIT: Final = 10
_NAMED_MAX: Final = 10
"""So many records are named in a sentence."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to try."""

    route: str | None
    records: Path | None
    since: str | None
    limit: int | None
    payload: bool
    as_json: bool


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    rules: RouteRules
    rehearsal: Rehearsal
    records: Sequence[Preview]
    notes: Sequence[str] = ()
    """What of the topics could not be told, a sentence each."""
    lines: dict[tuple[TopicPartition, int], GivenRecord] = field(default_factory=dict)
    """Of a file: its records by their place."""
    payload: bool = False

    @property
    def expected(self) -> int:
        """Of how many records something is expected."""
        return sum(given.expected is not None for given in self.lines.values())

    def missed(self, record: Preview) -> list[str] | None:
        """Say what of a record is not as expected; None where nothing is expected of it."""
        given = self.lines.get((record.partition, record.offset))
        if given is None or given.expected is None:
            return None
        return list(given.expected.missed(record, payload=self.payload))

    @property
    def failed(self) -> int:
        """How many records are not as expected."""
        return sum(bool(self.missed(record)) for record in self.records)

    @property
    def is_good(self) -> bool:
        """Whether all is as expected, the function works, and all could be told."""
        return not (self.failed or self.rehearsal.broken or self.rehearsal.unsteady or self.notes)


def rehearse(options: ConfigOptions, wanted: Wanted) -> int:
    """Show what becomes of each record; give 0 where all is as expected and the function works, else 1.

    Raises:
        UsageError: the configuration or the file cannot be used, or the words are wrong.
    """
    if wanted.records is not None and (wanted.since is not None or wanted.limit is not None):
        raise UsageError("--records reads a file; --from and --limit are for the topic: leave one of them out")
    try:
        outcome = _of_topic(options, wanted) if wanted.records is None else _of_file(options, wanted, wanted.records)
    except NotToldError as error:
        if wanted.as_json:
            print(json.dumps({"told": False, "why": str(error)}, indent=2))  # noqa: T201
        else:
            typer.echo(f"doka: nothing can be shown: {error}", err=True)
        return 1
    if wanted.as_json:
        print(json.dumps(data_of(outcome), indent=2))  # noqa: T201
    else:
        _show(Console(highlight=False, soft_wrap=True, markup=False), outcome)
    return 0 if outcome.is_good else 1


def _of_file(options: ConfigOptions, wanted: Wanted, file: Path) -> Outcome:
    container = build(read_configuration(options), hostname())
    rules = route_named(container.rules().routes, wanted.route)
    given = read_records(file, rules.topics | rules.patterns)
    rehearsal = Rehearsal(rules, None)
    found = [record for chunk in batches_of(given) for record in rehearsal.of(chunk)]
    lines = {(record.partition, record.offset): record for record in given}
    return Outcome(rules, rehearsal, found, lines=lines, payload=wanted.payload)


def _of_topic(options: ConfigOptions, wanted: Wanted) -> Outcome:
    container = build(read_matched(options), hostname())
    rules = route_named(container.rules().routes, wanted.route)
    since_ms = None if wanted.since is None else time_ms("--from", wanted.since, container.clock().wall())
    stream, why = stream_of(rules, container.authority(), container.describer())
    seen = Seen(wanted.limit or USUAL_LIMIT, newest=since_ms is None, payload=wanted.payload)
    rehearsal = Rehearsal(rules, stream)
    look(container, rules, rehearsal, since_ms, seen)
    if stream is None:
        seen.notes.append(f"the usual limit of a record was assumed: {why}")
    return Outcome(rules, rehearsal, seen.records, seen.notes, payload=wanted.payload)


# --- showing ---------------------------------------------------------------------------------------------------------


def data_of(outcome: Outcome) -> dict[str, Any]:
    """Give all that is known, by name; null is what is not known, or not expected."""
    rehearsal, transform = outcome.rehearsal, outcome.rules.transform
    return {
        "told": True,
        "route": outcome.rules.name,
        "transform": None if transform is None else transform.name,
        "record_bytes_max": rehearsal.record_bytes_max,
        "good": outcome.is_good,
        "broken": rehearsal.broken,
        "unsteady": [{**partition._asdict(), "offset": offset} for partition, offset in rehearsal.unsteady],
        "notes": list(outcome.notes),
        "expected": outcome.expected,
        "failed": outcome.failed,
        "batches": [
            {"records": records, "transform_ms": None if transform is None else round(took / NS_PER_MS, 3)}
            for records, took in zip(rehearsal.batches, rehearsal.took, strict=True)
        ],
        "records": [_record_data(outcome, record) for record in outcome.records],
    }


def _record_data(outcome: Outcome, record: Preview) -> dict[str, Any]:
    given = outcome.lines.get((record.partition, record.offset))
    sent = record.filtered is None and record.code is None
    shown = {
        **record.partition._asdict(),
        "offset": record.offset,
        "line": None if given is None else given.line,
        "timestamp_ms": record.timestamp_ms,
        "becomes": _word(record),
        "why": record.filtered or record.code,
        "raised": record.raised,
        "partition_key": record.key if sent else None,
        "shard": record.shard,
        "bytes": record.size if sent else 0,
        "missed": outcome.missed(record),
    }
    return shown | {"value": as_text(record.value), "data": as_text(record.data)} if outcome.payload else shown


def _word(record: Preview) -> str:
    """Give what becomes of a record in one word: kept, changed, filtered, poison."""
    return state_of(record).partition(" ")[0]


def _show(console: Console, outcome: Outcome) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("record", "becomes", "partition key"):
        table.add_column(name, no_wrap=True)
    table.add_column("bytes", justify="right", no_wrap=True)
    for record in outcome.records:
        table.add_row(*_row(record))
    console.print(table)
    for record in outcome.records if outcome.payload else ():
        if record.filtered is not None:
            continue
        console.print(f"\n{record.partition} {record.offset}")
        console.print(content_shown(record.data))
    console.print()
    for line in (*_sentences(outcome), *outcome.notes):
        console.print(line)


def _row(record: Preview) -> tuple[Text, ...]:
    word = _word(record)
    key = ""
    if word in {"kept", "changed"}:
        key = "drawn when it is sent" if record.key is None else cut(content_shown(record.key.encode()))
    style = {"filtered": "yellow", "poison": "bold red"}.get(word, "")
    return (
        Text(f"{record.partition} {record.offset}"),
        Text(state_of(record), style),
        Text(key, "dim" if record.key is None else ""),
        Text(f"{record.size:,}" if key else "-"),
    )


def _sentences(outcome: Outcome) -> Iterator[str]:
    rehearsal, transform = outcome.rehearsal, outcome.rules.transform
    if not outcome.records:
        yield f"No record of route {outcome.rules.name} stands there."
        return
    words = [_word(record) for record in outcome.records]
    sums = ", ".join(f"{words.count(word):,} {word}" for word in ("kept", "changed", "filtered", "poison"))
    yield f"{many(len(words), 'record')}: {sums}. Nothing was sent."
    if transform is not None:
        slowest = max(zip(rehearsal.took, rehearsal.batches, strict=True))
        share = sum(rehearsal.took) / sum(rehearsal.batches) / 1_000
        yield (
            f"{transform.name} took {share:,.1f} us a record, and {slowest[0] / NS_PER_MS:,.1f} ms at most, "
            f"for a batch of {many(slowest[1], 'record')}."
        )
    if rehearsal.broken is not None:
        yield (
            f"The transform fails whatever it is given ({rehearsal.broken}): the service makes poison of nothing then, "
            "and blocks the route. Mend it."
        )
    if rehearsal.unsteady:
        named = ", ".join(f"{partition} {offset}" for partition, offset in rehearsal.unsteady[:_NAMED_MAX])
        more = ", ..." if len(rehearsal.unsteady) > _NAMED_MAX else ""
        yield (
            f"The transform makes something else of {many(len(rehearsal.unsteady), 'record')} the second time, each by itself: "
            f"{named}{more}. It must give the same for the same record, whatever else is in the batch."
        )
    for record in outcome.records:
        if missed := outcome.missed(record):
            line = outcome.lines[record.partition, record.offset].line
            yield f"Line {line}, {record.partition} {record.offset}: {'; '.join(missed)}."
    if outcome.expected:
        good = outcome.expected - outcome.failed
        yield f"{good:,} of {many(outcome.expected, 'expectation')} hold{'s' if good == 1 else ''}."
