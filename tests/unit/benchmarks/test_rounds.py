from __future__ import annotations

import pytest

from benchmarks.broker import EMBEDDED
from benchmarks.cases import Case
from benchmarks.latency import met, percentile, spread
from benchmarks.rounds import FULL, QUICK, BrokenRunError
from benchmarks.run import EMBEDDED_BYTES, how_many


@pytest.mark.parametrize(("share", "value"), [(1, 1), (50, 50), (99, 99), (100, 100)])
def test_a_percentile_is_one_of_the_values(share: int, value: int) -> None:
    """Of 1 to 100 the n-th percentile is n: at least n percent are not above it."""
    assert value == percentile(list(range(1, 101)), share)


def test_one_value_is_every_percentile() -> None:
    """A single record has a latency as well."""
    assert {"p50_ms": 7.0, "p99_ms": 7.0, "most_ms": 7.0} == spread([7_000])


def test_latencies_come_in_any_order() -> None:
    """The spread is in ms, of values in us that nobody sorted."""
    assert {"p50_ms": 2.0, "p99_ms": 3.0, "most_ms": 3.0} == spread([3_000, 1_000, 2_000])


def test_what_is_dokas_own_is_taken_record_by_record() -> None:
    """Each record that landed meets the same one of the floor, told by when it was produced; a stranger is an error."""
    landed, consumed = [(7, 40), (5, 90), (7, 45)], [(5, 10), (7, 20), (7, 20), (9, 99)]
    assert [(40, 20), (90, 10), (45, 20)] == met(landed, consumed)
    with pytest.raises(BrokenRunError):
        met([(8, 1)], consumed)


def test_a_short_round_and_the_mock_cluster_take_fewer_records() -> None:
    """The short round takes its share; the embedded cluster takes what it can hold without dropping any."""
    case = Case("any", "any", size=1_000, partitions=2, records=1_000_000)
    assert 1_000_000 == how_many(case, FULL, embedded=False)
    assert 300_000 == how_many(case, QUICK, embedded=False)
    assert EMBEDDED_BYTES * 2 // 1_000 == how_many(case, FULL, embedded=True)
    assert "mock" in EMBEDDED
