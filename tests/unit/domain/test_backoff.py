from __future__ import annotations

import pytest

from doka.domain.backoff import backoff
from doka.domain.limits import BACKOFF_FIRST_NS, BACKOFF_LAST_NS
from tests.unit.domain.builders import MS, SECOND, most_jitter, no_jitter


@pytest.mark.parametrize(("attempt", "ceiling"), [(1, 100 * MS), (2, 200 * MS), (5, 1_600 * MS), (10, 51_200 * MS)])
def test_doubles(attempt: int, ceiling: int) -> None:
    """Each failed try doubles the ceiling, and the wait lies between a twentieth of it and all of it."""
    assert ceiling // 20 == backoff(attempt, no_jitter)
    assert ceiling * 0.999 < backoff(attempt, most_jitter) <= ceiling


@pytest.mark.parametrize("attempt", [11, 60, 10_000])
def test_has_a_ceiling(attempt: int) -> None:
    """However often it failed, the wait never exceeds the last ceiling."""
    assert BACKOFF_LAST_NS // 20 <= backoff(attempt, most_jitter) <= BACKOFF_LAST_NS
    assert 5 * SECOND >= backoff(attempt, most_jitter, last=5 * SECOND)


def test_takes_another_first_ceiling() -> None:
    """The caller may begin elsewhere."""
    assert 1 * SECOND // 20 == backoff(1, no_jitter, first=1 * SECOND)


def test_before_the_first_failure_is_like_the_first() -> None:
    """Zero failed tries do not make the wait vanish."""
    assert BACKOFF_FIRST_NS // 20 == backoff(0, no_jitter)


def test_is_spread() -> None:
    """The draw decides where between the bounds: half a draw lies in the middle."""
    assert 100 * MS // 20 + (100 * MS - 100 * MS // 20) // 2 == backoff(1, lambda: 0.5)
