"""What an audit has found out: a sentence and a table for a person, all of it for a machine.

A loss is told as one only where it is known, and what could not be judged is always told beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from doka.adapters.audit.file import AuditFile
from doka.adapters.telemetry.sentences import many, span
from doka.app.audit.planning import MISSING, Begun, shown
from doka.app.audit.reading import Reading
from doka.domain.audit.fates import Fate, Judgement, OffsetRange, Terms
from doka.domain.limits import NS_PER_MS
from doka.domain.skip import place_shown

COMPLETE, LOST, NOT_WHOLE = 0, 1, 3
"""Exit codes; 2 is that of what could not be audited at all."""

PLACES_SHOWN_MAX: Final = 10
QUERY_SHOWN: Final = "SELECT * FROM records WHERE fate = 'lost'"
NAMED: Final = (
    Fate.LOST,
    Fate.REPEATED,
    Fate.OVERTAKEN,
    Fate.DEAD_LETTER,
    Fate.SKIPPED,
    Fate.FILTERED,
    Fate.POISON,
    Fate.NOT_JUDGED,
)
"""Fates whose records are named one by one."""

_ROWS: Final = (
    (Fate.IN_STREAM, "in the stream", ""),
    (Fate.REPEATED, "more than once", "of these; consumers see them again"),
    (Fate.OVERTAKEN, "out of order", "of these; a later record of the key was there first"),
    (Fate.LOST, "lost", "committed, and nowhere in the stream"),
    (Fate.NOT_YET, "not yet", "above what the group has committed: still to be sent"),
    (Fate.DEAD_LETTER, "dead letters", "in the topic for them"),
    (Fate.SKIPPED, "skipped", "somebody ordered it (doka skip)"),
    (Fate.FILTERED, "filtered", "left out by today's settings of the route"),
    (Fate.POISON, "can never land", "by today's settings; whether they were dropped, nobody can know"),
    (Fate.NOT_JUDGED, "not judged", "they may lie where the stream was not read, or not any more"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """What is told of one audit."""

    path: Path
    terms: Terms
    judgement: Judgement
    broken_aggregates: int
    not_compressed: int
    notes: Sequence[str]
    """What of Kafka is missing, or may be, as clauses."""
    why_stopped: str | None
    """Why not all was read, as a clause; None where all was."""

    @property
    def exit_code(self) -> int:
        """What a machine is told by the way."""
        if self.judgement.counts[Fate.LOST]:
            return LOST
        whole = self.why_stopped is None and self.judgement.whole and not self.notes
        return COMPLETE if whole else NOT_WHOLE


def found_by(begun: Begun, reading: Reading, why_stopped: str | None) -> Found:
    """Judge what was read, and give what is told of it."""
    file = begun.file
    missing = dict.fromkeys((*begun.missing, *reading.missing, *(file.noted(MISSING) or ())))
    progress = reading.progress
    return Found(
        path=begun.path,
        terms=file.terms,
        judgement=file.judge(),
        broken_aggregates=progress.broken_aggregates,
        not_compressed=progress.not_compressed,
        notes=[*missing],
        why_stopped=why_stopped,
    )


def show(console: Console, found: Found, file: AuditFile) -> None:
    """Tell a person what was found out, and what to type next."""
    judgement, terms = found.judgement, found.terms
    console.print(_table(judgement))
    for fate in (Fate.LOST, Fate.REPEATED, Fate.OVERTAKEN):
        if judgement.counts[fate]:
            console.print(f"{_name(fate)}: {places(file, fate)}")
    for line in notes(found):
        console.print(line)
    console.print(Text(f"\n{sentence(found)}", style="bold green" if found.exit_code == COMPLETE else "bold red"))
    if found.why_stopped is not None:
        console.print(f"Not all was read: {found.why_stopped}. It goes on: doka audit --file {found.path}, as before.")
    if found.exit_code == LOST:
        console.print(
            f"Next: doka replay --audit {found.path} sends what is lost, if Kafka still has it; first it says what it would do."
        )
    console.print(
        f"Group {terms.group}, {shown(terms.since_ms)} to {shown(terms.until_ms)}. The audit file has each record: "
        f"{found.path}, a DuckDB database;\nfor one: {QUERY_SHOWN}"
    )


def sentence(found: Found) -> str:
    """Say in one sentence what follows."""
    judgement, stream = found.judgement, found.terms.stream
    lost = judgement.counts[Fate.LOST]
    if lost:
        are = "is" if lost == 1 else "are"
        return f"{many(lost, 'record')} {are} lost: committed by the group, and nowhere in {stream}."
    if found.exit_code == COMPLETE and not judgement.records:
        return "Kafka holds no record of this window, so none is missing."
    if found.exit_code == COMPLETE:
        return f"Nothing is lost: of {many(judgement.records, 'record')} all that the group has committed are in {stream}, or accounted for."
    unknown = judgement.counts[Fate.NOT_JUDGED]
    more = f", and {many(unknown, 'record')} could not be judged" if unknown else ""
    return f"No loss is known of {many(judgement.records, 'record')}{more}: this is no proof yet."


def rows(judgement: Judgement) -> Iterator[tuple[int, str, str]]:
    """Give what there is of each kind: how many, what they are called, and what that means."""
    yield judgement.records, "in Kafka", ""
    for fate, name, meaning in _ROWS:
        count = judgement.counts[fate]
        if count or fate in {Fate.IN_STREAM, Fate.LOST}:
            yield count, name, meaning
    for count, name, meaning in (
        (
            judgement.foreign,
            "foreign",
            "in the stream, and of no record of this window: of others, or of another mapping",
        ),
        (judgement.outside, "at the edges", "in the stream, and perhaps of records before or behind the window"),
        (judgement.order_unknown, "order unknown", "of equal records nobody can say which landed first"),
    ):
        if count:
            yield count, name, meaning


def _table(judgement: Judgement) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_column(justify="right", style="bold")
    table.add_column()
    table.add_column(style="dim", overflow="fold")
    for count, name, meaning in rows(judgement):
        style = "bold red" if count and name == _name(Fate.LOST) else ""
        table.add_row(Text(f"{count:,}", style=style), name, meaning)
    return table


def _name(fate: Fate) -> str:
    return next(name for each, name, _ in _ROWS if each is fate)


def places(file: AuditFile, fate: Fate, shown_max: int = PLACES_SHOWN_MAX) -> str:
    """Name the first records of a fate, as `doka skip` takes them."""
    ranges = file.ranges(fate)
    first = ", ".join(map(_place, islice(ranges, shown_max)))
    return first + (", ..." if next(ranges, None) is not None else "")


def _place(records: OffsetRange) -> str:
    return place_shown(records.partition, records.first, records.last + 1)


def notes(found: Found) -> Iterator[str]:
    """Say what is known beside the counts, and what is not."""
    judgement, terms = found.judgement, found.terms
    for code, count in sorted(judgement.poison_codes.items()):
        yield f"{count:,} of those that can never land: {code}"
    if found.broken_aggregates:
        yield f"{many(found.broken_aggregates, 'aggregate')} in the stream could not be taken apart, and counts as one record."
    if found.not_compressed:
        yield (
            f"{many(found.not_compressed, 'record')} in the stream cannot be decompressed: sent before the route had "
            "compress, or by somebody else, and no record of Kafka to this audit."
        )
    if judgement.judged_from_ms >= judgement.judged_until_ms:
        yield "No part of the window could be judged wholly."
    elif (judgement.judged_from_ms, judgement.judged_until_ms) != (terms.since_ms, terms.until_ms):
        yield f"Judged: {shown(judgement.judged_from_ms)} to {shown(judgement.judged_until_ms)}"
    for note in found.notes:
        yield f"Not judged: {note}."
    if judgement.longest_wait_ms is not None:
        yield f"The longest time from a record to its landing: {span(judgement.longest_wait_ms * NS_PER_MS)}"


def as_json(found: Found, file: AuditFile) -> str:
    """Give all of it for a machine; records are named as `doka skip` names them."""
    judgement, terms = found.judgement, found.terms
    data: dict[str, Any] = {
        "complete": found.exit_code == COMPLETE,
        "told": sentence(found),
        "why_stopped": found.why_stopped,
        "route": terms.route,
        "stream": terms.stream,
        "group": terms.group,
        "match": terms.match.value,
        "since": shown(terms.since_ms),
        "until": shown(terms.until_ms),
        "judged_from": shown(judgement.judged_from_ms),
        "judged_until": shown(judgement.judged_until_ms),
        "missing_in_kafka": list(found.notes),
        "records": judgement.records,
        "landings": judgement.landings,
        **{fate.value: judgement.counts[fate] for fate in Fate},
        "repeats": judgement.repeats,
        "order_unknown": judgement.order_unknown,
        "foreign": judgement.foreign,
        "outside": judgement.outside,
        "broken_aggregates": found.broken_aggregates,
        "not_compressed": found.not_compressed,
        "poison_codes": dict(judgement.poison_codes),
        "longest_wait_ms": judgement.longest_wait_ms,
        "file": str(found.path),
        "places": {fate.value: [*map(_place, file.ranges(fate))] for fate in NAMED},
    }
    return json.dumps(data, indent=2)
