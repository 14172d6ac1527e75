"""What is compared with what, fixed before anything is read: offsets, commits, shards and times.

The order of the questions is a part of the proof: the commits are asked for before the stream's time is, and the stream is
read until after that time; so what is committed and is nowhere in it never landed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from doka.adapters.audit.file import AuditFile
from doka.adapters.kafka.log_ranges import LogRange
from doka.app.audit.sides import KafkaSide, Sides, StreamFacts
from doka.domain.audit.fates import CLOCKS_APART_MS, Plan, PlannedPartition, Terms
from doka.domain.audit.identity import Identities, Match
from doka.domain.audit.landed import StreamSpan
from doka.domain.errors import UsageError
from doka.domain.ports import StreamReader
from doka.domain.rules import RouteRules

READABLE_WITHIN_MS: Final = 5_000
"""How long after its put a record can be read, at the latest: AWS says "typically less than 1 second"."""

RETENTION_EDGE_MS: Final = 600_000
"""How far from the end of the stream's retention reading begins: what is older may be gone before its turn comes."""

MATCHES: Final = {"envelope": Match.COORDINATES, "key": Match.KEY_AND_DATA, "data": Match.DATA}
_SAID: Final = {match: said for said, match in MATCHES.items()}

MISSING: Final = "missing"
"""Under which name the audit file keeps what of Kafka is missing, or may be: who reads on has not seen it."""


@dataclass(frozen=True, slots=True)
class Begun:
    """An audit whose file is open."""

    file: AuditFile
    path: Path
    identities: Identities
    missing: tuple[str, ...]
    """What is not in the log or in the stream any more, or may not be, as clauses for a person."""
    goes_on: bool = False
    """Whether it was begun before."""
    unreadable: str | None = None
    """Why what is left cannot be read any more, as a clause."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and what is not in the log any more, or may not be, as clauses for a person."""

    plan: Plan
    missing: Sequence[str]


def identities_of(sides: Sides, facts: StreamFacts, match: str | None) -> Identities:
    """Give how records are compared: as the route has them, or by their data alone where that is asked for.

    Raises UsageError: the route's records do not have what is to be compared.
    """
    by_data = match == "data"
    found = Identities(
        sides.rules, facts.record_bytes_max, by_data=by_data, key_cache_bytes=sides.limits.key_cache_bytes
    )
    if match is not None and found.match is not MATCHES[match]:
        raise UsageError(
            f"--match {match}: records of route {sides.route.name} are the same by their {_SAID[found.match]}: "
            f"leave it out, or compare data alone by --match data"
        )
    return found


def terms_of(sides: Sides, facts: StreamFacts, match: Match, group: str, *, since_ms: int, until_ms: int) -> Terms:
    """Say what is compared with what."""
    rules = sides.rules
    mapping = (
        f"partition_key {rules.partition_key}, null_key {rules.null_key.value}, null_value {rules.null_value.value}, "
        f"key_encoding {rules.key_encoding.value}, envelope {'json' if rules.envelope else 'none'}, "
        f"{_changes(rules)}ordering {rules.ordering.value}{_shape(rules)}"
    )
    return Terms(
        route=sides.route.name,
        stream=facts.name,
        group=group,
        match=match,
        mapping=mapping,
        since_ms=since_ms,
        until_ms=until_ms,
        record_bytes_max=facts.record_bytes_max,
    )


def _shape(rules: RouteRules) -> str:
    """Say which records a route sends, and as what, where that is not all as they are."""
    decode = "" if rules.decode is None else f", decode {rules.decode.framing.value} {rules.decode.form}"
    only = "" if rules.only is None else f", only {rules.only.field} in {json.dumps(sorted(rules.only.texts))}"
    of = rules.transform
    return f"{decode}{only}" if of is None else f"{decode}{only}, transform {of.name} ({of.digest[:12]})"


def _changes(rules: RouteRules) -> str:
    """Say what else becomes of data; nothing where nothing does, as of audits that are older than these settings."""
    newline = "append newline, " if rules.newline else ""
    return newline if rules.compression is None else f"{newline}compress {rules.compression.name}, "


def plan_of(sides: Sides, terms: Terms, *, to_the_end: bool) -> Planned:
    """Find out what is read of both sides; `to_the_end`: of Kafka up to the ends of its logs, whatever times they tell.

    Raises:
        NotToldError: Kafka does not say.
        StreamUnreadableError: the stream does not say.
        UsageError: nothing of the window can be judged.
    """
    ranges = sides.kafka.window(terms.since_ms, None if to_the_end else terms.until_ms)
    partitions, born = planned_partitions(sides.kafka, terms, ranges, to_the_end=to_the_end)
    span = sides.stream.reader.span(terms.since_ms - CLOCKS_APART_MS)
    from_ms = terms.since_ms - CLOCKS_APART_MS
    if span.held_since_ms is not None:
        from_ms = max(from_ms, span.held_since_ms + RETENTION_EDGE_MS)
    if from_ms >= terms.until_ms:
        raise UsageError(
            f"nothing of this window can be judged: the stream holds what arrived since {shown(from_ms)}; take a later --until, "
            "and a longer retention for the next time (IncreaseStreamRetentionPeriod)"
        )
    plan = read_plan(partitions, span, from_ms)
    return Planned(plan, [*(each.missing for each in ranges if each.missing is not None), *born])


def read_plan(partitions: tuple[PlannedPartition, ...], span: StreamSpan, from_ms: int) -> Plan:
    """Give a plan that reads the stream from a time on until behind the moment of `span`, which was asked for after the commits."""
    return Plan(
        partitions,
        committed_at_ms=span.now_ms,
        stream_from_ms=from_ms,
        stream_until_ms=span.now_ms + READABLE_WITHIN_MS,
        looked_at_ms=span.now_ms,
        parents=span.shards,
    )


def planned_partitions(
    kafka: KafkaSide, terms: Terms, ranges: Sequence[LogRange], *, to_the_end: bool
) -> tuple[tuple[PlannedPartition, ...], list[str]]:
    """Give what of each partition was to be sent, and say where the group began inside the window.

    A group that did not begin at the beginning of the log committed above records that it never had to send.
    """
    committed = kafka.committed(terms.group, [each.partition for each in ranges])
    firsts = {each.partition: each.first for each in ranges}
    born = {place: found.birth.at_ms for place, found in committed.items() if found.birth is not None}
    told: list[str] = []
    for at_ms in sorted({at_ms for at_ms in born.values() if at_ms > terms.since_ms}):
        for each in kafka.window(at_ms, None if to_the_end else terms.until_ms):
            if born.get(each.partition) == at_ms:
                firsts[each.partition] = max(firsts[each.partition], each.first)
        told.append(f"what is older than {shown(at_ms)}, where group {terms.group} began by kafka.start_from")
    planned = (
        PlannedPartition(
            each.partition,
            min(firsts[each.partition], each.end),
            each.end,
            committed[each.partition].offset if each.partition in committed else None,
        )
        for each in ranges
    )
    return tuple(planned), told


def check_held(reader: StreamReader, path: Path, file: AuditFile) -> None:
    """See that the stream still holds what an audit that was begun before has not read.

    Raises:
        StreamUnreadableError: the stream does not say.
        UsageError: something of it is gone.
    """
    plan, reached = file.plan, file.reached_ms
    span = reader.span(plan.stream_from_ms)
    if span.held_since_ms is None:
        return
    for shard in span.shards:
        at = reached.get(shard, plan.stream_from_ms)
        if at < plan.stream_until_ms and at < span.held_since_ms:
            raise UsageError(
                f"{path} cannot be read on: it has {shard} up to {shown(at)}, and the stream holds what arrived since "
                f"{shown(span.held_since_ms)}; audit anew, into another file"
            )


def shown(ms: int) -> str:
    """Show a time as `--since` takes it."""
    return datetime.fromtimestamp(ms / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
