"""Counts every fact, and renders the page that a scraper reads.

All series live in a registry of their own (never the global one, where a library could add or take names) and begin
with `doka_`. Labels are routes, roles, topics, partitions and bounded codes; a key or an ARN is never one.
Counters are moved by the loop's thread only; the page is rendered on the thread that serves it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate, product
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from doka.adapters.telemetry.labels import BoundedLabels
from doka.adapters.telemetry.outcomes import (
    BYTES_SETTLED,
    COMMITS,
    ORDER_BREAKS,
    OUTCOMES,
    REBALANCES,
    RECORDS_FAILED,
    RECORDS_SETTLED,
    REJECTIONS,
    RENEWALS,
)
from doka.adapters.telemetry.page.data import RouteTotals, Totals
from doka.adapters.telemetry.present import PresentState
from doka.adapters.telemetry.shaping_outcomes import TRANSFORM_SECONDS
from doka.adapters.telemetry.telling import Instrument
from doka.domain.facts import Fact, RecordsSettled
from doka.domain.ports import Clock
from doka.domain.records import TopicPartition
from doka.domain.rules import OnGap
from doka.domain.sending.order_breaks import REFUSED, REORDERED, UNKNOWN
from doka.domain.status import Status
from doka.domain.verdicts import REQUEST, Verdict

REJECTING_CODES = tuple(code for code, verdict in REQUEST.items() if verdict in (Verdict.LEASE, Verdict.DENIED))
"""All with which a lease can be rejected."""
ORDER_BREAK_CAUSES = (REFUSED, REORDERED, UNKNOWN)
LANDING_SECONDS_BUCKETS = (
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    120.0,
    300.0,
    900.0,
    3_600.0,
    14_400.0,
    86_400.0,
)
"""From a commit of a busy service to a weekend's backlog; 60 s is what the objective of freshness asks for."""
EXPORT_OUTCOMES = ("sent", "partly", "failed")
LINES_DROPPED = "Log lines that stdout did not take in time."


TOLD = (RECORDS_SETTLED, BYTES_SETTLED, RECORDS_FAILED, REBALANCES)
"""Counters that the page shows as well; all by the route, or by nothing else."""
CHANGES = ("assigned", "revoked", "lost")


class _Told:
    """Moves a counter, and adds up what it was moved by: the library's own sum costs 10 us a series to ask for."""

    __slots__ = ("_move", "total")

    def __init__(self, move: Callable[[float], None]) -> None:
        self._move = move
        self.total = 0.0

    def __call__(self, amount: float) -> None:
        self.total += amount
        self._move(amount)


def show_process(registry: CollectorRegistry, version: str) -> None:
    """Add what each process shows of itself: the version that runs, and its memory, CPU and descriptors."""
    build = Gauge("doka_build_info", "The running version; always 1.", ["version"], registry=registry)
    build.labels(version).set(1)
    ProcessCollector(namespace="doka", registry=registry)


class ExportCounts:
    """Counts what became of what was sent to a collector; moved by the threads that send."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Make the counters; a signal has none before it is begun."""
        self._exports = Counter(
            "doka_otlp_exports",
            "Requests to a collector (otlp), by signal and outcome: sent, partly (it refused some of it) or failed.",
            ["signal", "outcome"],
            registry=registry,
        )
        self._spans_dropped = Counter(
            "doka_otlp_spans_dropped", "Spans that found too many others waiting to be sent.", registry=registry
        )

    def begin(self, signal: str) -> None:
        """Let the counters of a signal stand at 0."""
        for outcome in EXPORT_OUTCOMES:
            self._exports.labels(signal, outcome)

    def exported(self, signal: str, outcome: str) -> None:
        """Count a request that was taken, or given up."""
        self._exports.labels(signal, outcome).inc()

    def span_dropped(self) -> None:
        """Count a span that nobody will see."""
        self._spans_dropped.inc()


class Exported(Protocol):
    """The metrics of a process, as whoever sends them uses them."""

    exports: ExportCounts

    def families(self) -> Iterable[Metric]:
        """Give all series."""
        ...


def rendered(registry: CollectorRegistry) -> tuple[bytes, str]:
    """Give all series in Prometheus' text format, and the content type of that."""
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4


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


class _Landed(Collector):
    """A histogram of how old records were when they landed, counted a chunk of a request at a time, in plain integers.

    The library's own takes one observation a call, and here one stands for as many records as settled of a chunk.
    """

    def __init__(self, routes: Iterable[str]) -> None:
        self._routes = {route: self._nothing() for route in routes}

    @staticmethod
    def _nothing() -> tuple[list[int], list[float]]:
        """Give a count for each bucket, infinity last, and the sum (s) as a list of one."""
        return [0] * (len(LANDING_SECONDS_BUCKETS) + 1), [0.0]

    def count(self, route: str, by_timestamp: Mapping[int, int], wall: float) -> None:
        """Add records by their Kafka timestamps (ms), as they landed at `wall` (s); by the loop's thread only.

        What has no timestamp is left out; what is from the future landed at once.
        """
        counts, total = self._routes.get(route) or self._routes.setdefault(route, self._nothing())
        for timestamp_ms, records in by_timestamp.items():
            if timestamp_ms >= 0:
                age = max(0.0, wall - timestamp_ms / 1_000)
                counts[bisect_left(LANDING_SECONDS_BUCKETS, age)] += records
                total[0] += age * records

    def collect(self) -> Iterator[Metric]:
        """Give the histogram; a copy of a list or a dictionary is one step of the interpreter, so no lock is needed."""
        family = HistogramMetricFamily(
            "doka_landing_seconds",
            "Time from a record's Kafka timestamp to the acknowledgement by Kinesis. Each record counts with the timestamp "
            "of the first of its chunk, the run of one partition that was fetched with it: as older than it is, by no more "
            "than the run spans.",
            labels=["route"],
        )
        bounds = [*map(str, LANDING_SECONDS_BUCKETS), "+Inf"]
        for route, (counts, (total,)) in self._routes.copy().items():
            buckets = list(zip(bounds, map(float, accumulate(counts.copy())), strict=True))
            family.add_metric([route], buckets, total)
        yield family


class Metrics:
    """Every fact is counted once, and the page always shows the status that was published last."""

    def __init__(
        self,
        clock: Clock,
        version: str,
        routes: Iterable[str] = (),
        roles: Iterable[str] = (),
        *,
        sharing: Iterable[str] = (),
        transforming: Iterable[str] = (),
        topics: Iterable[str] = (),
    ) -> None:
        """Take the names of all routes, roles and topics, so that their counters stand at 0 before anything has happened.

        A rule that asks for an increase sees nothing in a series that is born with its first event.
        `sharing` are the routes in which records of a key share requests, so that their order can break; `transforming` those
        that have a transform, whose time is shown of no other.
        """
        routes = tuple(routes)
        born: dict[tuple[str, ...], list[tuple[str, ...]]] = {
            ("route",): [(route,) for route in routes],
            ("topic",): [(topic,) for topic in topics],
        }
        born["topic", "policy"] = [(topic, policy.value) for (topic,) in born["topic",] for policy in OnGap]
        disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series a counter, and nothing reads it
        self._registry = CollectorRegistry()
        self._codes = BoundedLabels()
        self._instruments = {instrument: self._made(instrument) for instrument in OUTCOMES.instruments}
        self._moves: dict[tuple[Instrument, tuple[str, ...]], Callable[[float], None]] = {}
        """What was moved before, found without the registry's lock; as bounded as the labels are."""
        self._told: dict[Instrument, dict[tuple[str, ...], _Told]] = {instrument: {} for instrument in TOLD}
        self._lines_dropped = self._counter("doka_log_lines_dropped", LINES_DROPPED)
        self._errors = self._counter("doka_telemetry_errors", "Errors inside telemetry itself; none reaches the loop.")
        self.exports = ExportCounts(self._registry)
        self._fetched = _Fetched()
        self._registry.register(self._fetched)
        self._landed = _Landed(routes)
        self._registry.register(self._landed)
        self._clock = clock
        for instrument in OUTCOMES.instruments:
            for values in () if instrument is TRANSFORM_SECONDS else born.get(instrument.labels, ()):
                self._instruments[instrument].labels(*values)
        for route in transforming:
            self._instruments[TRANSFORM_SECONDS].labels(route)
        for route, cause in product(sharing, ORDER_BREAK_CAUSES):
            self._instruments[ORDER_BREAKS].labels(route, cause)
        for role in roles:
            self._instruments[RENEWALS].labels(role, "renewed", "none")
            for code in REJECTING_CODES:
                self._instruments[REJECTIONS].labels(role, code)
        for outcome in ("stored", "failed"):
            self._instruments[COMMITS].labels(outcome)
        for change in CHANGES:
            self._instruments[REBALANCES].labels(change)
        show_process(self._registry, version)
        self._present = PresentState(clock)
        self._registry.register(self._present)

    def _counter(self, name: str, sentence: str) -> Counter:
        return Counter(name, sentence, registry=self._registry)

    def _made(self, instrument: Instrument) -> Counter | Histogram:
        name, sentence, labels = instrument.name, instrument.sentence, instrument.labels
        if instrument.buckets:
            return Histogram(name, sentence, labels, buckets=instrument.buckets, registry=self._registry)
        return Counter(name, sentence, labels, registry=self._registry)

    def fetched(self, partition: TopicPartition, records: int, payload_bytes: int) -> None:
        """Count records that arrived, and the bytes of their keys and values."""
        self._fetched.count(partition.topic, records, payload_bytes)

    def count(self, fact: Fact) -> None:
        """Count one fact."""
        if isinstance(fact, RecordsSettled):
            self._landed.count(fact.route, fact.by_timestamp, self._clock.wall())
        for instrument, amount, labels in OUTCOMES.moves(fact, self._codes.of):
            move = self._moves.get((instrument, labels))
            if move is None:
                child = self._instruments[instrument].labels(*labels)
                move = child.observe if isinstance(child, Histogram) else child.inc
                if instrument in self._told:
                    move = self._told[instrument][labels] = _Told(move)
                self._moves[instrument, labels] = move
            move(amount)

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

    def totals(self) -> Totals:
        """Give what was counted of each route, and of rebalances; for any thread."""
        settled, settled_bytes, failed = map(self._by_first_label, (RECORDS_SETTLED, BYTES_SETTLED, RECORDS_FAILED))
        routes = {
            route: RouteTotals(settled.get(route, 0), settled_bytes.get(route, 0), failed.get(route, 0))
            for route in settled.keys() | failed.keys()
        }
        return Totals(routes, dict.fromkeys(CHANGES, 0) | self._by_first_label(REBALANCES))

    def _by_first_label(self, instrument: Instrument) -> dict[str, int]:
        found: dict[str, int] = {}
        # The copy of a dictionary is one step of the interpreter, so no lock is needed.
        for (name, *_), told in self._told[instrument].copy().items():
            found[name] = found.get(name, 0) + round(told.total)
        return found

    def families(self) -> Iterable[Metric]:
        """Give all series, for whoever shows them otherwise; for any thread."""
        return self._registry.collect()

    def page(self) -> tuple[bytes, str]:
        """Render all series in Prometheus' text format; gives the page and its content type."""
        return rendered(self._registry)
