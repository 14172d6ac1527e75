"""`python -m benchmarks.status_page [SECONDS]`: what an open page takes of the interpreter that the loop forwards with.

It asks as a page does, every two seconds, for a process of 10,000 partitions and 100 routes, all late, and prints the share
of a core that the answers took. Nothing else runs in this process, so time of the processor is time of the answers.
"""

from __future__ import annotations

import sys
import time
from typing import Final

from doka.adapters.system.clock import SystemClock
from doka.adapters.telemetry.health import Health
from doka.adapters.telemetry.metrics import Metrics
from doka.adapters.telemetry.page.data import Service
from doka.adapters.telemetry.page.serving import STATUS_PATH, StatusPage
from doka.domain.facts import RecordsFailed, RecordsSettled
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.status import LeaseStatus, PartitionStatus, RouteStatus, Status

PARTITIONS: Final = 10_000
ROUTES: Final = 100
ASKED_EVERY_SECONDS: Final = 2.0  # EVERY_MS of status.js


def late(now: int, wall: float) -> Status:
    """Give a process all of whose partitions hold records that wait."""
    routes = [f"route-{number}" for number in range(ROUTES)]
    partitions = {
        TopicPartition(f"topic-{number % ROUTES}", number // ROUTES): PartitionStatus(
            routes[number % ROUTES],
            watermark=100,
            committed=100,
            unsettled=7,
            ahead=0,
            oldest_unsettled_age=5 * NS_PER_SECOND,
            oldest_timestamp_ms=round(wall * 1_000) - number,
            paused=False,
            stuck=None,
            log_end=142,
            waiting=(number + 1) * 1_000_000,
        )
        for number in range(PARTITIONS)
    }
    return Status(
        now,
        held_bytes=1,
        held_bytes_max=64,
        partitions=partitions,
        leases={"writer": LeaseStatus("writer", "fresh", 1, 3_000 * NS_PER_SECOND, has_end=True)},
        routes={route: RouteStatus(route, None, 1, 1) for route in routes},
    )


def main(seconds: float) -> None:
    """Ask for so long, and print what it took."""
    clock = SystemClock()
    status = late(clock.now(), clock.wall())
    metrics = Metrics(clock, "0", status.routes, status.leases)
    health = Health(clock, metrics.page, StatusPage(clock, Service("0", "doka"), {}, metrics.totals))
    for route in status.routes:
        metrics.count(RecordsSettled(route, 500, 50_000, NS_PER_SECOND))
        for code in ("timeout", "ProvisionedThroughputExceededException"):
            metrics.count(RecordsFailed(route, code, 5, ambiguous=False))
    health.publish(status)
    began, spent, answers, size = time.monotonic(), 0.0, 0, 0
    while (passed := time.monotonic() - began) < seconds:
        before = time.process_time()
        answer = health.answer(STATUS_PATH)
        spent += time.process_time() - before
        size = 0 if answer is None else len(answer.body)
        answers += 1
        time.sleep(ASKED_EVERY_SECONDS)
    print(  # noqa: T201 - the command's result
        f"{PARTITIONS:,} partitions, {ROUTES} routes: {answers} answers of {size:,} bytes in {passed:.0f} s took "
        f"{spent * 1_000:.1f} ms, {spent / passed:.3%} of a core"
    )


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)
