"""Python's garbage collector, set for a service that makes many objects and next to no cycles.

Records come and go by reference counts: whatever a batch makes is gone when it has settled. The collector's defaults
look through the young objects each 700 allocations all the same, which is several times a batch, and through all that
start-up has made now and then; together it was a sixth of the CPU time of a record (`python -m benchmarks.stages`).
It stays on, for the cycles that libraries leave behind.

A start makes some hundred thousand objects that stay, and the collector looks through them again and again as they
come: a tenth of the start's CPU time, for nothing.
"""

from __future__ import annotations

import gc

YOUNG_OBJECTS_MAX = 50_000
"""More survivors than this are looked through; some megabytes at most wait for it if all of them were cycles."""


def begin_without_the_collector() -> None:
    """Look for nothing from now on, until `spare_the_collector`: what a start imports and makes stays."""
    gc.disable()


def spare_the_collector() -> None:
    """Leave out what exists by now for good, and look at what is young less often. Call it once, before the loop."""
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX, *gc.get_threshold()[1:])
