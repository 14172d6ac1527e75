"""What records would become, told before they are sent."""

from __future__ import annotations

import pytest

from doka.adapters.compression.gzip import GZIP
from doka.domain.compression import UNCOMPRESSED_BYTES_MAX
from doka.domain.events import ShardRange, StreamDescribed
from doka.domain.limits import RECORD_BYTES_DEFAULT
from doka.domain.poison.quarantine import TOO_LARGE
from doka.domain.records import Chunk
from doka.domain.routes.fields import UNREADABLE_HEADERS
from doka.domain.routes.mapping import EMPTY_KEY, KEY_TOO_LONG, NO_KEY, NO_VALUE
from doka.domain.routes.preview import DRAWN_KEY_BYTES_MAX, Preview, Previews
from doka.domain.routes.shaping import NOT_JSON
from doka.domain.rules import AggregationRules, NullKey, NullValue, Only
from tests.unit.domain.builders import ORDERS, Extras, HeadersRefused, chunk, described, route_rules

QUARTER = 1 << 126
SHARDS = tuple(ShardRange(f"shard-{number}", number * QUARTER) for number in (2, 0, 3, 1))
STREAM = described(shards=SHARDS)


def previews(of: Chunk, stream: StreamDescribed | None = STREAM, **changes: object) -> list[Preview]:
    """Preview a chunk under rules with these changes."""
    return list(Previews(route_rules(**changes), stream).of(of))


def test_a_record_is_told_with_key_data_bytes_and_shard() -> None:
    """Shards in any order: the MD5 of a, 0cc1..., is in the first quarter, that of b, 92eb..., in the third."""
    a, b = previews(chunk(["a", "b"], start=7, values=[b"12", None], originals=[Extras(), Extras(None, (0, 0))]))
    assert Preview(ORDERS, 7, 1_700_000_000_000, "a", b"12", 3, "shard-0", None, value=b"12") == a
    assert Preview(ORDERS, 8, None, "b", b"", 1, "shard-2", None) == b


def test_bytes_are_those_of_the_key_as_it_is_sent() -> None:
    """A key that is not UTF-8 becomes base64, and counts as that."""
    (found,) = previews(chunk([b"\xff\xfe\x00"], values=[b"1"]))
    assert ("//4A", 5) == (found.key, found.size)


@pytest.mark.parametrize(
    "changes", [{"partition_key": "random"}, {}, {"partition_key": "field:/id"}], ids=["random", "no key", "no field"]
)
def test_a_key_that_is_drawn_is_not_made_up(changes: dict[str, object]) -> None:
    """Nobody knows it, nor the shard, before the record is sent."""
    (found,) = previews(chunk([None], values=[b"{}"]), STREAM, **changes)
    assert (None, None, None) == (found.key, found.shard, found.code)
    assert len(b"{}") + DRAWN_KEY_BYTES_MAX == found.size


def test_a_key_in_place_of_none_that_is_no_draw_is_told() -> None:
    """Its partition's, where the route says so."""
    (found,) = previews(chunk([None]), null_key=NullKey.PARTITION)
    assert ("orders-0", "shard-0") == (found.key, found.shard)


def test_poison_is_told_with_its_code_and_has_no_shard() -> None:
    """As the mapping finds it: by key, by value, by the stream's own limit."""
    keys = [b"", b"k" * 257, None, b"a", b"b"]
    values = [b"1", b"1", b"1", None, b"x" * 2_000]
    stream = described(shards=SHARDS, record_bytes_max=1_500)
    found = previews(chunk(keys, values=values), stream, null_key=NullKey.REJECT, null_value=NullValue.REJECT)
    assert [EMPTY_KEY, KEY_TOO_LONG, NO_KEY, NO_VALUE, TOO_LARGE] == [each.code for each in found]
    assert {None} == {each.shard for each in found}


def test_headers_that_cannot_be_read_are_asked_for_once() -> None:
    """What the client gives the second time cannot be touched."""
    (found,) = previews(chunk(["a"], originals=[HeadersRefused()]), envelope=True)
    assert UNREADABLE_HEADERS == found.code


def test_an_aggregate_goes_by_the_middle_of_its_slice() -> None:
    """Of two slices the second has its middle at three quarters: that is where b goes, whose own MD5 is below it."""
    (b,) = previews(chunk(["b"]), aggregation=AggregationRules(lanes=2))
    assert "shard-3" == b.shard


def test_without_the_stream_the_usual_limit_is_assumed() -> None:
    """And no shard is told, nor where the stream takes no notice of keys, or its shards are not known."""
    assert RECORD_BYTES_DEFAULT == Previews(route_rules(), None).record_bytes_max
    for stream in (None, described(shards=SHARDS, honours_keys=False), described(shards=())):
        (found,) = previews(chunk(["a"]), stream)
        assert ("a", None) == (found.key, found.shard)


def test_what_the_route_leaves_out_is_told_in_its_place() -> None:
    """Without key, data and shard; the others are what they would be without it."""
    only = Only("pointer:/type", frozenset({"a"}))
    values = [b'{"type":"b"}', b'{"type":"a"}', b"no json", None]
    found = previews(chunk("kkkk", values=values, start=4), only=only)
    assert ["filtered", "lands", NOT_JSON, "filtered"] == [each.verdict for each in found]
    assert ([4, 5, 6, 7], ["other", None, None, "absent"]) == (
        [each.offset for each in found],
        [each.filtered for each in found],
    )
    assert (None, b"", 0, None, None) == (found[0].key, found[0].data, found[0].size, found[0].shard, found[0].code)
    assert ("k", values[1]) == (found[1].key, found[1].data)


def test_compressed_data_is_shown_as_it_was_and_counted_as_it_is_sent() -> None:
    """One that fits behind compression lands; one that nobody would unfold is shown as it came."""
    given = chunk("ab", values=[b"x" * (2 * RECORD_BYTES_DEFAULT), bytes(UNCOMPRESSED_BYTES_MAX + 1)])
    fits, large = previews(given, compression=GZIP)
    assert (b"x" * (2 * RECORD_BYTES_DEFAULT), None) == (fits.data, fits.code)
    assert fits.size < 5_000
    assert (TOO_LARGE, UNCOMPRESSED_BYTES_MAX + 1 + len("b")) == (large.code, large.size)
