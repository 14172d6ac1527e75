"""What `limits.held_mib` promises: a service that can send nothing, with far more to fetch than it may hold.

The endpoint takes requests and answers none in time, so everything that doka may hold is held, as often as it may be:
in librdkafka's queue, in the domain, and in the bodies of requests in flight.
What the same service has resident with nothing to do, on the same machine, is the base beside it.
"""

from __future__ import annotations

import time

from benchmarks.cases import Case
from benchmarks.contenders import Place, assigned_at, peak_rss_mib, running_doka
from benchmarks.rounds import BrokenRunError, Extent, Figures
from tests.waiting import eventually

NEVER_SECONDS = 3_600.0
LEVEL_SECONDS = 10.0
"""A peak counts when it has not risen for so long: a request that times out after 10 s is built anew."""
LEVEL_MIB = 1.0
WITHIN_SECONDS = 180.0


def memory_of_doka(place: Place, case: Case, extent: Extent) -> Figures:
    """Give the most that doka had resident at a filled topic and an endpoint that answers nothing."""
    place.endpoint.forget(delay=NEVER_SECONDS)
    with running_doka(place, case) as doka:
        assigned_at(doka)
        peak = level(doka.child.pid, LEVEL_SECONDS * (1 + 2 * extent.share))
        held, in_flight = doka.metric("doka_held_bytes") / 2**20, doka.metric("doka_puts_in_flight")
    if not held or not in_flight:
        raise BrokenRunError(f"{held:.0f} MiB were held and {in_flight:.0f} requests in flight: nothing was stalled")
    return {"rss_mib": peak, "held_mib": held, "puts_in_flight": in_flight}


def base_of_doka(place: Place, case: Case) -> Figures:
    """Give the most that doka had resident with an empty topic."""
    with running_doka(place, case) as doka:
        assigned_at(doka)
        return {"base_mib": level(doka.child.pid, LEVEL_SECONDS / 2)}


def level(process: int, seconds: float) -> float:
    """Wait until the peak of what is resident has not risen for so long; gives it, in MiB."""
    peak, since = peak_rss_mib(process), time.monotonic()

    def is_level() -> bool:
        nonlocal peak, since
        now = peak_rss_mib(process)
        if now > peak + LEVEL_MIB:
            peak, since = now, time.monotonic()
        return time.monotonic() - since >= seconds

    eventually(is_level, within=WITHIN_SECONDS, what="the memory to level off", every=0.2)
    return peak_rss_mib(process)
