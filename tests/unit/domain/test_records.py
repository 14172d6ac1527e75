from __future__ import annotations

from itertools import pairwise

import pytest

from doka.domain.records import TopicPartition
from tests.unit.domain.builders import Extras, chunk


def test_payload_counts_keys_and_values() -> None:
    """Bytes of keys and values are counted once, and nulls count nothing."""
    assert 2 + 1 + 4 == chunk(["ab", None, "c"], values=[None, b"1234", b""]).payload_bytes


def test_end_is_one_above_the_last() -> None:
    """The end of a chunk is what a commit of it writes, holes or not."""
    assert 10 == chunk("abc", offsets=[1, 4, 9]).end


def test_a_part_holds_its_columns() -> None:
    """A part is a chunk of its own: each column cut at the same places, its bytes its own."""
    whole = chunk("abc", offsets=[1, 4, 9], originals=[Extras(), Extras(), Extras([("x", b"1")])])
    part = whole.part(1, 3)
    assert ([4, 9], [b"b", b"c"], [b"4", b"9"], 4, 2) == (
        part.offsets,
        part.keys,
        part.values,
        part.payload_bytes,
        part.count,
    )
    assert whole.originals[1:] == part.originals


@pytest.mark.parametrize("cuts", [(0, 3), (0, 1, 3), (0, 2, 3), (0, 1, 2, 3)])
def test_parts_add_up(cuts: tuple[int, ...]) -> None:
    """Bytes of the parts are the bytes of the whole."""
    whole = chunk(["abc", None, "d"])
    sizes = [whole.part(first, last).payload_bytes for first, last in pairwise(cuts)]
    assert whole.payload_bytes == sum(sizes)


def test_shows_no_payload() -> None:
    """What a log or an error may print names place and count only."""
    assert "Chunk(orders[0] 1..2, 2 records)" == repr(chunk(["secret", "key"], start=1))
    assert "orders[3]" == str(TopicPartition("orders", 3))
