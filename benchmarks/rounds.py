"""One round of a case: each contender once, in turn, and the figures of each."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.cases import Case, compared_with
from benchmarks.contenders import (
    Place,
    assigned_at,
    cpu_ns,
    peak_rss_mib,
    run_floor,
    running_baseline,
    running_doka,
)
from benchmarks.endpoint import Landings
from benchmarks.revisions import Revision
from tests.containers.service import DokaProcess

Figures = Mapping[str, float]
Round = Mapping[str, Figures]
"""What each contender showed: its name -> figure -> value."""

START_SECONDS = 60.0
SETTLE_SECONDS = 2.0
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


def throughput_round(place: Place, case: Case, records: int, extent: Extent, *, turned: bool = False) -> Round:
    """Forward a filled topic by each of the three, by doka as in the case beside, and by what ran before where that is asked for.

    `turned`: these before the present one, since what comes second may find the broker warmer.
    """
    figures: dict[str, Figures] = {"floor": run_floor(place, records)}
    of_doka: list[tuple[str, Case, Revision | None]] = [("doka", case, None)]
    others: list[tuple[str, Case, Revision | None]] = []
    beside = compared_with(case)
    if beside is not None:
        others.append(("beside", beside, None))
    if place.revisions is not None:
        others.append(("before", case, place.revisions.before))
    for name, settings, revision in others + of_doka if turned else of_doka + others:
        figures[name] = _backlog(place, settings, revision, records, extent)
    place.endpoint.forget(delay=case.delay)
    with running_baseline(place) as child:
        figures["baseline"] = _window(place, child.pid, first_landing(place, child), records, extent.baseline)
    return figures


def _backlog(place: Place, case: Case, revision: Revision | None, records: int, extent: Extent) -> Figures:
    place.endpoint.forget(delay=case.delay, aggregates_of=case.aggregates_of)
    with running_doka(place, case, revision) as doka:
        first = first_landing(place, doka.child)
        to_first = first.first / NS + _epoch_of_monotonic() - assigned_at(doka)
        if case.workers > 1:
            assigned_at(doka, case.workers)
            first = place.endpoint.landings()  # what the first one did alone does not count
        figures = backlog_of_doka(place, doka, first, records * case.tee, extent.doka)
    return figures | {"assigned_to_first_seconds": to_first}


def idle_round(place: Place, case: Case, extent: Extent) -> Round:
    """Leave the service alone with an empty topic."""
    place.endpoint.forget()
    with running_doka(place, case) as doka:
        assigned_at(doka)
        place.endpoint.wait_for(1, SETTLE_SECONDS)
        begun, cpu_begun = time.monotonic_ns(), cpu_ns(doka.child.pid)
        place.endpoint.wait_for(1, extent.idle)
        share = (cpu_ns(doka.child.pid) - cpu_begun) / (time.monotonic_ns() - begun)
        check_end(place, doka, 0)
        return {"doka": {"idle_cpu_percent": share * 100}}


def backlog_of_doka(place: Place, doka: DokaProcess, first: Landings, records: int, within: float) -> dict[str, float]:
    """Give the figures of a service that works at a backlog, stop it, and see that nothing was wrong."""
    figures = _window(place, doka.child.pid, first, records, within)
    check_end(place, doka, records if figures["landed"] == records else None)
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


def check_end(place: Place, doka: DokaProcess, records: int | None) -> None:
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
