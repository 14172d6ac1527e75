"""Counts every fact, and renders the page that a scraper reads.

All series live in a registry of their own (never the global one, where a library could add or take names) and begin
with `doka_`. Labels are routes, roles, topics, partitions and bounded codes; a key or an ARN is never one.
Counters are moved by the loop's thread only; the page is rendered on the thread that serves it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import assert_never

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from doka.adapters.telemetry.labels import BoundedLabels
from doka.adapters.telemetry.present import PresentState
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
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock
from doka.domain.records import TopicPartition
from doka.domain.sending.order_breaks import REFUSED, REORDERED, UNKNOWN
from doka.domain.status import Status

PUT_SECONDS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""From a near endpoint's answer to the default `limits.request_timeout_seconds`."""

ORDER_BREAK_CAUSES = (REFUSED, REORDERED, UNKNOWN)
LINES_DROPPED = "Log lines that stdout did not take in time."


class _Fetched(Collector):
    """Counts by topic in plain integers: it is called once for each chunk, and a counter's lock costs ten times that."""

    def __init__(self) -> None:
        self._topics: dict[str, list[int]] = {}

    def count(self, topic: str, records: int, payload_bytes: int) -> None:
        """Add one chunk; by the loop's thread only."""
        counts = self._topics.get(topic)
        if counts is None:
            self._topics[topic] = [records, payload_bytes]
        else:
            counts[0] += records
            counts[1] += payload_bytes

    def collect(self) -> Iterator[Metric]:
        """Give both counters; the copy of the dictionary is one step of the interpreter, so no lock is needed."""
        records = CounterMetricFamily("doka_records_fetched", "Records read from Kafka.", labels=["topic"])
        size = CounterMetricFamily(
            "doka_fetched_payload_bytes", "Bytes of keys and values read from Kafka.", labels=["topic"]
        )
        for topic, counts in self._topics.copy().items():
            records.add_metric([topic], counts[0])
            size.add_metric([topic], counts[1])
        yield from (records, size)


class Metrics:
    """Every fact is counted once, and the page always shows the status that was published last."""

    def __init__(
        self,
        clock: Clock,
        version: str,
        routes: Iterable[str] = (),
        roles: Iterable[str] = (),
        sharing: Iterable[str] = (),
    ) -> None:
        """Take the names of all routes and roles, so that their counters stand at 0 before anything has happened.

        `sharing` are the routes in which records of a key share requests, so that their order can break.
        """
        disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series a counter, and nothing reads it
        self._registry = CollectorRegistry()
        self._codes = BoundedLabels()
        self._make_record_counters()
        self._make_other_counters()
        self._fetched = _Fetched()
        self._registry.register(self._fetched)
        self._settled: dict[str, tuple[Counter, Counter, Histogram]] = {}
        for route in routes:
            self._settled_of(route)
            self._duplicates.labels(route)
        for route in sharing:
            for cause in ORDER_BREAK_CAUSES:
                self._order_breaks.labels(route, cause)
        for role in roles:
            self._renewals.labels(role, "renewed", "none")
        build = Gauge("doka_build_info", "The running version; always 1.", ["version"], registry=self._registry)
        build.labels(version).set(1)
        ProcessCollector(namespace="doka", registry=self._registry)
        self._present = PresentState(clock)
        self._registry.register(self._present)

    def _counter(self, name: str, sentence: str, *labels: str) -> Counter:
        return Counter(name, sentence, labels, registry=self._registry)

    def _make_record_counters(self) -> None:
        self._records_settled = self._counter(
            "doka_records_settled", "Records that Kinesis acknowledged with a sequence number.", "route"
        )
        self._bytes_settled = self._counter(
            "doka_settled_payload_bytes",
            "Bytes of data that Kinesis acknowledged, partition keys not counted.",
            "route",
        )
        self._put_seconds = Histogram(
            "doka_put_duration_seconds",
            "Time from sending a PutRecords request to its answer, for requests that landed records.",
            ["route"],
            buckets=PUT_SECONDS_BUCKETS,
            registry=self._registry,
        )
        self._records_failed = self._counter(
            "doka_records_failed", "Records that a put left un-settled; they are sent again.", "route", "code"
        )
        self._duplicates = self._counter(
            "doka_possible_duplicates",
            "Records sent again although an earlier put of them, of unknown outcome, may have landed.",
            "route",
        )
        self._order_breaks = self._counter(
            "doka_order_breaks",
            "Records that landed behind a later one of their key (ordering: key_in_request), by cause; "
            "unknown: nobody can tell whether they did.",
            "route",
            "cause",
        )
        self._poisoned = self._counter(
            "doka_records_poisoned", "Records that can never land, by what became of them.", "route", "code", "policy"
        )
        self._letters = self._counter(
            "doka_dead_letters",
            "Dead letters, by outcome and the code of the record or the refusal.",
            "route",
            "outcome",
            "code",
        )
        self._repeats = self._counter(
            "doka_records_will_repeat",
            "Records that landed above the offset committed when a drain ended; they will land again.",
            "topic",
        )

    def _make_other_counters(self) -> None:
        self._renewals = self._counter(
            "doka_lease_renewals", "Requests for a lease, by outcome and code.", "role", "outcome", "code"
        )
        self._rejections = self._counter(
            "doka_lease_rejections", "Leases that the service refused before their end.", "role", "code"
        )
        self._route_blocks = self._counter(
            "doka_route_blocks", "How often a route stopped sending, by reason.", "route", "reason"
        )
        self._assumed = self._counter(
            "doka_stream_facts_assumed", "How often a stream's limits had to be assumed.", "route", "code"
        )
        self._commits = self._counter("doka_commits", "Commits of offsets to Kafka, by outcome.", "outcome")
        self._rebalances = self._counter("doka_rebalances", "Changes of the owned partitions, by kind.", "change")
        self._gaps = self._counter(
            "doka_gaps", "How often records left the log before they were read, by what followed.", "topic", "policy"
        )
        self._stuck = self._counter(
            "doka_partitions_stuck", "How often a partition began to wait for a record that does not settle.", "topic"
        )
        self._lines_dropped = self._counter("doka_log_lines_dropped", LINES_DROPPED)
        self._errors = self._counter("doka_telemetry_errors", "Errors inside telemetry itself; none reaches the loop.")
        for outcome in ("stored", "failed"):
            self._commits.labels(outcome)
        for change in ("assigned", "revoked", "lost"):
            self._rebalances.labels(change)

    def fetched(self, partition: TopicPartition, records: int, payload_bytes: int) -> None:
        """Count records that arrived, and the bytes of their keys and values."""
        self._fetched.count(partition.topic, records, payload_bytes)

    def _settled_of(self, route: str) -> tuple[Counter, Counter, Histogram]:
        found = self._settled.get(route)
        if found is None:
            found = (
                self._records_settled.labels(route),
                self._bytes_settled.labels(route),
                self._put_seconds.labels(route),
            )
            self._settled[route] = found
        return found

    def count(self, fact: Fact) -> None:
        """Count one fact."""
        code = self._codes.of
        match fact:
            case RecordsSettled():
                records, payload_bytes, seconds = self._settled_of(fact.route)
                records.inc(fact.records)
                payload_bytes.inc(fact.payload_bytes)
                seconds.observe(fact.took / NS_PER_SECOND)
            case RecordsFailed():
                self._records_failed.labels(fact.route, code(fact.code)).inc(fact.records)
                if fact.ambiguous:
                    self._duplicates.labels(fact.route).inc(fact.records)
            case OrderBroken():
                self._order_breaks.labels(fact.route, fact.cause).inc(fact.records)
            case RecordsPoisoned():
                self._poisoned.labels(fact.route, code(fact.code), fact.policy).inc()
            case LetterStored():
                self._letters.labels(fact.route, "stored", code(fact.code)).inc()
            case LetterFailed():
                self._letters.labels(fact.route, "failed", code(fact.code)).inc()
            case RouteBlocked():
                self._route_blocks.labels(fact.route, code(fact.reason)).inc()
            case RouteOpened():
                pass  # shown by doka_route_blocked
            case LanesBelowShards():
                pass  # a warning in the log and in `doka check`
            case StreamFactsAssumed():
                self._assumed.labels(fact.route, code(fact.code)).inc()
            case LeaseRenewed():
                self._renewals.labels(fact.role, "renewed", "none").inc()
            case LeaseRenewalFailed():
                self._renewals.labels(fact.role, "failed", code(fact.code)).inc()
            case LeaseRejected():
                self._rejections.labels(fact.role, code(fact.code)).inc()
            case OffsetsCommitted():
                self._commits.labels("stored").inc()
            case CommitFailed():
                self._commits.labels("failed").inc()
            case PartitionsOwned():
                self._rebalances.labels(fact.change).inc()
            case RecordsWillRepeat():
                self._repeats.labels(fact.partition.topic).inc(fact.records)
            case GapSeen():
                self._gaps.labels(fact.partition.topic, fact.policy).inc()
            case PartitionStuck():
                self._stuck.labels(fact.partition.topic).inc(int(fact.stuck))
            case _:
                assert_never(fact)

    def line_dropped(self) -> None:
        """Count a log line that nobody will read."""
        self._lines_dropped.inc()

    def error(self) -> None:
        """Count an error of telemetry itself."""
        self._errors.inc()

    def publish(self, status: Status) -> None:
        """Show this status from the next page on."""
        self._present.status = status

    def turned(self, now: int) -> None:
        """Note when the loop turned last (ns of `Clock.now`)."""
        self._present.turned = now

    def page(self) -> tuple[bytes, str]:
        """Render all series in Prometheus' text format; gives the page and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4
