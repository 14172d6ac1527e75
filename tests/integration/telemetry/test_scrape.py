from __future__ import annotations

import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from prometheus_client.parser import text_string_to_metric_families

from doka.adapters.telemetry.health import Health
from doka.adapters.telemetry.http_server import HealthServer
from doka.adapters.telemetry.metrics import Metrics
from doka.domain.records import TopicPartition
from doka.domain.status import RouteStatus, Status
from tests.unit.adapters.telemetry.given import FACTS, get, hand_clock, partition_status


def test_a_scraper_reads_a_large_process() -> None:
    """A thousand partitions are scraped by an ordinary HTTP client, in parallel, each page whole, in bounded time."""
    clock = hand_clock()
    metrics = Metrics(clock, "1.2.3", ["orders"], ["analytics"])
    for fact in FACTS:
        metrics.count(fact)
    partitions = {TopicPartition("orders", n): partition_status(log_end=100 + n) for n in range(1_000)}
    metrics.publish(Status(clock.now(), 1, 2, partitions))
    server = HealthServer(clock, "127.0.0.1", 0)
    server.open(Health(clock, metrics.page).answer)

    def scrape(_n: int) -> tuple[str, float, str]:
        began = time.monotonic()
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=30) as answer:
            page = answer.read().decode()
            return page, time.monotonic() - began, answer.headers["Content-Type"]

    try:
        with ThreadPoolExecutor(4) as scrapers:
            scraped = list(scrapers.map(scrape, range(8)))
    finally:
        server.close()
    assert {"text/plain; version=0.0.4; charset=utf-8"} == {kind for _page, _took, kind in scraped}
    for page, took, _kind in scraped:
        lag = next(family for family in text_string_to_metric_families(page) if family.name == "doka_lag_records")
        assert sum(range(1_000)) == sum(sample.value for sample in lag.samples)
        assert took < 10


def test_whoever_asks_in_a_loop_has_the_page_made_once_a_second() -> None:
    """The page of 500 partitions is made once for all who ask within a second, and readiness is of the moment each time."""
    clock, made = hand_clock(), list[int]()
    metrics = Metrics(clock, "1.2.3", ["orders"], ["analytics"])

    def page() -> tuple[bytes, str]:
        made.append(clock.now())
        return metrics.page()

    partitions = {TopicPartition("orders", n): partition_status(log_end=100 + n) for n in range(500)}
    health = Health(clock, page)
    server = HealthServer(clock, "127.0.0.1", 0)
    server.open(health.answer)

    def publish(*, blocked: str | None) -> None:
        routes = {"orders": RouteStatus("orders", blocked, 0, 0)}
        told = Status(clock.now(), 1, 2, partitions, routes=routes)
        metrics.publish(told)
        health.publish(told)

    def owned(_n: int = 0) -> bool:
        return "doka_partitions_owned 500.0" in get(server.port, "/metrics")[1].splitlines()

    try:
        publish(blocked=None)
        with ThreadPoolExecutor(4) as scrapers:
            assert all(scrapers.map(owned, range(100)))
        assert 200 == get(server.port, "/readyz")[0]
        publish(blocked="clock_skew")
        assert 503 == get(server.port, "/readyz")[0]
        assert [clock.now()] == made
        clock.pass_seconds(1)
        assert owned()
    finally:
        server.close()
    assert 2 == len(made)
