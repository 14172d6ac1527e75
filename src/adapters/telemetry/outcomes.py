"""How each outcome is told: one entry for each kind of fact says its line, what repeats it, and what it counts.

A line has a stable name for machines (`event`), a whole sentence for people (`message`), and the figures beside it.
Durations are shown in seconds. There is no field that could hold a key, a payload or a secret.
A new kind of fact is told by one more entry here, and by nothing else in telemetry; what becomes of records before they are
mapped stands in `shaping_outcomes.py`.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Final, get_args

from doka.adapters.telemetry.group_outcomes import GROUP_OUTCOMES
from doka.adapters.telemetry.sentences import (
    MESSAGE_CHARACTERS_MAX,
    PARTITIONS_SHOWN_MAX,
    changed,
    figures,
    many,
    quoted,
    seconds,
    shortened,
    size,
    span,
)
from doka.adapters.telemetry.shaping_outcomes import SHAPING
from doka.adapters.telemetry.telling import Line, Telling
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
    RecordFreed,
    RecordsFailed,
    RecordsPoisoned,
    RecordsSettled,
    RecordsSkipped,
    RecordsWillRepeat,
    RouteBlocked,
    RouteOpened,
    StopBegan,
    StopWaits,
    StreamChanged,
    StreamFactsAssumed,
    StreamLookFailed,
    UnreadableSeen,
)
from doka.domain.limits import NS_PER_SECOND
from doka.domain.routes.route import TRANSFORM_FAILED
from doka.domain.rules import OnPoison
from doka.domain.sending.order_breaks import REFUSED, REORDERED
from doka.domain.skip import place_shown

PUT_SECONDS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""From a near endpoint's answer to the default `limits.request_timeout_seconds`."""

OUTCOMES: Final = Telling()
_told, _counter = OUTCOMES.enter, OUTCOMES.instrument

# --- what facts move, in the order of the page -----------------------------------------------------------------------

RECORDS_SETTLED = _counter("doka_records_settled", "Records that Kinesis acknowledged with a sequence number.", "route")
BYTES_SETTLED = _counter(
    "doka_settled_payload_bytes", "Bytes of data that Kinesis acknowledged, partition keys not counted.", "route"
)
PUT_SECONDS = OUTCOMES.instrument(
    "doka_put_duration_seconds",
    "Time from sending a PutRecords request to its answer, for requests that landed records.",
    "route",
    buckets=PUT_SECONDS_BUCKETS,
)
RECORDS_FAILED = _counter(
    "doka_records_failed", "Records that a put left un-settled; they are sent again.", "route", "code"
)
DUPLICATES = _counter(
    "doka_possible_duplicates",
    "Records sent again although an earlier put of them, of unknown outcome, may have landed.",
    "route",
)
ORDER_BREAKS = _counter(
    "doka_order_breaks",
    "Records that landed behind a later one of their key (ordering: key_in_request), by cause; "
    "unknown: nobody can tell whether they did.",
    "route",
    "cause",
)
POISONED = _counter(
    "doka_records_poisoned", "Records that can never land, by what became of them.", "route", "code", "policy"
)
DROPPED = _counter(
    "doka_records_dropped", "Records that can never land and were dropped, as on_poison: drop asks.", "route"
)
OUTCOMES.take(SHAPING)
LETTERS = _counter(
    "doka_dead_letters",
    "Dead letters, by outcome and the code of the record or the refusal.",
    "route",
    "outcome",
    "code",
)
LETTERS_FAILED = _counter(
    "doka_letters_failed", "Dead letters that were not stored; each is tried again, and its record waits.", "route"
)
FREED = _counter(
    "doka_records_freed",
    "Records that waited because they were too large for the stream (on_poison: block), and were sent once it took them.",
    "route",
)
REPEATS = _counter(
    "doka_records_will_repeat",
    "Records that landed above the offset committed when a drain ended; they will land again.",
    "topic",
)
RENEWALS = _counter("doka_lease_renewals", "Requests for a lease, by outcome and code.", "role", "outcome", "code")
REJECTIONS = _counter("doka_lease_rejections", "Leases that the service refused before their end.", "role", "code")
ROUTE_BLOCKS = _counter("doka_route_blocks", "How often a route stopped sending, by reason.", "route", "reason")
ASSUMED = _counter("doka_stream_facts_assumed", "How often a stream's limits had to be assumed.", "route", "code")
STREAM_CHANGES = _counter(
    "doka_stream_changes",
    "Changes of a stream that doka has met while it ran: of its record limit, its distribution, its encryption, its shards.",
    "route",
    "what",
)
COMMITS = _counter("doka_commits", "Commits of offsets to Kafka, by outcome.", "outcome")
REBALANCES = _counter("doka_rebalances", "Changes of the owned partitions, by kind.", "change")
GAPS = _counter(
    "doka_gaps", "How often records left the log before they were read, by what followed.", "topic", "policy"
)
UNREADABLE = _counter(
    "doka_unreadable_offsets", "Offsets that hold what cannot be read, by what followed.", "topic", "policy"
)
SKIPPED = _counter("doka_records_skipped", "Records that were passed because a person ordered it (doka skip).", "topic")
STUCK = _counter(
    "doka_partitions_stuck", "How often a partition began to wait for a record that does not settle.", "topic"
)

# --- records ---------------------------------------------------------------------------------------------------------


@_told(
    RecordsSettled,
    alike=lambda fact: (fact.route,),
    counts=lambda fact, _: (
        (RECORDS_SETTLED, fact.records, (fact.route,)),
        (BYTES_SETTLED, fact.payload_bytes, (fact.route,)),
        (PUT_SECONDS, fact.took / NS_PER_SECOND, (fact.route,)),
    ),
    merged=lambda earlier, later: replace(
        later,
        records=earlier.records + later.records,
        payload_bytes=earlier.payload_bytes + later.payload_bytes,
        took=max(earlier.took, later.took),
    ),
)
def _records_settled(fact: RecordsSettled) -> Line:
    return Line(
        logging.INFO,
        "records_settled",
        f"route {fact.route}: {many(fact.records, 'record')} settled "
        f"({size(fact.payload_bytes)}, slowest put {span(fact.took)})",
        figures(fact, "route", "records", "payload_bytes", put_seconds_max=seconds(fact.took)),
    )


@_told(
    RecordsFailed,
    alike=lambda fact: (fact.route, fact.code, fact.ambiguous),
    counts=lambda fact, label: (
        (RECORDS_FAILED, fact.records, (fact.route, label(fact.code))),
        *([(DUPLICATES, fact.records, (fact.route,))] if fact.ambiguous else []),
    ),
    merged=lambda earlier, later: replace(later, records=earlier.records + later.records),
)
def _records_failed(fact: RecordsFailed) -> Line:
    fate = "unknown whether landed, so possibly a second time" if fact.ambiguous else "not landed"
    return Line(
        logging.WARNING,
        "records_failed",
        f"route {fact.route}: {many(fact.records, 'record')} to send again after {fact.code} ({fate})",
        figures(fact, "route", "code", "records", "ambiguous"),
    )


@_told(
    OrderBroken,
    alike=lambda fact: (fact.route, fact.cause),
    counts=lambda fact, _: [(ORDER_BREAKS, fact.records, (fact.route, fact.cause))],
    merged=lambda earlier, later: replace(later, records=earlier.records + later.records),
)
def _order_broken(fact: OrderBroken) -> Line:
    if fact.cause == REFUSED:
        how = "refused while a later one of the same key landed, and so behind it in the stream"
    elif fact.cause == REORDERED:
        how = "behind a later one of the same key in the stream: the service reordered their request"
    else:
        how = "possibly behind a later one of the same key in the stream: nobody knows what landed of their request"
    return Line(
        logging.WARNING,
        "order_broken",
        f"route {fact.route}: {many(fact.records, 'record')} {how}; ordering: key keeps the order, more slowly",
        figures(fact, "route", "cause", "records"),
    )


@_told(
    RecordsPoisoned,
    alike=lambda fact: (fact.route, fact.partition, fact.code, fact.policy),
    counts=lambda fact, label: (
        (POISONED, 1, (fact.route, label(fact.code), fact.policy)),
        *([(DROPPED, 1, (fact.route,))] if fact.policy == OnPoison.DROP.value else []),
    ),
)
def _records_poisoned(fact: RecordsPoisoned) -> Line:
    fate = {
        "block": "its lane waits; see on_poison in the manual, or pass it by doka skip "
        f"{fact.partition.topic}:{fact.partition.partition}:{fact.offset}",
        "drop": "it is dropped, as on_poison: drop asks",
        "dead_letter": "a dead letter is on its way",
    }.get(fact.policy, f"policy {fact.policy}")
    return Line(
        logging.ERROR if fact.policy == "block" else logging.WARNING,
        "records_poisoned",
        f"route {fact.route}: the record at {fact.partition}@{fact.offset} can never land ({fact.code}); {fate}",
        figures(fact, "route", "partition", "offset", "code", "policy"),
    )


@_told(
    RecordFreed,
    alike=lambda fact: (fact.route, fact.partition),
    ends=lambda fact: [(RecordsPoisoned, fact.route, fact.partition)],
    counts=lambda fact, _: [(FREED, 1, (fact.route,))],
)
def _record_freed(fact: RecordFreed) -> Line:
    return Line(
        logging.INFO,
        "record_freed",
        f"route {fact.route}: the record at {fact.partition}@{fact.offset} is not too large any more; it is sent",
        figures(fact, "route", "partition", "offset"),
    )


@_told(
    LetterStored,
    alike=lambda fact: (fact.route, fact.partition, fact.code),
    ends=lambda fact: [(LetterFailed, fact.route, fact.partition)],
    counts=lambda fact, label: [(LETTERS, 1, (fact.route, "stored", label(fact.code)))],
)
def _letter_stored(fact: LetterStored) -> Line:
    return Line(
        logging.WARNING,
        "letter_stored",
        f"route {fact.route}: the record at {fact.partition}@{fact.offset} is in the dead-letter topic ({fact.code})",
        figures(fact, "route", "partition", "offset", "code"),
    )


@_told(
    LetterFailed,
    alike=lambda fact: (fact.route, fact.partition, fact.code),
    counts=lambda fact, label: (
        (LETTERS, 1, (fact.route, "failed", label(fact.code))),
        (LETTERS_FAILED, 1, (fact.route,)),
    ),
)
def _letter_failed(fact: LetterFailed) -> Line:
    return Line(
        logging.ERROR,
        "letter_failed",
        f"route {fact.route}: the dead letter of {fact.partition}@{fact.offset} was not stored ({fact.code}); "
        f"next try in {span(fact.retry_in)}, its key waits",
        figures(fact, "route", "partition", "offset", "code", retry_seconds=seconds(fact.retry_in)),
    )


@_told(
    RecordsWillRepeat,
    alike=lambda fact: (fact.partition, fact.route),
    counts=lambda fact, _: [(REPEATS, fact.records, (fact.partition.topic,))],
    merged=lambda earlier, later: replace(later, records=earlier.records + later.records),
)
def _records_will_repeat(fact: RecordsWillRepeat) -> Line:
    return Line(
        logging.WARNING,
        "records_will_repeat",
        f"{fact.partition}: {many(fact.records, 'record')} landed above the committed offset "
        "and will land a second time",
        figures(fact, "partition", "records", "route"),
    )


@_told(StopBegan, alike=None)
def _stop_began(fact: StopBegan) -> Line:
    within = {"within_seconds": seconds(fact.within)}
    return Line(logging.INFO, "stop_began", f"stopping: {fact.reason}, at most {span(fact.within)}", within)


@_told(StopWaits, alike=None)
def _stop_waits(fact: StopWaits) -> Line:
    waits = []
    if fact.requests or fact.records:
        waits.append(f"{many(fact.records, 'record')} to settle ({many(fact.requests, 'request')} in flight)")
    if fact.partitions:
        waits.append(f"Kafka to take the offsets of {many(fact.partitions, 'partition')}")
    message = f"stopping: still waiting for {' and for '.join(waits)}"
    return Line(logging.INFO, "stop_waits", message, figures(fact, "requests", "records", "partitions"))


# --- routes and roles ------------------------------------------------------------------------------------------------


@_told(
    RouteBlocked,
    alike=lambda fact: (fact.route, fact.reason),
    counts=lambda fact, label: [(ROUTE_BLOCKS, 1, (fact.route, label(fact.reason)))],
)
def _route_blocked(fact: RouteBlocked) -> Line:
    probed = "" if fact.reason.startswith(TRANSFORM_FAILED) else ", it is probed until the cause is cured"
    return Line(
        logging.ERROR,
        "route_blocked",
        f"route {fact.route} is blocked ({fact.reason}){quoted(fact.message)}; nothing is lost{probed}",
        figures(fact, "route", "reason", said=fact.message[:MESSAGE_CHARACTERS_MAX]),
    )


@_told(  # shown by doka_route_blocked
    RouteOpened, alike=lambda fact: (fact.route,), ends=lambda fact: [(RouteBlocked, fact.route)]
)
def _route_opened(fact: RouteOpened) -> Line:
    since = f" again, after {span(fact.after)}" if fact.after else ""
    return Line(
        logging.INFO,
        "route_opened",
        f"route {fact.route} may send{since}",
        figures(fact, "route", blocked_seconds=seconds(fact.after)),
    )


@_told(
    StreamFactsAssumed,
    alike=lambda fact: (fact.route,),
    counts=lambda fact, label: [(ASSUMED, 1, (fact.route, label(fact.code)))],
)
def _stream_facts_assumed(fact: StreamFactsAssumed) -> Line:
    return Line(
        logging.WARNING,
        "stream_facts_assumed",
        f"route {fact.route}: its stream could not be described ({fact.code}), records of up to 1 MiB are assumed; "
        "allow kinesis:DescribeStreamSummary to have the stream's own limit",
        figures(fact, "route", "code"),
    )


@_told(StreamChanged, alike=None, counts=lambda fact, _: [(STREAM_CHANGES, 1, (fact.route, fact.what))])
def _stream_changed(fact: StreamChanged) -> Line:
    level, how = changed(fact)
    shown = figures(fact, "route", "what", "before", "after")
    return Line(level, "stream_changed", f"route {fact.route}: its stream's {how}", shown)


@_told(StreamLookFailed, alike=lambda fact: (fact.route, fact.code))  # shown by doka_stream_described_age_seconds
def _stream_look_failed(fact: StreamLookFailed) -> Line:
    return Line(
        logging.WARNING,
        "stream_look_failed",
        f"route {fact.route}: its stream could not be described again ({fact.code}){quoted(fact.message)}; "
        "what is known of it stands, and it is asked again later",
        figures(fact, "route", "code", said=fact.message[:MESSAGE_CHARACTERS_MAX]),
    )


@_told(LanesBelowShards, alike=lambda fact: (fact.route,))  # a warning in the log and in `doka check`
def _lanes_below_shards(fact: LanesBelowShards) -> Line:
    return Line(
        logging.WARNING,
        "lanes_below_shards",
        f"route {fact.route}: {fact.lanes} lanes cannot reach all {fact.shards} open shards of its stream; "
        "raise aggregation.lanes, after reading what a consumer then sees",
        figures(fact, "route", "lanes", "shards"),
    )


@_told(
    LeaseRenewed,
    alike=None,
    counts=lambda fact, _: [(RENEWALS, 1, (fact.role, "renewed", "none"))],
    ends=lambda fact: [(LeaseRejected, fact.role), (LeaseRenewalFailed, fact.role)],
)
def _lease_renewed(fact: LeaseRenewed) -> Line:
    lives = "does not end" if fact.life is None else f"lives {span(fact.life)}"
    return Line(
        logging.INFO,
        "lease_renewed",
        f"role {fact.role}: lease {fact.serial} issued, it {lives}",
        figures(fact, "role", "serial", life_seconds=None if fact.life is None else seconds(fact.life)),
    )


@_told(
    LeaseRenewalFailed,
    alike=lambda fact: (fact.role, fact.code),
    counts=lambda fact, label: [(RENEWALS, 1, (fact.role, "failed", label(fact.code)))],
)
def _lease_renewal_failed(fact: LeaseRenewalFailed) -> Line:
    left = fact.left
    rest = "there is none to sign with" if left is None else f"the old one has {span(left)} left"
    cure = f"; {fact.cure}" if fact.cure else ""
    return Line(
        logging.ERROR if left is None or left <= 0 else logging.WARNING,
        "lease_renewal_failed",
        f"role {fact.role}: no new lease ({fact.code}){quoted(fact.message)}; {rest}; "
        f"next try in {span(fact.retry_in)}{cure}",
        figures(
            fact,
            "role",
            "code",
            "cure",
            said=fact.message[:MESSAGE_CHARACTERS_MAX],
            retry_seconds=seconds(fact.retry_in),
            left_seconds=None if left is None else seconds(left),
        ),
    )


@_told(
    LeaseRejected,
    alike=lambda fact: (fact.role, fact.code),
    counts=lambda fact, label: [(REJECTIONS, 1, (fact.role, label(fact.code)))],
)
def _lease_rejected(fact: LeaseRejected) -> Line:
    return Line(
        logging.WARNING,
        "lease_rejected",
        f"role {fact.role}: lease {fact.serial} was refused with {fact.code} after {span(fact.age)}; "
        "a new one is fetched, and what it signed is sent again",
        figures(fact, "role", "serial", "code", age_seconds=seconds(fact.age)),
    )


# --- offsets and partitions ----------------------------------------------------------------------------------------------


@_told(
    OffsetsCommitted,
    alike=lambda _: (),
    counts=lambda _fact, _: [(COMMITS, 1, ("stored",))],
    ends=lambda _: [(CommitFailed,)],
)
def _offsets_committed(fact: OffsetsCommitted) -> Line:
    return Line(
        logging.INFO,
        "offsets_committed",
        f"offsets of {many(fact.partitions, 'partition')} committed",
        figures(fact, "partitions"),
    )


@_told(CommitFailed, alike=lambda fact: (fact.error,), counts=lambda _fact, _: [(COMMITS, 1, ("failed",))])
def _commit_failed(fact: CommitFailed) -> Line:
    return Line(
        logging.WARNING,
        "commit_failed",
        f"Kafka did not store offsets: {shortened(fact.error)}; they go with the next commit",
        {"error": fact.error[:MESSAGE_CHARACTERS_MAX]},
    )


@_told(PartitionsOwned, alike=None, counts=lambda fact, _: [(REBALANCES, 1, (fact.change,))])
def _partitions_owned(fact: PartitionsOwned) -> Line:
    first = sorted(fact.partitions)[:PARTITIONS_SHOWN_MAX]
    shown = [f"{tp}@{fact.positions[tp]}" if tp in fact.positions else str(tp) for tp in first]
    more = f" and {len(fact.partitions) - len(shown)} more" if len(shown) < len(fact.partitions) else ""
    return Line(
        logging.WARNING if fact.change == "lost" else logging.INFO,
        f"partitions_{fact.change}",
        f"{many(len(fact.partitions), 'partition')} {fact.change}: {', '.join(shown) or 'none'}{more}",
        {"count": len(fact.partitions), "partitions": shown},
    )


@_told(
    GapSeen,
    alike=lambda fact: (fact.partition,),
    counts=lambda fact, _: [(GAPS, 1, (fact.partition.topic, fact.policy))],
)
def _gap_seen(fact: GapSeen) -> Line:
    return Line(
        logging.ERROR,
        "gap_seen",
        f"{fact.partition}: {_gap(fact)}",
        figures(fact, "partition", "expected", "log_start", "policy", "forgotten"),
    )


def _gap(gap: GapSeen) -> str:
    """Say what is missing in a log, and what follows from it."""
    goes_on = gap.policy == "continue"
    if gap.log_start >= gap.expected and not gap.anew:
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
    why = (
        "the topic was deleted and made again" if gap.anew else "the log ends below it, so it is another one or was cut"
    )
    return f"offset {gap.expected} should be read next and {why}; {fate}{lost if gap.forgotten else ''}"


@_told(
    UnreadableSeen,
    alike=lambda fact: (fact.partition,),
    counts=lambda fact, _: [(UNREADABLE, fact.far - fact.first, (fact.partition.topic, fact.policy))],
)
def _unreadable_seen(fact: UnreadableSeen) -> Line:
    place = place_shown(fact.partition, fact.first, fact.far)
    fate = {
        "continue": "going on behind them, as kafka.on_unreadable: continue asks",
        "skip": "going on behind them, as doka skip asked",
    }.get(
        fact.policy,
        f"the partition waits; to pass them: doka skip {place}; to step over all such: kafka.on_unreadable: continue",
    )
    return Line(
        logging.ERROR,
        "unreadable_seen",
        f"{fact.partition}: offsets {fact.first} to {fact.far - 1} cannot be read: {fact.why}; {fate}",
        figures(fact, "partition", "first", "far", "policy"),
    )


@_told(
    RecordsSkipped,
    alike=lambda fact: (fact.partition, fact.skip),
    counts=lambda fact, _: [(SKIPPED, fact.records, (fact.partition.topic,))],
)
def _records_skipped(fact: RecordsSkipped) -> Line:
    first, last, skip = fact.first, fact.far - 1, fact.skip
    what = f"offset {first} is" if first == last else f"offsets {first} to {last} are"
    return Line(
        logging.WARNING,
        "record_skipped",
        f"{fact.partition}: {what} skipped, as {skip.by} ordered at {skip.at}: {shortened(skip.reason)}",
        figures(
            fact, "partition", "first", "far", "records", by=skip.by, ordered_at=skip.at, reason=shortened(skip.reason)
        ),
    )


@_told(
    PartitionStuck,
    alike=lambda fact: (fact.partition, fact.route, fact.stuck),
    ends=lambda fact: [] if fact.stuck else [(PartitionStuck, fact.partition, fact.route, True)],
    counts=lambda fact, _: [(STUCK, int(fact.stuck), (fact.partition.topic,))],
)
def _partition_stuck(fact: PartitionStuck) -> Line:
    reached = "and limits.ahead_records is reached"
    if fact.waits_for is not None:
        why = f"route {fact.route} is as far ahead as it may be, and waits for route {fact.waits_for}"
    elif fact.uncommitted:
        why = f"Kafka does not take the offset {fact.watermark} {reached}"
    else:
        why = f"the record at {fact.watermark} does not settle {reached}"
    waits = f"{fact.partition} waits: {why}"
    return Line(
        logging.ERROR if fact.stuck else logging.INFO,
        "partition_stuck" if fact.stuck else "partition_unstuck",
        waits if fact.stuck else f"{fact.partition} goes on",
        figures(fact, "partition", "watermark", "route"),
    )


OUTCOMES.take(GROUP_OUTCOMES)
assert set(get_args(Fact)) == OUTCOMES.kinds, "each kind of fact is told"
