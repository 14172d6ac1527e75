"""Partitions read by columns."""

from __future__ import annotations

from dataclasses import replace

from doka.adapters.telemetry.page.waits import waits_of
from doka.adapters.telemetry.present import lag_records, lag_seconds_of, waiting_seconds
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from tests.unit.adapters.telemetry.given import NEW_YEAR, hand_clock, partition_status, status

SHAPES = [
    partition_status(log_end=end, waiting=waiting, timestamp_ms=stamp, unsettled=unsettled)
    for end in (None, 90, 100, 142)
    for waiting in (None, 0, 5 * NS_PER_SECOND)
    for stamp in (None, -1, int(NEW_YEAR - 90) * 1_000, int(NEW_YEAR + 90) * 1_000)
    for unsettled in (0, 7)
]


def test_a_partition_stands_once_for_each_route_that_reads_it() -> None:
    """Each with its own lag, the one that is further behind first; the partition is owned once."""
    clock = hand_clock()
    orders = partition_status(log_end=142, waiting=0)
    both = replace(orders, others=(replace(orders, route="archive", watermark=orders.watermark - 30),))
    found = waits_of(replace(status(clock), partitions={TopicPartition("orders", 0): both}), 0, NEW_YEAR)
    assert ["archive", "orders"] == sorted(each["route"] for each in found.first)
    lags = {route: figures["lag"] for route, figures in found.of_routes.items()}
    assert (1, 30) == (found.owned, lags["archive"] - lags["orders"])


def test_what_is_read_by_columns_is_what_is_told_of_each() -> None:
    """Of every mixture of what is known and what is not; a route's figures are those of its partitions."""
    clock = hand_clock()
    for each in SHAPES:
        told = replace(status(clock), partitions={TopicPartition("orders", 0): each})
        found = waits_of(told, NS_PER_SECOND, NEW_YEAR)
        lag, seconds = lag_records(each), lag_seconds_of(each, NEW_YEAR, waiting_seconds(each, NS_PER_SECOND))
        (shown,) = found.first
        assert (lag, seconds) == (shown["lag"], shown["lag_seconds"])
        assert {"partitions": 1, "stuck": 0, "lag": lag, "lag_seconds": seconds} == found.of_routes["orders"]
