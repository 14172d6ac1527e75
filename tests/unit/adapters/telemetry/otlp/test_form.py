from __future__ import annotations

import math

import orjson
import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.parser import text_string_to_metric_families

from doka.adapters.telemetry.metrics import Metrics
from doka.adapters.telemetry.otlp.form import CUMULATIVE, Resource, attributes, metrics_request, number
from doka.domain.limits import NS_PER_SECOND
from tests.collector import Series, metrics_of, resource_of, series_of
from tests.unit.adapters.telemetry.given import FACTS, hand_clock, partition_status, status

RESOURCE = Resource({"service.name": "doka", "service.instance.id": "pod-1"}, "1.2.3")
BEGAN, NOW = 1_000 * NS_PER_SECOND, 1_060 * NS_PER_SECOND


def on_the_page(page: bytes) -> Series:
    """Give the series of a page."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def test_all_that_is_on_the_page_is_sent_with_the_same_values() -> None:
    """Every series of /metrics, counters, gauges and each bucket of histograms, and none besides."""
    clock = hand_clock()
    metrics = Metrics(clock, "1.2.3", ["orders", "clicks"], ["analytics"], sharing=["orders"], topics=["orders"])
    for fact in FACTS:
        metrics.count(fact)
    metrics.publish(status(clock, partition=partition_status(log_end=140, unsettled=3, age=7, timestamp_ms=1)))
    metrics.turned(clock.now())
    clock.pass_seconds(3)
    own = ("doka_process_",)  # CPU and memory go on between two looks
    sent = series_of(metrics_of(orjson.loads(metrics_request(metrics.families(), RESOURCE, start=BEGAN, now=NOW))))
    page = on_the_page(metrics.page()[0])
    assert page.keys() == sent.keys()
    assert len(page) > 100
    assert {} == {
        key: (value, sent[key])
        for key, value in page.items()
        if not key[0].startswith(own) and not (sent[key] == value or (math.isnan(value) and math.isnan(sent[key])))
    }


def test_what_grows_is_cumulative_since_the_start_and_the_rest_is_of_now() -> None:
    """Start times make a restart visible; a gauge has none."""
    registry = CollectorRegistry()
    Counter("doka_records", "Records.", registry=registry).inc(3)
    Gauge("doka_lag", "Lag.", registry=registry).set(2)
    Histogram("doka_age_seconds", "Age.", buckets=(1.0, 2.0), registry=registry).observe(1.5)
    request = metrics_of(orjson.loads(metrics_request(registry.collect(), RESOURCE, start=BEGAN, now=NOW)))
    by_name = {metric.name: metric for metric in request.resource_metrics[0].scope_metrics[0].metrics}
    records, lag, age = by_name["doka_records_total"], by_name["doka_lag"], by_name["doka_age_seconds"]
    assert (CUMULATIVE, True) == (records.sum.aggregation_temporality, records.sum.is_monotonic)
    assert CUMULATIVE == age.histogram.aggregation_temporality
    (counted,), (shown,), (spread,) = records.sum.data_points, lag.gauge.data_points, age.histogram.data_points
    assert {(BEGAN, NOW)} == {(point.start_time_unix_nano, point.time_unix_nano) for point in (counted, spread)}
    assert (0, NOW) == (shown.start_time_unix_nano, shown.time_unix_nano)
    assert ([1.0, 2.0], [0, 1, 0], 1, 1.5) == (
        list(spread.explicit_bounds),
        list(spread.bucket_counts),
        spread.count,
        spread.sum,
    )
    assert ("Records.", "") == (records.description, records.unit)


def test_a_unit_is_what_the_name_ends_in() -> None:
    """So nobody who makes names of units adds one that stands there already."""
    registry = CollectorRegistry()
    for name in ("doka_wait_seconds", "doka_seconds_left", "doka_memory_bytes"):
        Gauge(name, "x", registry=registry)
    Counter("doka_payload_bytes", "x", registry=registry)
    (scope,) = (
        metrics_of(orjson.loads(metrics_request(registry.collect(), RESOURCE, start=BEGAN, now=NOW)))
        .resource_metrics[0]
        .scope_metrics
    )
    assert {
        "doka_wait_seconds": "s",
        "doka_seconds_left": "",
        "doka_memory_bytes": "By",
        "doka_payload_bytes_total": "By",
    } == {metric.name: metric.unit for metric in scope.metrics}


def test_a_request_says_who_sends_and_tells_workers_apart() -> None:
    """Resource, scope with the version, and a label for each series that does not have it."""
    registry = CollectorRegistry()
    Gauge("doka_up", "x", ["worker"], registry=registry).labels("0").set(1)
    Gauge("doka_lag", "x", ["route"], registry=registry).labels("orders").set(1)
    Counter("doka_silent", "x", ["route"], registry=registry)
    told = metrics_request(registry.collect(), RESOURCE, start=BEGAN, now=NOW, labels={"worker": "supervisor"})
    request = metrics_of(orjson.loads(told))
    assert {"service.name": "doka", "service.instance.id": "pod-1"} == resource_of(request)
    scope = request.resource_metrics[0].scope_metrics[0].scope
    assert ("doka", "1.2.3") == (scope.name, scope.version)
    assert {
        ("doka_up", (("worker", "0"),)),
        ("doka_lag", (("route", "orders"), ("worker", "supervisor"))),
    } == series_of(request).keys()


def test_a_clock_that_was_set_back_makes_no_time_before_the_start() -> None:
    """A point that ends before it begins is refused by collectors."""
    registry = CollectorRegistry()
    Counter("doka_records", "Records.", registry=registry)
    told = orjson.loads(metrics_request(registry.collect(), RESOURCE, start=NOW, now=BEGAN))
    (point,) = told["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["sum"]["dataPoints"]
    assert (str(NOW), str(NOW)) == (point["startTimeUnixNano"], point["timeUnixNano"])


@pytest.mark.parametrize(
    ("given", "expected"), [(1.5, 1.5), (math.inf, "Infinity"), (-math.inf, "-Infinity"), (math.nan, "NaN")]
)
def test_what_is_not_finite_is_a_word(given: float, expected: float | str) -> None:
    """As JSON it would be null, and a lease without an end would have no value."""
    assert expected == number(given)


def test_attributes_say_their_kind() -> None:
    """Whole numbers are text, as 64 bits are in this JSON."""
    assert [
        {"key": "a", "value": {"stringValue": "x"}},
        {"key": "b", "value": {"intValue": "3"}},
        {"key": "c", "value": {"doubleValue": 0.5}},
        {"key": "d", "value": {"boolValue": True}},
    ] == attributes({"a": "x", "b": 3, "c": 0.5, "d": True})
