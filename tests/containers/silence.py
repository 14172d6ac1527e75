"""I21 beside real parts: whenever records have waited in Kafka for more than half a minute, a page of the service says so.

The simulator holds every seed to this rule (tests/simulation/invariants/silence.py); here a thread asks the pages of a real
process, as a probe and a scrape do, while a test does to it whatever it does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.containers.feeding import Feeder
from tests.containers.service import DokaProcess

SILENT_AT_MOST_SECONDS = 30.0
BEHIND_SECONDS = 5.0  # what a figure may be below the true wait: pages are a second old, and the machine is busy
ASK_EVERY_SECONDS = 1.0
LAGS = {"doka_lag_seconds", "doka_waiting_seconds"}


@dataclass
class Watch:
    """What was seen: how often records had waited for too long, and what the pages said when they said nothing."""

    judged: int = 0
    silent: list[str] = field(default_factory=list)

    def assert_never_silent(self, *, judged: bool = False) -> None:
        """Assert the rule; `judged`: the test makes records wait for so long, so it must have been asked."""
        assert [] == self.silent
        assert self.judged or not judged, "no record waited for long enough: this proves nothing"


@contextmanager
def watched(doka: DokaProcess, feeder: Feeder, landed: Callable[[], int]) -> Iterator[Watch]:
    """Ask the pages of a running service until the block ends.

    `landed` counts what is in the stream; what is there twice counts twice, so the rule is asked too seldom, never wrongly.
    What waits counts from when the service first owned something, as in the simulator: it cannot know of what was before.
    """
    watch, over = Watch(), threading.Event()

    def ask() -> None:
        began: float | None = None
        while not over.wait(ASK_EVERY_SECONDS):
            try:
                if began is not None:
                    _look(watch, doka, feeder, landed, began)
                elif doka.metric("doka_partitions_owned"):
                    began = time.monotonic()
            except OSError:
                if doka.runs:
                    raise

    thread = threading.Thread(target=ask, name="silence")
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()


def _look(watch: Watch, doka: DokaProcess, feeder: Feeder, landed: Callable[[], int], began: float) -> None:
    asked = time.monotonic()
    if _waits(feeder, landed, began, asked) <= SILENT_AT_MOST_SECONDS:
        return
    ready, reasons = doka.readiness()
    samples = doka.samples()
    waits = _waits(
        feeder, landed, began, asked
    )  # of what waits still: the pages need not speak of what landed meanwhile
    if waits <= SILENT_AT_MOST_SECONDS:
        return
    watch.judged += 1
    lag = max((sample.value for sample in samples if sample.name in LAGS), default=0.0)
    stuck = any(sample.value for sample in samples if sample.name == "doka_partition_stuck")
    if ready and not stuck and lag < waits - BEHIND_SECONDS:
        watch.silent.append(f"records have waited for {waits:.0f} s: ready, nothing stuck, a lag of {lag} s {reasons}")


def _waits(feeder: Feeder, landed: Callable[[], int], began: float, now: float) -> float:
    """Give for how many seconds at least one record has waited that has not landed; 0 where all have."""
    there = landed()
    fed_at = next((moment for moment, total in feeder.fed_at if total > there), now)
    return now - max(fed_at, began)
