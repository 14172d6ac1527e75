"""The page's figures are those of the metrics at the same moment, and nothing stands there that must not leave the process."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from doka.adapters.telemetry.health import Health
from doka.adapters.telemetry.metrics import Metrics
from doka.adapters.telemetry.page.data import REASONS_MAX, Service
from doka.adapters.telemetry.page.serving import LOOK_SHARE, StatusPage
from doka.adapters.telemetry.page.waits import PARTITIONS_MAX
from doka.domain.facts import PartitionsOwned, RecordsFailed, RecordsSettled
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.status import LeaseStatus, Status
from tests.manual_clock import ManualClock
from tests.unit.adapters.telemetry.given import NEW_YEAR, hand_clock, partition_status, status
from tests.unit.adapters.telemetry.test_metrics import series


class Shown:
    """A process whose metrics and page are asked at one moment."""

    def __init__(self) -> None:
        self.clock: ManualClock = hand_clock()
        self.metrics = Metrics(self.clock, "1.2.3", ["orders"], ["analytics"])
        service = Service("1.2.3", "doka-orders", "https://git.example/doka/")
        page = StatusPage(self.clock, service, {"orders": "orders-stream"}, self.metrics.totals)
        self.health = Health(self.clock, self.metrics.page, page)

    def publish(self, told: Status) -> None:
        self.metrics.publish(told)
        self.health.publish(told)

    def told(self) -> dict[str, Any]:
        answer = self.health.answer("/status.json")
        assert answer is not None
        found: dict[str, Any] = orjson.loads(answer.body)
        return found


def test_its_figures_are_those_of_the_metrics() -> None:
    """What both have is equal, also what goes on between two publishes."""
    shown = Shown()
    partition = partition_status(
        unsettled=7, age=3 * NS_PER_SECOND, timestamp_ms=int(NEW_YEAR - 90) * 1_000, log_end=142, waiting=NS_PER_SECOND
    )
    shown.publish(status(shown.clock, partition=partition))
    shown.metrics.count(RecordsSettled("orders", 500, 12_345, 23 * NS_PER_MS))
    for code in ("InternalFailure", "timeout"):
        shown.metrics.count(RecordsFailed("orders", code, 7, ambiguous=True))
    for change in ("assigned", "assigned", "lost"):
        shown.metrics.count(PartitionsOwned(change, frozenset(), {}))
    shown.clock.pass_seconds(2)

    told, page = shown.told(), series(shown.metrics.page()[0])

    (process,) = told["processes"]
    (route,), (lease,), (of_three,) = process["routes"], process["leases"], process["partitions"]
    labels = "{partition=3,route=orders,topic=orders}"
    figures = {
        "lag": "doka_lag_records",
        "lag_seconds": "doka_lag_seconds",
        "waiting_seconds": "doka_waiting_seconds",
        "age_seconds": "doka_oldest_unsettled_age_seconds",
        "unsettled": "doka_unsettled_records",
        "ahead": "doka_ahead_records",
    }
    assert {name: of_three[name] for name in figures} == {
        name: page[f"{metric}{labels}"] for name, metric in figures.items()
    }
    assert (92.0, 42, 42) == (of_three["lag_seconds"], route["lag"], of_three["lag"])
    assert page["doka_lease_seconds_left{role=analytics}"] == lease["seconds_left"]
    assert page["doka_held_bytes{}"] == process["held_bytes"]
    assert {"assigned": 2, "revoked": 0, "lost": 1} == process["rebalances"]
    assert process["rebalances"] == {
        change: page[f"doka_rebalances_total{{change={change}}}"] for change in process["rebalances"]
    }
    assert (2.0, 0.0) == (process["uptime_seconds"], process["partitions_age_seconds"])
    assert (500, 12_345, 14) == (route["settled"], route["settled_bytes"], route["failed"])
    assert 14 == sum(value for name, value in page.items() if name.startswith("doka_records_failed_total"))


def test_its_sentence_is_that_of_readyz() -> None:
    """Both say the same of the same moment; before anything was published there is no process."""
    shown = Shown()
    assert [] == shown.told()["processes"]
    shown.publish(status(shown.clock, blocked="lease_ended"))
    told, ready = shown.told(), shown.health.answer("/readyz")
    assert ready is not None
    assert orjson.loads(ready.body) == {name: told[name] for name in ("ready", "reasons")}
    assert ["docs/operating.md#when-a-route-is-blocked"] == told["reasons_at"]
    assert told["reasons_at"] == [told["processes"][0]["routes"][0]["blocked_at"]]
    assert "https://git.example/doka/" == told["runbook"]
    assert not told["ready"]
    assert "lease_ended" == told["processes"][0]["routes"][0]["blocked"]


def test_what_is_not_known_is_null_and_a_lease_may_have_no_end() -> None:
    """No figure is made up."""
    shown = Shown()
    shown.publish(status(shown.clock, lease=LeaseStatus("analytics", "fresh", 1, None, has_end=False)))
    (process,) = shown.told()["processes"]
    assert (None, None) == (process["partitions"][0]["lag"], process["routes"][0]["lag"])
    assert (None, False) == (process["leases"][0]["seconds_left"], process["leases"][0]["has_end"])


def test_of_many_partitions_those_that_wait_are_shown() -> None:
    """What is stuck comes first, then what waits longest; the route's figures are of all of them."""
    shown = Shown()
    many = {
        TopicPartition("orders", number): partition_status(
            log_end=100 + number, waiting=number * NS_PER_MS, unsettled=1
        )
        for number in range(10_000)
    }
    many[TopicPartition("orders", 17)] = partition_status(stuck="a gap", log_end=100)
    shown.publish(replace(status(shown.clock), partitions=many))
    (process,) = shown.told()["processes"]
    assert (10_000, 1) == (process["routes"][0]["partitions"], process["routes"][0]["stuck"])
    assert sum(range(10_000)) - 17 == process["routes"][0]["lag"]
    assert [17, *range(9_999, 9_999 - PARTITIONS_MAX + 1, -1)] == [each["partition"] for each in process["partitions"]]


def test_a_dear_look_at_the_partitions_does_for_two_thousand_times_as_long() -> None:
    """The rest of the page is of now; how old the look is is told."""
    shown = Shown()

    class Slow(ManualClock):
        def wall(self) -> float:
            shown.clock.pass_seconds(0.002)  # what the look takes
            return super().wall()

    shown.clock.__class__ = Slow
    shown.publish(status(shown.clock, partition=partition_status(log_end=150)))
    lags = []
    for lag in (50, 60, 70):
        shown.publish(status(shown.clock, blocked=f"{lag}", partition=partition_status(log_end=100 + lag)))
        (process,) = shown.told()["processes"]
        assert str(lag) == process["routes"][0]["blocked"]
        lags.append((process["partitions"][0]["lag"], round(process["partitions_age_seconds"])))
        shown.clock.pass_seconds(0.002 * LOOK_SHARE / 2)
    assert [(50, 0), (50, 2), (70, 0)] == lags


def test_a_cluster_that_is_away_is_not_told_ten_thousand_times() -> None:
    """The first reasons, and how many there are; /readyz has all."""
    shown = Shown()
    stuck = {TopicPartition("orders", each): partition_status(stuck="it is away") for each in range(REASONS_MAX + 7)}
    shown.publish(replace(status(shown.clock), partitions=stuck))
    told = shown.told()
    assert (REASONS_MAX, REASONS_MAX, REASONS_MAX + 7) == (
        len(told["reasons"]),
        len(told["reasons_at"]),
        told["reasons_count"],
    )


def test_secrets_in_reasons_are_hidden() -> None:
    """What a service has put into a sentence is as hidden here as in the log."""
    shown = Shown()
    key = "AKIA" + "IOSFODNN7EXAMPLE"
    shown.publish(status(shown.clock, blocked=f"refused {key}", partition=partition_status(stuck=f"waits for {key}")))
    answer = shown.health.answer("/status.json")
    assert answer is not None
    assert key.encode() not in answer.body
