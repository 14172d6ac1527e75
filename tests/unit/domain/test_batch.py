"""What a transform is given, and what is looked at of what it leaves."""

from __future__ import annotations

from typing import Any

import pytest

from doka.domain.batch import Batch, BatchError, NotReadError


def batch(records: int = 3, **more: Any) -> Batch:
    """Make a batch of numbered records."""
    return Batch("orders", 1, range(records), [b"k"] * records, [b"%d" % number for number in range(records)], **more)


def test_columns_are_as_long_as_the_batch() -> None:
    """Values can be changed in place, whatever column they came from; no partition key is chosen."""
    given = batch()
    given.values[1] = None
    given.check()
    assert (3, [b"0", None, b"2"], [None] * 3) == (len(given), given.values, given.partition_keys)
    assert "Batch(orders[1], 3 records)" == repr(given)


@pytest.mark.parametrize("index", [-1, 3])
def test_only_records_of_the_batch_can_be_dropped_or_refused(index: int) -> None:
    """A negative index is no record either: it would be another one in each half of a batch."""
    for of in (batch().drop, batch().refuse):
        with pytest.raises(IndexError, match=f"a batch of 3 records has no record {index}"):
            of(index)


def test_what_is_refused_is_not_dropped() -> None:
    """Whatever comes first: what can never land is not left out in silence."""
    given = batch()
    given.refuse(1)
    given.drop(1)
    given.drop(0)
    given.drop(0)
    assert (frozenset({0}), frozenset({1})) == (given.dropped, given.refused)


@pytest.mark.parametrize("name", ["headers", "timestamps_ms"])
def test_what_is_not_read_is_not_there(name: str) -> None:
    """And the error says how it comes there."""
    with pytest.raises(NotReadError, match=r"@transform\((headers|timestamps)=True\)"):
        getattr(batch(), name)
    given = batch(headers=[()] * 3, timestamps_ms=[None, 1, 2])
    assert ([()] * 3, [None, 1, 2]) == (given.headers, given.timestamps_ms)


@pytest.mark.parametrize(
    ("name", "column", "told"),
    [
        ("values", [b"0", b"1"], "values has 2 entries for 3 records"),
        ("values", [b"0", b"1", "2"], "values holds something that is not bytes or None"),
        ("values", [b"0", b"1", bytearray(b"2")], "values holds something that is not bytes or None"),
        ("partition_keys", ["a"] * 4, "partition_keys has 4 entries for 3 records"),
        ("partition_keys", ["a", None, 3], "partition_keys holds something that is not str or None"),
    ],
)
def test_what_is_no_batch_any_more_is_told(name: str, column: list[object], told: str) -> None:
    """Nothing that was left out of a column by mistake is believed."""
    given = batch()
    setattr(given, name, column)
    with pytest.raises(BatchError, match=told):
        given.check()
