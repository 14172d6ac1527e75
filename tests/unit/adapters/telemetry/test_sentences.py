from __future__ import annotations

import pytest

from doka.adapters.telemetry.sentences import figures, many, size, span
from doka.domain.facts import RecordsWillRepeat
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from tests.unit.adapters.telemetry.given import ORDERS_3


@pytest.mark.parametrize(
    ("ns", "said"),
    [
        (0, "0 ms"),
        (23 * NS_PER_MS, "23 ms"),
        (1_200 * NS_PER_MS, "1.2 s"),
        (90 * NS_PER_SECOND, "90 s"),
        (600 * NS_PER_SECOND, "10 min"),
        (3 * 3600 * NS_PER_SECOND, "3 h"),
        (-5 * NS_PER_SECOND, "-5 s"),
    ],
)
def test_spans(ns: int, said: str) -> None:
    """Durations are said in the unit in which a person thinks of them."""
    assert said == span(ns)


def test_sizes_and_counts() -> None:
    """Bytes are said in binary units, and one thing is not «1 things»."""
    assert ["512 B", "1.5 KiB", "2.0 MiB", "3.0 GiB"] == [size(n) for n in (512, 1536, 2 << 20, 3 << 30)]
    assert ["1 record", "12,000 records"] == [many(1, "record"), many(12_000, "record")]


def test_figures_name_a_partition_by_two_fields_and_come_in_order() -> None:
    """As they are asked for, and then what was made of others."""
    found = figures(RecordsWillRepeat(ORDERS_3, 9, "orders"), "partition", "records", seconds=1.5)
    assert [("topic", "orders"), ("partition", 3), ("records", 9), ("seconds", 1.5)] == list(found.items())
