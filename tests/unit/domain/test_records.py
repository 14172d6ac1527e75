from __future__ import annotations

from itertools import pairwise

import pytest

from doka.domain.records import AskedOnce, Chunk, TopicPartition, ask_headers
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


class Unreadable:
    """A record that refuses its headers the first time, as the client does, and must not be asked again by a route."""

    asked = 0

    def key(self) -> bytes | None:
        """Give none."""
        return None

    def value(self) -> bytes | None:
        """Give none."""
        return None

    def timestamp(self) -> tuple[int, int]:
        """Give none."""
        return 0, 0

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        """Fail once, then give what cannot be touched."""
        self.asked += 1
        if self.asked == 1:
            raise SystemError("a name that is no text")
        return []


def test_headers_that_are_refused_are_refused_to_each_route_alike() -> None:
    """The client is asked once; who can bear what it gives then finds the record itself."""
    record = Unreadable()
    given = Chunk(TopicPartition("orders", 0), [7], [b"k"], [b"v"], 5, originals=[record], header_bytes=3)
    several = given.for_several()
    for _ in range(3):
        with pytest.raises(SystemError, match="no text"):
            ask_headers(several.originals[0])
    (asked,) = several.originals
    assert isinstance(asked, AskedOnce)
    assert (1, True) == (record.asked, asked.record is record)
    assert (given.offsets, given.keys, 5, 3) == (
        several.offsets,
        several.keys,
        several.timestamp_ms,
        several.header_bytes,
    )


def test_a_chunk_without_whole_records_is_for_several_as_it_is() -> None:
    """Nothing is copied where nobody needs more than key and value."""
    given = Chunk(TopicPartition("orders", 0), [7], [b"k"], [b"v"])
    assert given.for_several() is given
