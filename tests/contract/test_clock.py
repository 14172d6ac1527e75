"""The same cases against both adapters of the port `Clock`."""

from __future__ import annotations

import pytest

from doka.adapters.simulated.clock import SimulatedClock
from doka.adapters.simulated.timeline import Timeline
from doka.adapters.system.clock import SystemClock
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock

YEAR_2020, YEAR_2100 = 1_577_836_800.0, 4_102_444_800.0


@pytest.fixture(params=["system", "simulated"])
def clock(request: pytest.FixtureRequest) -> Clock:
    """Give each clock."""
    return SystemClock() if request.param == "system" else SimulatedClock(Timeline())


def test_now_is_whole_nanoseconds_that_never_go_back(clock: Clock) -> None:
    """A thousand readings ascend, or stand still."""
    readings = [clock.now() for _ in range(1_000)]
    assert sorted(readings) == readings
    assert {int} == set(map(type, readings))
    assert readings[0] > 0


def test_wall_is_seconds_since_the_epoch(clock: Clock) -> None:
    """A person can read it: it lies in this century."""
    assert YEAR_2020 < clock.wall() < YEAR_2100


def test_the_two_readings_are_not_one(clock: Clock) -> None:
    """Now counts from something else than the epoch, so that nobody takes one for the other."""
    assert abs(clock.now() / NS_PER_SECOND - clock.wall()) > 365 * 24 * 3600
