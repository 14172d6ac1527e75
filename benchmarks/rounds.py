"""One round of a case: each contender once, in turn, and the figures of each."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.cases import Case
from benchmarks.contenders import (
    Place,
    assigned_at,
    cpu_ns,
    peak_rss_mib,
    run_floor,
    running_baseline,
    running_doka,
    watching_floor,
)
from benchmarks.endpoint import Landings
from benchmarks.feeding import Feed
from tests.containers.service import DokaProcess

Figures = Mapping[str, float]
Round = Mapping[str, Figures]
"""What each contender showed: its name -> figure -> value."""

START_SECONDS = 60.0
SETTLE_SECONDS = 2.0
WARM_SECONDS = 2.0
NS = 1e9


@dataclass(frozen=True, slots=True)
class Extent:
    """How long things take; the short round has the smaller one. Seconds."""

    share: float
    """Of a case's records."""
    doka: float
    baseline: float
    latency: float
    idle: float


FULL = Extent(share=1.0, doka=10.0, baseline=3.0, latency=10.0, idle=10.0)
QUICK = Extent(share=0.3, doka=6.0, baseline=1.5, latency=5.0, idle=5.0)


class BrokenRunError(Exception):
    """What ran was not what was to be measured: something was refused, lost, doubled, or ended on its own."""


def throughput_round(place: Place, case: Case, records: int, extent: Extent) -> Round:
    """Forward a filled topic by each of the three."""
    floor = run_floor(place, records)
    place.endpoint.forget(delay=case.delay, aggregates_of=case.aggregates_of)
    with running_doka(place, case) as doka:
        first = first_landing(place, doka.child)
        to_first = first.first / NS + _epoch_of_monotonic() - assigned_at(doka)
        figures = backlog_of_doka(place, doka, first, records, extent.doka)
    place.endpoint.forget(delay=case.delay)
    with running_baseline(place) as child:
        baseline = _window(place, child.pid, first_landing(place, child), records, extent.baseline)
    return {"floor": floor, "doka": figures | {"assigned_to_first_seconds": to_first}, "baseline": baseline}


def latency_of_doka(place: Place, case: Case, extent: Extent) -> Round:
    """Let records trickle into an empty topic; gives how long they took from being produced to being acknowledged.

    The floor consumes the same records at the same time.
    """
    last = int(case.rate * extent.latency)
    with running_doka(place, case) as doka:
        assigned_at(doka)
        with watching_floor(place, int(case.rate * WARM_SECONDS) + last, last) as floor:
            figures = _latencies(place, case, doka.child.pid, extent.latency)
            ages: list[int] = json.loads(floor.communicate(timeout=START_SECONDS)[0])
        _check_end(place, doka, None)
        return {"doka": figures, "floor": spread(ages)}


def latency_of_baseline(place: Place, case: Case, extent: Extent) -> Round:
    """Do the same with the usual loop, on an empty topic of its own."""
    with running_baseline(place) as child:
        return {"baseline": _latencies(place, case, child.pid, extent.latency)}


def idle_round(place: Place, case: Case, extent: Extent) -> Round:
    """Leave the service alone with an empty topic."""
    place.endpoint.forget()
    with running_doka(place, case) as doka:
        assigned_at(doka)
        place.endpoint.wait_for(1, SETTLE_SECONDS)
        begun, cpu_begun = time.monotonic_ns(), cpu_ns(doka.child.pid)
        place.endpoint.wait_for(1, extent.idle)
        share = (cpu_ns(doka.child.pid) - cpu_begun) / (time.monotonic_ns() - begun)
        _check_end(place, doka, 0)
        return {"doka": {"idle_cpu_percent": share * 100}}


def backlog_of_doka(place: Place, doka: DokaProcess, first: Landings, records: int, within: float) -> dict[str, float]:
    """Give the figures of a service that works at a backlog, stop it, and see that nothing was wrong."""
    figures = _window(place, doka.child.pid, first, records, within)
    _check_end(place, doka, records if figures["landed"] == records else None)
    return figures


def first_landing(place: Place, child: subprocess.Popen[bytes]) -> Landings:
    """Wait for a contender's first record. Raises BrokenRunError when it ended or nothing came."""
    deadline = time.monotonic() + START_SECONDS
    while not (first := place.endpoint.wait_for(1, 1.0)).records:
        if child.poll() is not None or time.monotonic() > deadline:
            raise BrokenRunError(f"nothing landed within {START_SECONDS:.0f} s (exit code so far: {child.poll()})")
    return first


def _window(place: Place, process: int, first: Landings, records: int, within: float) -> dict[str, float]:
    """Give the figures of a living process from its first landing until all records landed, or the time is over."""
    cpu_begun = cpu_ns(process)
    last = place.endpoint.wait_for(records, within)
    cpu = cpu_ns(process) - cpu_begun
    landed, took, requests = last.records - first.records, last.at - first.at, last.requests - first.requests
    if landed <= 0:
        raise BrokenRunError(f"nothing landed within {within:.0f} s of the first record")
    return {
        "cpu_us": cpu / landed / 1e3,
        "records_per_second": landed / took * NS,
        "records_per_request": landed / requests,
        "records_per_entry": landed / (last.entries - first.entries),
        "cores_busy": cpu / took,
        "endpoint_busy": (last.cpu_ns - first.cpu_ns) / took,
        "rss_mib": peak_rss_mib(process),
        "landed": last.records,
    }


def _latencies(place: Place, case: Case, process: int, seconds: float) -> dict[str, float]:
    """Warm up, then give the latencies of a steady rate, and what it cost."""
    feed = Feed(place.bootstrap_servers, place.topic, case.load, linger_ms=0)
    place.endpoint.forget()
    warm = feed.trickle(case.rate, WARM_SECONDS)
    _all_landed(place, warm)
    place.endpoint.forget(stamped=True)
    cpu_begun = cpu_ns(process)
    produced = feed.trickle(case.rate, seconds)
    took = _all_landed(place, produced).latencies_us
    cpu = cpu_ns(process) - cpu_begun
    return spread(took) | {
        "cpu_us": cpu / produced / 1e3,
        "rss_mib": peak_rss_mib(process),
        "landed": len(took),
    }


def spread(took_us: Sequence[int]) -> dict[str, float]:
    """Give the usual figures of latencies."""
    ascending = sorted(took_us)
    shares = {"p50_ms": 50, "p99_ms": 99, "most_ms": 100}
    return {figure: percentile(ascending, share) / 1e3 for figure, share in shares.items()}


def percentile(ascending: Sequence[int], share: int) -> int:
    """Give the smallest value that at least `share` percent of the values do not exceed."""
    return ascending[max(0, -(-len(ascending) * share // 100) - 1)]


def _all_landed(place: Place, records: int) -> Landings:
    landings = place.endpoint.wait_for(records, START_SECONDS)
    if landings.records != records or landings.faults:
        raise BrokenRunError(f"{landings.records} landed of {records}; {landings.faults}")
    return landings


def _check_end(place: Place, doka: DokaProcess, records: int | None) -> None:
    """Stop the service and see that nothing was wrong: every record landed once (None: it was cut short)."""
    code = doka.stop()
    landings = place.endpoint.landings()
    if code or landings.faults or (records is not None and landings.records != records):
        raise BrokenRunError(
            f"exit code {code}, {landings.records} records landed of {records}, faults {landings.faults}; "
            f"it said {doka.said()[-1_500:]}"
        )


def _epoch_of_monotonic() -> float:
    return time.time() - time.monotonic()
