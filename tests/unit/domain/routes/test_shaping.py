"""Which records a route leaves out, and what stays of a chunk."""

from __future__ import annotations

import pytest

from doka.domain.errors import InvariantError
from doka.domain.records import Chunk, TopicPartition
from doka.domain.routes.fields import UNREADABLE_HEADERS
from doka.domain.routes.mapping import NO_KEY, RecordMapping
from doka.domain.routes.shaping import ABSENT, NOT_JSON, OTHER, Shaped, Shaping, shaping_of
from doka.domain.rules import NullKey, Only
from tests.unit.domain.builders import STAMP_MS, Extras, HeadersRefused, chunk, no_jitter, route_rules

BY_TYPE = Only("pointer:/type", frozenset({"created", "1", "true"}))
BY_HEADER = Only("header:type", frozenset({"created", "\N{SNOWMAN}"}))


def shaped(of: Chunk, only: Only = BY_TYPE) -> Shaped:
    """Shape a chunk by a filter."""
    made = shaping_of(route_rules(only=only))
    assert made is not None
    return made.of(of)


def valued(*values: bytes | None) -> Chunk:
    """Make a chunk of these values."""
    return chunk(["k"] * len(values), values=values, start=10)


def test_a_route_without_a_filter_has_no_such_step() -> None:
    """What is off is not there."""
    assert shaping_of(route_rules()) is None


def test_who_only_looks_asks_the_same_of_every_route() -> None:
    """Where nothing stands before the mapping, the same chunk goes on, under the keys that the route's rule gives."""
    given = valued(b"no JSON", None)
    assert Shaped(given, {}, {}) == Shaping(route_rules()).of(given)


def test_a_chunk_of_which_all_goes_on_is_the_same_chunk() -> None:
    """Nothing is copied."""
    given = valued(b'{"type":"created"}', b'{"type":1}', b'{"type":true}')
    assert Shaped(given, {}, {}) == shaped(given)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b'{"type":"deleted"}', OTHER),
        (b'{"type":"Created"}', OTHER),
        (b'{"type":1.0}', OTHER),
        (b'{"type":null}', ABSENT),
        (b'{"type":["created"]}', ABSENT),
        (b'{"kind":"created"}', ABSENT),
        (b'"created"', ABSENT),
        (b"", ABSENT),
        (None, ABSENT),
    ],
)
def test_what_is_filtered_and_why(value: bytes | None, why: str) -> None:
    """Texts are compared as they are; a tombstone has no field."""
    assert Shaped(None, {}, {0: why}) == shaped(valued(value))


def test_what_is_filtered_is_a_hole_in_the_columns() -> None:
    """Each record keeps its own key, value, original and place, and the chunk its time."""
    wanted, other = b'{"type":"created"}', b'{"type":"deleted"}'
    extras = [Extras(of_key=b"%d" % place) for place in range(4)]
    places = [(TopicPartition("first", place), place) for place in range(4)]
    given = Chunk(
        TopicPartition("orders", 0), [5, 7, 8, 9], [b"a", b"b", None, b"d"], [other, wanted, wanted, other], STAMP_MS,
        originals=extras, header_bytes=3, origins=places,
    )  # fmt: skip
    left, poison, filtered = shaped(given)[:3]
    assert left is not None
    assert ({}, {0: OTHER, 3: OTHER}) == (poison, filtered)
    assert ([7, 8], [b"b", None], [wanted, wanted], 9) == (left.offsets, left.keys, left.values, left.end)
    assert (extras[1:3], places[1:3]) == (left.originals, left.origins)
    assert (STAMP_MS, 3) == (left.timestamp_ms, left.header_bytes)


def test_what_is_not_json_is_never_filtered() -> None:
    """Nobody knows whether it was wanted, so the policy of its route decides; its place is that of what is left."""
    left, poison, filtered = shaped(valued(b'{"type":"deleted"}', b'{"type":"crea', b'{"type":"created"}'))[:3]
    assert left is not None
    assert ([11, 12], {0: NOT_JSON}, {0: OTHER}) == (left.offsets, poison, filtered)


def test_poison_that_was_found_keeps_its_code_in_the_mapping() -> None:
    """Also where the same value gives no key either."""
    rules = route_rules(only=BY_TYPE, partition_key="field:/id", null_key=NullKey.REJECT)
    left, found, _ = shaped(valued(b"no json", b'{"type":"created"}'))[:3]
    assert left is not None
    _, _, poison = RecordMapping(rules, no_jitter).map(left, 1_000, found)
    assert {0: NOT_JSON, 1: NO_KEY} == poison
    assert {0: NOT_JSON} == found


def test_headers_decide() -> None:
    """The last of a name counts, as for keys; values are compared as bytes of UTF-8."""
    headers: list[list[tuple[str, bytes | None]] | None] = [
        [("type", b"created")],
        [("type", b"created"), ("type", b"deleted")],
        [("type", "\N{SNOWMAN}".encode())],
        [("type", None)],
        [("kind", b"created")],
        None,
    ]
    left, poison, filtered = shaped(chunk("abcdef", originals=[Extras(of) for of in headers]), BY_HEADER)[:3]
    assert left is not None
    assert [0, 2] == left.offsets
    assert ({}, {1: OTHER, 3: ABSENT, 4: ABSENT, 5: ABSENT}) == (poison, filtered)


def test_headers_that_cannot_be_read_filter_nothing() -> None:
    """They are poison, and are not asked for again by the mapping behind."""
    left, found, filtered = shaped(chunk("ab", originals=[Extras(None), HeadersRefused()]), BY_HEADER)[:3]
    assert left is not None
    assert ([1], {0: UNREADABLE_HEADERS}, {0: ABSENT}) == (left.offsets, found, filtered)
    rules = route_rules(only=BY_HEADER, partition_key="header:tenant", envelope=True)
    assert {0: UNREADABLE_HEADERS} == RecordMapping(rules, no_jitter).map(left, 1_000, found)[2]


def test_headers_need_the_whole_records() -> None:
    """And so does the source; a field of the value does not."""
    assert (True, False) == (route_rules(only=BY_HEADER).needs_originals, route_rules(only=BY_TYPE).needs_originals)
    with pytest.raises(InvariantError, match="without its originals"):
        shaped(chunk("a"), BY_HEADER)
