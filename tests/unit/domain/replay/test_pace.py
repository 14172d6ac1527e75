"""How fast a replay reads."""

from __future__ import annotations

import pytest

from doka.domain.limits import NS_PER_SECOND
from doka.domain.replay.pace import BURST_NS, SHARE_MIN, Pace

SECOND = NS_PER_SECOND
KIB = 1024


def read(pace: Pace, begin: int, seconds: float, record_bytes: int = 10, step: int = SECOND // 100) -> int:
    """Read whatever is allowed, looking each step; give how many records those were."""
    records, now = 0, begin
    while now < begin + seconds * SECOND:
        allowed = pace.allowed(now)
        if allowed:
            records += allowed
            pace.spent(allowed, allowed * record_bytes, now)
        now += step
    return records


@pytest.mark.parametrize("rate", [1, 7, 250, 40_000])
def test_so_many_records_a_second_are_read(rate: int) -> None:
    """Few and many: the burst at the beginning is all that comes on top."""
    assert read(Pace(rate, 0), 0, 60) == pytest.approx(60 * rate, rel=0.03, abs=1)


def test_large_records_are_paced_by_their_bytes() -> None:
    """As a shard counts them: a thousand records a second go with 1 MiB, so 250 go with 256 KiB."""
    assert read(Pace(250, 0), 0, 60, record_bytes=64 * KIB) == pytest.approx(60 * 4, rel=0.03)


def test_who_has_not_read_for_long_has_a_burst_in_hand_and_no_more() -> None:
    """An hour of silence is no reason to take the stream for a minute."""
    pace = Pace(1_000, 0)
    assert pace.allowed(3_600 * SECOND) == 1_000 * BURST_NS // SECOND


def test_it_says_from_when_on_more_may_be_read() -> None:
    """Nothing is allowed before, something then."""
    pace = Pace(10, 0)
    pace.spent(5, 0, 0)
    assert (0, SECOND // 2) == (pace.allowed(SECOND // 2 - 1), pace.rests_until())
    assert 1 == pace.allowed(SECOND // 2)


def test_a_stream_that_throttles_halves_the_pace_and_gives_it_back_slowly() -> None:
    """Once a second at most, for what was read before goes on being throttled; never down to nothing."""
    pace = Pace(1_000, 0)
    for tenth in range(10):
        pace.throttled(tenth * SECOND // 10)
    assert pace.records_per_second(SECOND // 10) == pytest.approx(500, rel=0.05)
    for second in range(1, 60):
        pace.throttled(second * SECOND)
    slowest = pace.records_per_second(60 * SECOND)
    assert 1_000 * SHARE_MIN <= slowest <= 1_000 * SHARE_MIN * 3
    assert read(pace, 60 * SECOND, 1) < 100
    assert pace.records_per_second(600 * SECOND) == 1_000
