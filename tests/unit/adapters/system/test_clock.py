from __future__ import annotations

import time

import pytest

from doka.adapters.system import clock as clock_module
from doka.adapters.system.clock import SystemClock
from doka.domain.ports import Clock


def test_now_runs_on_the_clock_that_counts_suspended_time() -> None:
    """Between two readings of CLOCK_BOOTTIME lies the reading of the system clock."""
    clock: Clock = SystemClock()
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    now = clock.now()
    after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert sorted([before, now, after]) == [before, now, after]


def test_now_is_monotonic_where_the_platform_has_no_boottime(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without CLOCK_BOOTTIME the monotonic clock stands in."""
    monkeypatch.setattr(clock_module, "_RUNS_THROUGH_SUSPEND", None)
    before = time.monotonic_ns()
    now = SystemClock().now()
    after = time.monotonic_ns()
    assert sorted([before, now, after]) == [before, now, after]


def test_wall_is_seconds_since_the_epoch() -> None:
    """Between two readings of the wall clock lies the reading of the system clock."""
    before = time.time()
    wall = SystemClock().wall()
    after = time.time()
    assert before <= wall <= after
