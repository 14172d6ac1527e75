"""When a peak of memory counts."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from benchmarks import memory


def test_a_peak_counts_when_it_rises_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as it rises by more than the noise, the wait begins anew; the last and highest value is given."""
    peaks: Iterator[float] = iter([50.0, 60.0, 70.0, 80.0])
    last = 80.5
    seen: list[float] = []

    def peak(process: int) -> float:
        assert process == os.getpid()
        seen.append(next(peaks, last))
        return seen[-1]

    monkeypatch.setattr(memory, "peak_rss_mib", peak)
    assert last == memory.level(os.getpid(), 0.3)
    assert len(seen) > 5
