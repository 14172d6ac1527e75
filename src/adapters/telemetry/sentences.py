"""Says every fact in words: one table, from which both the JSON lines and a person's console are written.

A line has a stable name for machines (`event`), a whole sentence for people (`message`), and the figures beside it.
Durations are shown in seconds. There is no field that could hold a key, a payload or a secret.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from doka.domain.facts import (
    CommitFailed,
    Fact,
    GapSeen,
    LanesBelowShards,
    LeaseRejected,
    LeaseRenewalFailed,
    LeaseRenewed,
    LetterFailed,
    LetterStored,
    OffsetsCommitted,
    OrderBroken,
    PartitionsOwned,
    PartitionStuck,
    RecordsFailed,
    RecordsPoisoned,
    RecordsSettled,
    RecordsWillRepeat,
    RouteBlocked,
    RouteOpened,
    StreamFactsAssumed,
)
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.sending.order_breaks import REFUSED, REORDERED

PARTITIONS_SHOWN_MAX = 20  # in one line; the count beside them is always whole
MESSAGE_CHARACTERS_MAX = 500  # of what a service said

Value = str | int | float | bool | None | list[str]


@dataclass(frozen=True, slots=True)
class Line:
    """One log line before it is rendered; `level` is one of the standard library's."""

    level: int
    event: str
    message: str
    fields: Mapping[str, Value]


def line_of(fact: Fact) -> Line:
    """Say a fact: the table of all lines."""
    match fact:
        case RecordsSettled(route, records, payload_bytes, took):
            return Line(
                logging.INFO,
                "records_settled",
                f"route {route}: {many(records, 'record')} settled ({size(payload_bytes)}, slowest put {span(took)})",
                {"route": route, "records": records, "payload_bytes": payload_bytes, "put_seconds_max": seconds(took)},
            )
        case RecordsFailed(route, code, records, ambiguous):
            fate = "unknown whether landed, so possibly a second time" if ambiguous else "not landed"
            return Line(
                logging.WARNING,
                "records_failed",
                f"route {route}: {many(records, 'record')} to send again after {code} ({fate})",
                {"route": route, "code": code, "records": records, "ambiguous": ambiguous},
            )
        case OrderBroken(route, cause, records):
            return Line(
                logging.WARNING,
                "order_broken",
                f"route {route}: {many(records, 'record')} {_broken(cause)}; ordering: key keeps the order, more slowly",
                {"route": route, "cause": cause, "records": records},
            )
        case RecordsPoisoned(route, partition, offset, code, policy):
            fate = {
                "block": "its lane waits; see on_poison in the manual",
                "drop": "it is dropped, as on_poison: drop asks",
                "dead_letter": "a dead letter is on its way",
            }.get(policy, f"policy {policy}")
            return Line(
                logging.ERROR if policy == "block" else logging.WARNING,
                "records_poisoned",
                f"route {route}: the record at {partition}@{offset} can never land ({code}); {fate}",
                {"route": route, **_place(partition), "offset": offset, "code": code, "policy": policy},
            )
        case LetterStored(route, partition, offset, code):
            return Line(
                logging.WARNING,
                "letter_stored",
                f"route {route}: the record at {partition}@{offset} is in the dead-letter topic ({code})",
                {"route": route, **_place(partition), "offset": offset, "code": code},
            )
        case LetterFailed(route, partition, offset, code, retry_in):
            return Line(
                logging.ERROR,
                "letter_failed",
                f"route {route}: the dead letter of {partition}@{offset} was not stored ({code}); "
                f"next try in {span(retry_in)}, its key waits",
                {
                    "route": route,
                    **_place(partition),
                    "offset": offset,
                    "code": code,
                    "retry_seconds": seconds(retry_in),
                },
            )
        case RouteBlocked(route, reason, message):
            said = _said(message)
            return Line(
                logging.ERROR,
                "route_blocked",
                f"route {route} is blocked ({reason}){said}; nothing is lost, it is probed until the cause is cured",
                {"route": route, "reason": reason, "said": message[:MESSAGE_CHARACTERS_MAX]},
            )
        case RouteOpened(route, after):
            since = f" again, after {span(after)}" if after else ""
            return Line(
                logging.INFO,
                "route_opened",
                f"route {route} may send{since}",
                {"route": route, "blocked_seconds": seconds(after)},
            )
        case StreamFactsAssumed(route, code):
            return Line(
                logging.WARNING,
                "stream_facts_assumed",
                f"route {route}: its stream could not be described ({code}), records of up to 1 MiB are assumed; "
                "allow kinesis:DescribeStreamSummary to have the stream's own limit",
                {"route": route, "code": code},
            )
        case LanesBelowShards(route, lanes, shards):
            return Line(
                logging.WARNING,
                "lanes_below_shards",
                f"route {route}: {lanes} lanes cannot reach all {shards} open shards of its stream; "
                "raise aggregation.lanes, after reading what a consumer then sees",
                {"route": route, "lanes": lanes, "shards": shards},
            )
        case LeaseRenewed(role, serial, life):
            lives = "does not end" if life is None else f"lives {span(life)}"
            return Line(
                logging.INFO,
                "lease_renewed",
                f"role {role}: lease {serial} issued, it {lives}",
                {"role": role, "serial": serial, "life_seconds": None if life is None else seconds(life)},
            )
        case LeaseRenewalFailed(role, code, message, retry_in, left):
            rest = "there is none to sign with" if left is None else f"the old one has {span(left)} left"
            return Line(
                logging.ERROR if left is None or left <= 0 else logging.WARNING,
                "lease_renewal_failed",
                f"role {role}: no new lease ({code}){_said(message)}; {rest}; next try in {span(retry_in)}",
                {
                    "role": role,
                    "code": code,
                    "said": message[:MESSAGE_CHARACTERS_MAX],
                    "retry_seconds": seconds(retry_in),
                    "left_seconds": None if left is None else seconds(left),
                },
            )
        case LeaseRejected(role, serial, code, age):
            return Line(
                logging.WARNING,
                "lease_rejected",
                f"role {role}: lease {serial} was refused with {code} after {span(age)}; "
                "a new one is fetched, and what it signed is sent again",
                {"role": role, "serial": serial, "code": code, "age_seconds": seconds(age)},
            )
        case OffsetsCommitted(partitions):
            return Line(
                logging.INFO,
                "offsets_committed",
                f"offsets of {many(partitions, 'partition')} committed",
                {"partitions": partitions},
            )
        case CommitFailed(error):
            return Line(
                logging.WARNING,
                "commit_failed",
                f"Kafka did not store offsets: {_short(error)}; they go with the next commit",
                {"error": error[:MESSAGE_CHARACTERS_MAX]},
            )
        case PartitionsOwned(change, partitions, positions):
            shown = [f"{tp}@{positions[tp]}" if tp in positions else str(tp) for tp in _first(partitions)]
            more = f" and {len(partitions) - len(shown)} more" if len(shown) < len(partitions) else ""
            return Line(
                logging.WARNING if change == "lost" else logging.INFO,
                f"partitions_{change}",
                f"{many(len(partitions), 'partition')} {change}: {', '.join(shown) or 'none'}{more}",
                {"count": len(partitions), "partitions": shown},
            )
        case RecordsWillRepeat(partition, records):
            return Line(
                logging.WARNING,
                "records_will_repeat",
                f"{partition}: {many(records, 'record')} landed above the committed offset and will land a second time",
                {**_place(partition), "records": records},
            )
        case GapSeen(partition, expected, log_start, policy, forgotten):
            return Line(
                logging.ERROR,
                "gap_seen",
                f"{partition}: {_gap(fact)}",
                {
                    **_place(partition),
                    "expected": expected,
                    "log_start": log_start,
                    "policy": policy,
                    "forgotten": forgotten,
                },
            )
        case PartitionStuck(partition, watermark, stuck, uncommitted):
            why = (
                f"Kafka does not take the offset {watermark}"
                if uncommitted
                else f"the record at {watermark} does not settle"
            )
            return Line(
                logging.ERROR if stuck else logging.INFO,
                "partition_stuck" if stuck else "partition_unstuck",
                f"{partition} waits: {why} and limits.ahead_records is reached" if stuck else f"{partition} goes on",
                {**_place(partition), "watermark": watermark},
            )
        case _:
            assert_never(fact)


def key_of(fact: Fact) -> tuple[object, ...] | None:
    """Tell which facts repeat one another, and so share a line each ten seconds; None: each has its own line."""
    match fact:
        case RecordsSettled():
            return (RecordsSettled, fact.route)
        case RecordsFailed():
            return (RecordsFailed, fact.route, fact.code, fact.ambiguous)
        case OrderBroken():
            return (OrderBroken, fact.route, fact.cause)
        case RecordsPoisoned():
            return (RecordsPoisoned, fact.route, fact.partition, fact.code, fact.policy)
        case LetterStored() | LetterFailed():
            return (type(fact), fact.route, fact.partition, fact.code)
        case RouteBlocked():
            return (RouteBlocked, fact.route, fact.reason)
        case RouteOpened() | StreamFactsAssumed() | LanesBelowShards():
            return (type(fact), fact.route)
        case LeaseRenewalFailed() | LeaseRejected():
            return (type(fact), fact.role, fact.code)
        case OffsetsCommitted():
            return (OffsetsCommitted,)
        case CommitFailed():
            return (CommitFailed, fact.error)
        case RecordsWillRepeat() | GapSeen():
            return (type(fact), fact.partition)
        case PartitionStuck():
            return (PartitionStuck, fact.partition, fact.stuck)
        case LeaseRenewed() | PartitionsOwned():
            return None
        case _:
            assert_never(fact)


def merged(earlier: Fact, later: Fact) -> Fact:
    """Give one fact for two of the same key: counts are added, of durations the longest stands, else the later."""
    match earlier, later:
        case RecordsSettled(), RecordsSettled():
            return RecordsSettled(
                later.route,
                earlier.records + later.records,
                earlier.payload_bytes + later.payload_bytes,
                max(earlier.took, later.took),
            )
        case RecordsFailed(), RecordsFailed():
            return replace(later, records=earlier.records + later.records)
        case OrderBroken(), OrderBroken():
            return replace(later, records=earlier.records + later.records)
        case RecordsWillRepeat(), RecordsWillRepeat():
            return replace(later, records=earlier.records + later.records)
        case _:
            return later


def _broken(cause: str) -> str:
    """Say how records came to lie behind a later one of their key."""
    if cause == REFUSED:
        return "refused while a later one of the same key landed, and so behind it in the stream"
    if cause == REORDERED:
        return "behind a later one of the same key in the stream: the service reordered their request"
    return "possibly behind a later one of the same key in the stream: nobody knows what landed of their request"


def _gap(gap: GapSeen) -> str:
    """Say what is missing in a log, and what follows from it."""
    goes_on = gap.policy == "continue"
    if gap.log_start >= gap.expected:
        fate = (
            "going on behind it, as kafka.on_gap: continue asks"
            if goes_on
            else "the partition waits; to step over the gap set kafka.on_gap: continue"
        )
        return f"offsets {gap.expected} to {gap.log_start - 1} left the log before they were read; {fate}"
    fate = (
        "reading it from its start, as kafka.on_gap: continue asks"
        if goes_on
        else "the partition waits; to read it from its start set kafka.on_gap: continue"
    )
    lost = f"; {many(gap.forgotten, 'record')} of before had not settled and will not be sent again"
    return (
        f"offset {gap.expected} should be read next and the log ends below it, "
        f"so it is another one or was cut; {fate}{lost if gap.forgotten else ''}"
    )


def many(count: int, noun: str) -> str:
    """Say a count of something: 1 record, 12,000 records."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def span(ns: int) -> str:
    """Say a duration for a person: 5 ms, 1.2 s, 12 min, 3 h."""
    if abs(ns) < NS_PER_SECOND:
        return f"{ns / NS_PER_MS:.0f} ms"
    whole = ns / NS_PER_SECOND
    if abs(whole) < 120:  # noqa: PLR2004 - up to two minutes people think in seconds
        return f"{whole:.1f}".removesuffix(".0") + " s"
    return f"{whole / 60:.0f} min" if abs(whole) < 7200 else f"{whole / 3600:.1f}".removesuffix(".0") + " h"  # noqa: PLR2004 - two hours


def size(count: int) -> str:
    """Say a number of bytes for a person: 512 B, 3.4 KiB, 2.0 MiB."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:  # noqa: PLR2004 - what a KiB is
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def seconds(ns: int) -> float:
    """Give a duration in seconds, to the millisecond."""
    return round(ns / NS_PER_SECOND, 3)


def _place(partition: TopicPartition) -> dict[str, Value]:
    return {"topic": partition.topic, "partition": partition.partition}


def _first(partitions: Collection[TopicPartition]) -> list[TopicPartition]:
    return sorted(partitions)[:PARTITIONS_SHOWN_MAX]


def _short(text: str) -> str:
    return text if len(text) <= MESSAGE_CHARACTERS_MAX else f"{text[:MESSAGE_CHARACTERS_MAX]}..."


def _said(message: str) -> str:
    return f': "{_short(message)}"' if message else ""
