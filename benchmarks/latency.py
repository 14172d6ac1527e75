"""How long a record takes at a steady rate: from being produced to being acknowledged, and how much of that is doka's own.

The floor consumes the same records at the same time, in another process and another group.
What lies between the moment at which it has a record and the moment at which the endpoint has it, is what doka adds:
fetching, packing, signing, sending. What lies before is the producer's, the broker's and the client's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from benchmarks.cases import Case
from benchmarks.contenders import (
    Place,
    assigned_at,
    cpu_ns,
    peak_rss_mib,
    running_baseline,
    running_doka,
    watching_floor,
)
from benchmarks.endpoint import Landings
from benchmarks.feeding import Feed
from benchmarks.revisions import Revision
from benchmarks.rounds import START_SECONDS, BrokenRunError, Extent, Round, check_end

WARM_SECONDS = 5.0
"""A broker just started compiles its own code for as long as that."""

AT_ONCE_MAX, LINGER_MS = 1_000, 5
"""A producer of more records a second than that batches them, or the broker has a request for each."""

Times = Sequence[tuple[int, int]]
"""When each record was produced, in us of CLOCK_MONOTONIC, and how old it was then, in us."""


def latency_of_doka(place: Place, case: Case, extent: Extent) -> Round:
    """Let records trickle into an empty topic; gives how long they took, and how long of that was doka's own."""
    figures, floor = _beside_the_floor(place, case, extent)
    return {"doka": figures, "floor": floor}


def _beside_the_floor(
    place: Place, case: Case, extent: Extent, revision: Revision | None = None
) -> tuple[dict[str, float], dict[str, float]]:
    """Give the figures of doka, and those of the floor, which consumes the same records at the same time."""
    with running_doka(place, case, revision) as doka:
        assigned_at(doka)
        warm = int(case.rate * WARM_SECONDS)
        with watching_floor(place, warm + int(case.rate * extent.latency), warm) as floor:
            landed, figures = trickle(place, case, doka.child.pid, extent.latency)
            seen = json.loads(floor.communicate(timeout=START_SECONDS)[0])
        check_end(place, doka, None)
    pairs = met(landed, seen["ages"])
    own = sorted(age - before for age, before in pairs)
    above = {"p50_above_ms": percentile(own, 50) / 1e3, "p99_above_ms": percentile(own, 99) / 1e3}
    return figures | above, spread([before for _, before in pairs]) | {"cpu_us": seen["cpu_us"]}


def cost_at_once(place: Place, case: Case, extent: Extent) -> Round:
    """Do the same with doka as it is where no record waits for others; gives what that costs."""
    with running_doka(place, replace(case, limits={**case.limits, "linger_ms": 0})) as doka:
        assigned_at(doka)
        figures = trickle(place, case, doka.child.pid, extent.latency)[1]
        check_end(place, doka, None)
    return {"at_once": figures}


def latency_of_before(place: Place, case: Case, extent: Extent, revision: Revision) -> Round:
    """Do the same with the code of an older commit, on an empty topic of its own, beside a floor as well: it takes its share."""
    return {"before": _beside_the_floor(place, case, extent, revision)[0]}


def latency_of_baseline(place: Place, case: Case, extent: Extent) -> Round:
    """Do the same with the usual loop, on an empty topic of its own."""
    with running_baseline(place) as child:
        return {"baseline": trickle(place, case, child.pid, extent.latency)[1]}


def trickle(place: Place, case: Case, process: int, seconds: float) -> tuple[Times, dict[str, float]]:
    """Warm up, then give when the records of a steady rate landed, their spread, and what it cost."""
    linger_ms = 0 if case.one_by_one or case.rate <= AT_ONCE_MAX else LINGER_MS
    feed = Feed(place.bootstrap_servers, place.topics, case.load, linger_ms=linger_ms)
    place.endpoint.forget(delay=case.delay, aggregates_of=case.aggregates_of)
    _all_landed(place, feed.trickle(case.rate, WARM_SECONDS))
    place.endpoint.forget(delay=case.delay, stamped=True, aggregates_of=case.aggregates_of)
    cpu_begun = cpu_ns(process)
    produced = feed.trickle(case.rate, seconds)
    landings = _all_landed(place, produced)
    cpu = cpu_ns(process) - cpu_begun
    figures = spread(landings.latencies_us) | {
        "cpu_us": cpu / produced / 1e3,
        "rss_mib": peak_rss_mib(process),
        "landed": len(landings.latencies_us),
    }
    return list(zip(landings.produced_us, landings.latencies_us, strict=True)), figures


def met(landed: Times, consumed: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Give the ages of each record that landed: then, and when the floor had it. Raises BrokenRunError for a stranger."""
    ages: dict[int, list[int]] = {}
    for produced, age in consumed:
        ages.setdefault(produced, []).append(age)
    try:
        return [(age, ages[produced].pop()) for produced, age in landed]
    except (KeyError, IndexError):
        raise BrokenRunError("a record landed that the floor did not consume") from None


def spread(took_us: Iterable[int]) -> dict[str, float]:
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
