"""Turns the status that the loop published last into series, at the moment of the scrape.

What runs with time goes on between two publishes: a lease's seconds count down and ages grow even while the loop hangs,
which is when somebody looks at them.
What is not known is left out; it is never shown as zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from doka.adapters.telemetry.labels import BoundedLabels
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock
from doka.domain.status import LeaseStatus, PartitionStatus, Status, StreamStatus

LEASE_STATES = ("absent", "fresh", "due", "expiring", "refused")

_PARTITION = ("route", "topic", "partition")


class PresentState(Collector):
    """Holds the last status and when the loop turned last; both are replaced whole, so a scrape never sees half."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reasons = BoundedLabels()
        self.status: Status | None = None
        self.turned: int | None = None

    def collect(self) -> Iterator[Metric]:
        """Give them all; only the loop's age before the first status was published."""
        status, turned, now = self.status, self.turned, self._clock.now()
        if turned is not None:
            age = max(0, now - turned) / NS_PER_SECOND
            yield _gauge("doka_loop_turn_age_seconds", "Seconds since the loop turned last.", age)
        if status is None:
            return
        passed = max(0, now - status.at)
        yield from _process(status)
        yield from _leases(status, passed)
        yield from self._routes(status)
        yield from _streams(status, passed)
        yield from of_partitions(status, passed, self._clock.wall())

    def _routes(self, status: Status) -> Iterator[Metric]:
        blocked = GaugeMetricFamily(
            "doka_route_blocked", "1 while a route cannot send, with the reason; else 0.", labels=["route", "reason"]
        )
        in_flight = GaugeMetricFamily("doka_puts_in_flight", "PutRecords requests in flight.", labels=["route"])
        waiting = GaugeMetricFamily(
            "doka_records_waiting", "Records that wait in lanes for their turn.", labels=["route"]
        )
        fallbacks = CounterMetricFamily(
            "doka_key_fallbacks",
            "Kafka keys that are not UTF-8 and so became base64 (key_encoding: utf8), once for each time that one was met "
            "and not remembered.",
            labels=["route"],
        )
        filtered = CounterMetricFamily(
            "doka_records_filtered",
            "Records that the route leaves out (only, transform): not sent, and settled in their turn.",
            labels=["route", "reason"],
        )
        schemas = GaugeMetricFamily(
            "doka_schemas_known", "Schemas that a route which decodes has fetched and keeps.", labels=["route"]
        )
        for route in status.routes.values():
            reason = "none" if route.blocked is None else self._reasons.of(route.blocked)
            blocked.add_metric([route.route, reason], float(route.blocked is not None))
            in_flight.add_metric([route.route], route.in_flight)
            waiting.add_metric([route.route], route.waiting)
            fallbacks.add_metric([route.route], route.key_fallbacks)
            for why, records in route.filtered.items():
                filtered.add_metric([route.route, why], records)
            if route.schemas is not None:
                schemas.add_metric([route.route], route.schemas)
        yield from (blocked, in_flight, waiting, fallbacks, filtered, schemas)


def _gauge(name: str, sentence: str, value: float) -> Metric:
    return GaugeMetricFamily(name, sentence, value=value)


def _process(status: Status) -> Iterator[Metric]:
    ready = float(not status.reasons())
    halted = float(status.halted is not None)
    yield _gauge("doka_ready", "1 while nothing stops this process from forwarding; /readyz gives the reasons.", ready)
    yield _gauge("doka_draining", "1 while this process is about to end.", float(status.draining))
    yield _gauge("doka_halted", "1 after a halt: nothing is sent or committed any more.", halted)
    yield _gauge("doka_held_bytes", "Bytes of records held in memory.", status.held_bytes)
    yield _gauge("doka_held_bytes_max", "The limit of doka_held_bytes; at it, fetching stops.", status.held_bytes_max)
    yield _gauge("doka_partitions_owned", "Kafka partitions owned by this process.", len(status.partitions))
    yield _gauge(
        "doka_topics_missing",
        "Subscribed topics that do not exist, or may not be read, and those that patterns match and that are left.",
        len((status.missing_topics | status.refused_topics).union(*status.topics_left.values())),
    )
    matched = GaugeMetricFamily(
        "doka_topics_matched",
        "Topics that the patterns of a route have brought, as its last look found them; only of routes that have patterns.",
        labels=["route"],
    )
    for route, count in status.topics_matched.items():
        matched.add_metric([route], count)
    yield matched
    topics = GaugeMetricFamily(
        "doka_topic_partitions",
        "Partitions that a subscribed topic has, owned by whomever, as the cluster told it within the last minute or two.",
        labels=["topic"],
    )
    for topic, partitions in status.topic_partitions.items():
        topics.add_metric([topic], partitions)
    yield topics
    yield CounterMetricFamily(
        "doka_kafka_throttled_seconds",
        "For how long Kafka's brokers have let this process wait for its quotas.",
        value=status.throttled / NS_PER_SECOND,
    )


def _leases(status: Status, passed: int) -> Iterator[Metric]:
    left = GaugeMetricFamily(
        "doka_lease_seconds_left",
        "Seconds until the lease of a role ends; negative past it, +Inf without an end, absent without a lease.",
        labels=["role"],
    )
    state = GaugeMetricFamily(
        "doka_lease_state", "1 for the state that the lease of a role is in.", labels=["role", "state"]
    )
    wanted = GaugeMetricFamily(
        "doka_lease_wanted",
        "1 while another lease of a role should be here: by its rotation it is due, or none may sign; 0 with a fresh one, "
        "and with rotation.policy: on_demand while nothing waits to be signed.",
        labels=["role"],
    )
    for lease in status.leases.values():
        wanted.add_metric([lease.role], float(lease.wanted))
        seconds = seconds_left(lease, passed)
        if seconds is not None:
            left.add_metric([lease.role], seconds)
        for name in dict.fromkeys((*LEASE_STATES, lease.state)):
            state.add_metric([lease.role, name], float(name == lease.state))
    yield from (left, state, wanted)


def seconds_left(lease: LeaseStatus, passed: int) -> float | None:
    """Give the seconds until a lease ends, `passed` ns after the status: infinity without an end, None without a lease."""
    if lease.left is not None:
        return (lease.left - passed) / NS_PER_SECOND
    return None if lease.has_end else math.inf


def _streams(status: Status, passed: int) -> Iterator[Metric]:
    limit = GaugeMetricFamily(
        "doka_stream_record_bytes_max",
        "What a route's stream takes as one record, data and key; the default of Kinesis where it has not told its own.",
        labels=["route"],
    )
    shards = GaugeMetricFamily(
        "doka_stream_open_shards", "Open shards of a route's stream, as it told last.", labels=["route"]
    )
    age = GaugeMetricFamily(
        "doka_stream_described_age_seconds",
        "How long ago a route's stream told of itself; it is asked every few minutes. Absent where it never has.",
        labels=["route"],
    )
    info = GaugeMetricFamily(
        "doka_stream_info",
        "1, with how a route's stream places records (by partition key, AUTO), and the name of its KMS key, without the account.",
        labels=["route", "distribution", "kms_key"],
    )
    for route in status.routes.values():
        stream = route.stream
        if stream is None:
            continue
        limit.add_metric([route.route], stream.record_bytes_max)
        if stream.open_shards is not None:
            shards.add_metric([route.route], stream.open_shards)
        if stream.described_at is not None:
            age.add_metric([route.route], max(0, status.at + passed - stream.described_at) / NS_PER_SECOND)
            info.add_metric([route.route, stream.distribution or "", kms_key_shown(stream) or "none"], 1.0)
    yield from (limit, shards, age, info)


def kms_key_shown(stream: StreamStatus) -> str | None:
    """Give the name of a stream's KMS key without the account that it belongs to; None where there is none."""
    return None if stream.kms_key is None else stream.kms_key.rpartition(":")[2]


def of_partitions(status: Status, passed: int, wall: float) -> Iterator[Metric]:
    """Give the figures of each owned partition, `passed` ns after the status; `wall` is the time of day, in s."""

    def family(name: str, sentence: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(name, sentence, labels=_PARTITION)

    lag = family("doka_lag_records", "Offsets from the first un-settled record to the end of the partition.")
    lag_seconds = family(
        "doka_lag_seconds",
        "Age of the oldest un-settled record by its Kafka timestamp, or by doka_waiting_seconds where that is more or its "
        "timestamp is not known; 0 when all that is in the partition has settled.",
    )
    waiting = family(
        "doka_waiting_seconds",
        "How long the oldest un-settled record has waited, here or in Kafka, since this process could know of it, whatever "
        "its timestamp says; it grows as well while the partition's broker does not tell the end of the log.",
    )
    age = family("doka_oldest_unsettled_age_seconds", "How long the oldest un-settled record has been held; 0: none.")
    unsettled = family("doka_unsettled_records", "Records fetched and not settled.")
    ahead = family("doka_ahead_records", "Records settled above the committed offset: what a crash now would repeat.")
    paused = family(
        "doka_partition_paused",
        "1 while a partition is not fetched: for want of room, for a gap, because its route is blocked, because it is "
        "given back, or because nothing of it settles or is committed.",
    )
    stuck = GaugeMetricFamily(
        "doka_partition_stuck",
        "1 while a partition, or one lane of it, waits for a person, with the reason; else 0. /readyz says more.",
        labels=(*_PARTITION, "reason"),
    )
    for tp, p in status.legs():
        labels = (p.route, tp.topic, str(tp.partition))
        records = lag_records(p)
        if records is not None:
            lag.add_metric(labels, records)
        waits = waiting_seconds(p, passed)
        if waits is not None:
            waiting.add_metric(labels, waits)
        seconds = lag_seconds_of(p, wall, waits)
        if seconds is not None:
            lag_seconds.add_metric(labels, seconds)
        age.add_metric(labels, age_seconds(p, passed))
        unsettled.add_metric(labels, p.unsettled)
        ahead.add_metric(labels, p.ahead)
        paused.add_metric(labels, float(p.paused))
        stuck.add_metric((*labels, p.stuck_reason or "none"), float(p.stuck is not None))
    yield from (lag, lag_seconds, waiting, age, unsettled, ahead, paused, stuck)


def lag_records(partition: PartitionStatus) -> int | None:
    """Give the offsets from the watermark to the log's end; None where that is not known."""
    return None if partition.log_end is None else max(0, partition.log_end - partition.watermark)


def waiting_seconds(partition: PartitionStatus, passed: int) -> float | None:
    """Give how long its oldest record has waited, `passed` ns after the status; None where that is not known."""
    waiting = partition.waiting
    return None if waiting is None else (waiting + passed * bool(waiting)) / NS_PER_SECOND


def age_seconds(partition: PartitionStatus, passed: int) -> float:
    """Give how long its oldest un-settled record has been held, `passed` ns after the status; 0 without one."""
    held = partition.oldest_unsettled_age
    return 0.0 if held is None else (held + passed) / NS_PER_SECOND


def lag_seconds_of(partition: PartitionStatus, wall: float, waits: float | None) -> float | None:
    """Give the lag in seconds; None while records wait of which nothing is known but that they are there."""
    if partition.oldest_timestamp_ms is not None and partition.oldest_timestamp_ms >= 0:
        return max(0.0, wall - partition.oldest_timestamp_ms / 1000, waits or 0.0)
    end = partition.log_end
    return 0.0 if partition.unsettled == 0 and end is not None and end <= partition.watermark else waits
