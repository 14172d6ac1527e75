from __future__ import annotations

import random
import sys
import zlib
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doka.adapters.compression.gzip import GZIP
from doka.adapters.compression.zstd import ZSTD
from doka.domain.audit.identity import FILTERED, RANDOM_KEY_DIGITS, Expected, Identities, Match
from doka.domain.audit.landed import Landed
from doka.domain.compression import UNCOMPRESSED_BYTES_MAX, Compression
from doka.domain.errors import InvariantError
from doka.domain.poison.quarantine import TOO_LARGE
from doka.domain.records import Chunk, TopicPartition
from doka.domain.routes.mapping import EMPTY_KEY, NO_KEY, RecordMapping
from doka.domain.routes.shaping import NOT_JSON
from doka.domain.rules import NullKey, Only, Ordering
from tests.unit.domain.builders import Extras, chunk, no_jitter, route_rules

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1024 * 1024


def identities(record_bytes_max: int = MIB, *, by_data: bool = False, **changes: object) -> Identities:
    """Give the identities of a route with these changes of its rules."""
    return Identities(route_rules(**changes), record_bytes_max, by_data=by_data)


def records(keys: Sequence[str | bytes | None], values: Sequence[bytes | None] | None = None, start: int = 0) -> Chunk:
    """Make a chunk as an audit reads it: with its originals."""
    return chunk(keys, values=values, start=start, originals=[Extras()] * len(keys))


def landed(*records: tuple[str, bytes]) -> Landed:
    """Make a run of what landed."""
    numbers = [str(place) for place in range(len(records))]
    return Landed("s", [key for key, _ in records], [data for _, data in records], numbers, [0] * len(records))


class TestByKeyAndData:
    """Routes of plain records."""

    def test_what_was_sent_is_found(self) -> None:
        """The same key and the same data are the same record, whichever side they come from; a tombstone lands as nothing."""
        ours = identities()
        expected = ours.expected(records(["a", b"\xff", "c"], [b"1", b"2", None]))
        assert expected.identities == ours.landed(landed(("a", b"1"), ("/w==", b"2"), ("c", b"")))
        assert (Match.KEY_AND_DATA, {}) == (ours.match, expected.codes)

    @given(st.lists(st.tuples(st.text("01ab", min_size=1, max_size=3), st.binary(max_size=3)), min_size=2, max_size=9))
    def test_no_two_records_run_into_each_other(self, pairs: list[tuple[str, bytes]]) -> None:
        """Where a key ends and data begins is part of the identity."""
        found = identities(null_key=NullKey.PARTITION).landed(landed(*pairs))
        assert len(set(pairs)) == len(set(found))

    def test_a_record_without_a_key_is_found_by_its_data(self) -> None:
        """Its key is drawn, so that any key of digits may be it; and it stands in no order."""
        ours = identities(null_key=NullKey.RANDOM)
        expected = ours.expected(records([None, "17", "a"], [b"1", b"2", b"3"]))
        assert expected.identities == ours.landed(landed(("18446744073709551615", b"1"), ("4", b"2"), ("a", b"3")))
        assert [True, False, False] == [lane is None for lane in expected.lanes]
        assert (True, {}) == (ours.partly_by_data, expected.codes)

    def test_where_no_key_is_drawn_digits_are_a_key_like_others(self) -> None:
        """With another rule for null keys the key of digits is part of the identity."""
        ours = identities(null_key=NullKey.PARTITION)
        expected = ours.expected(records([None, "17"], [b"1", b"1"]))
        assert expected.identities == ours.landed(landed(("orders-0", b"1"), ("17", b"1")))
        assert not set(expected.identities) & set(ours.landed(landed(("18", b"1"))))

    def test_poison_has_its_code_and_where_it_has_no_key_no_identity(self) -> None:
        """What can never land is told with the code that the service would give it."""
        rejecting = identities(null_key=NullKey.REJECT).expected(records([None, "", "a"]))
        assert ([None, None], {0: NO_KEY, 1: EMPTY_KEY}) == (list(rejecting.identities[:2]), rejecting.codes)
        large = identities(2_000).expected(records([None, "a"], [b"x" * 2_000, b"x" * 2_000]))
        assert ({0: TOO_LARGE, 1: TOO_LARGE}, False) == (large.codes, None in large.identities)


class TestByCoordinates:
    """Routes with envelopes."""

    def test_an_envelope_names_its_record(self) -> None:
        """What the mapping wraps is told by topic, partition and offset, sent once more or not, its fields in any order."""
        rules = route_rules(envelope=True)
        ours = Identities(rules, MIB)
        given = records(["a", "b"], start=7)
        _, envelopes, _ = RecordMapping(rules, no_jitter).map(given, MIB)
        _, again, _ = RecordMapping(replace(rules, replayed=True), no_jitter).map(given, MIB)
        other = b'{ "offset": 8, "topic": "orders", "partition": 0 }'
        expected = ours.expected(given).identities
        assert expected == ours.landed(landed(("any", envelopes[0]), ("any", envelopes[1])))
        assert expected == ours.landed(landed(("any", again[0]), ("any", again[1])))
        assert [expected[1]] == ours.landed(landed(("any", other)))
        assert Match.COORDINATES is ours.match

    @pytest.mark.parametrize(
        "data",
        [
            b"", b"no JSON", b"[]", b"null", b'{"topic":1,"partition":0,"offset":0}', b"[" * 100_000,
            b'{"topic":"orders","partition":true,"offset":0}', b'{"topic":"orders","partition":0}', b"\xff",
        ],
        ids=lambda data: repr(data[:20]),
    )  # fmt: skip
    def test_what_is_no_envelope_is_no_record_of_ours(self, data: bytes) -> None:
        """It has an identity, as every landing has, and one that no record has."""
        ours = identities(envelope=True)
        (found,) = ours.landed(landed(("a", data)))
        assert (16, False) == (len(found), found in ours.expected(records(["a"])).identities)


class TestByData:
    """Keys that nobody can foretell."""

    @pytest.mark.parametrize("changes", [{"partition_key": "random"}, {"by_data": True}])
    def test_the_key_plays_no_part(self, changes: dict[str, object]) -> None:
        """The data alone is compared; another forwarder's records keep the order of the route's own keys."""
        ours = identities(**changes)  # type: ignore[arg-type]  # the case names them
        expected = ours.expected(records(["a", None], [b"1", None]))
        assert expected.identities == ours.landed(landed(("x", b"1"), ("y", b"")))
        assert Match.DATA is ours.match
        assert [changes == {"partition_key": "random"}, True] == [lane is None for lane in expected.lanes]


class TestLanes:
    """What stands in one order."""

    def test_a_key_is_a_lane(self) -> None:
        """Records of one key share their number, others do not."""
        first, second, third = identities().expected(records(["a", "b", "a"])).lanes
        assert (first, True) == (third, first != second)

    def test_a_route_without_order_has_none(self) -> None:
        """Where the route promises no order, nothing can be out of it."""
        assert [None, None] == identities(ordering=Ordering.NONE).expected(records(["a", "b"])).lanes


def test_each_record_keeps_its_own_time() -> None:
    """The timestamps are Kafka's; a record without one says so."""
    stamps = [Extras(of_timestamp=(1, 5)), Extras(of_timestamp=(2, 6)), Extras(of_timestamp=(0, 7))]
    expected: Expected = identities().expected(chunk(["a", "b", "c"], originals=stamps))
    assert (TopicPartition("orders", 0), 3, [5, 6, -1]) == (expected.partition, expected.count, expected.timestamps_ms)


def test_a_chunk_without_originals_is_refused() -> None:
    """Without the originals nobody knows the times, and a guess would judge records that cannot be judged."""
    with pytest.raises(InvariantError, match="without its originals"):
        identities().expected(chunk(["a"]))


def test_what_is_remembered_keeps_its_bound() -> None:
    """However many keys there are, what is remembered of them stays within its bytes."""
    ours = Identities(route_rules(), MIB, key_cache_bytes=10_000)
    ours.landed(landed(*((f"key-{number}", b"") for number in range(1_000))))
    assert ours._keys.size <= 10_000


class TestFiltered:
    """Routes that leave records out."""

    ONLY = Only("pointer:/type", frozenset({"a"}))

    def test_what_is_left_out_is_expected_nowhere(self) -> None:
        """It has a code of its own; the others are what they would be without it, poison among them in its place."""
        wanted = b'{"type":"a"}'
        given = records("abcd", [b'{"type":"b"}', wanted, b"no json", wanted])
        found = identities(only=self.ONLY).expected(given)
        plain = identities().expected(given)
        assert {0: FILTERED, 2: NOT_JSON} == found.codes
        assert [None, *plain.identities[1:]] == found.identities
        assert [None, *plain.lanes[1:]] == found.lanes
        assert (given.offsets, plain.timestamps_ms) == (found.offsets, found.timestamps_ms)

    def test_of_a_chunk_all_of_it_or_nothing_may_be_left_out(self) -> None:
        """Then there are its offsets still: an audit counts each record of Kafka."""
        ours = identities(only=self.ONLY)
        nothing = ours.expected(records("ab", [b"{}", None]))
        assert ({0: FILTERED, 1: FILTERED}, [None, None], 2) == (nothing.codes, nothing.identities, nothing.count)
        whole = records("a", [b'{"type":"a"}'])
        assert identities().expected(whole).identities == ours.expected(whole).identities


@pytest.mark.parametrize("format_", [GZIP, ZSTD], ids=lambda each: each.name)
class TestCompressed:
    """Routes that compress."""

    def test_what_was_sent_is_found_whatever_bytes_it_became(self, format_: Compression) -> None:
        """The service's own, and those that another level, or another option, of the same format makes."""
        given = records(["a", "b", "c"], [b"x" * 300, b"2", None])
        rules = route_rules(compression=format_)
        ours = Identities(rules, MIB)
        keys, data, _ = RecordMapping(rules, no_jitter).map(given, MIB)
        expected = ours.expected(given)
        assert expected.identities == ours.landed(landed(*zip(keys, data, strict=True)))
        other = (
            zlib.compress(b"x" * 300, 1, wbits=31)
            if format_ is GZIP
            else zstd.compress(b"x" * 300, options={zstd.CompressionParameter.checksum_flag: 1})
        )
        assert other != data[0]
        assert [expected.identities[0]] == ours.landed(landed(("a", other)))
        assert 0 == ours.not_compressed

    def test_what_is_not_compressed_is_no_record_of_ours(self, format_: Compression) -> None:
        """It is counted: the very data without compression, something torn, and more than anybody would unfold."""
        ours = identities(compression=format_)
        expected = ours.expected(records(["a"], [b"1"])).identities
        torn = format_.compress([b"1"])[0][:-1]
        (bomb,) = format_.compress([bytes(UNCOMPRESSED_BYTES_MAX + 1)])
        found = ours.landed(landed(("a", b"1"), ("a", torn), ("a", bomb), ("a", b"")))
        assert (4, 4, []) == (ours.not_compressed, len(set(found)), [each for each in found if each in expected])

    def test_an_envelope_is_found_inside(self, format_: Compression) -> None:
        """Its record is named by its coordinates, also where it ends with the mark of a replay."""
        rules = route_rules(envelope=True, compression=format_)
        ours, given = Identities(rules, MIB), records(["a"], [b"1"])
        for replayed in (False, True):
            _, data, _ = RecordMapping(replace(rules, replayed=replayed), no_jitter).map(given, MIB)
            assert ours.expected(given).identities == ours.landed(landed(("any", data[0])))

    @pytest.mark.parametrize("limit", [1_000, 20_000])
    def test_what_can_never_land_is_what_the_service_says(self, format_: Compression, limit: int) -> None:
        """By the size of what is sent, at every size about the limit, of what can be made smaller and what cannot; drawn keys too."""
        draw = random.Random(limit)
        values = [made for size in range(limit - 300, limit + 4) for made in (draw.randbytes(size), b"a" * size)]
        rules = route_rules(compression=format_, null_key=NullKey.RANDOM)
        for key, room in (
            ("k", 0),
            (None, len("k") - RANDOM_KEY_DIGITS),
        ):  # as if every drawn key were of the most digits
            given = records([key] * len(values), values)
            _, _, codes = RecordMapping(rules, no_jitter).map(records(["k"] * len(values), values), limit + room)
            assert 0 < len(codes) < len(values)
            assert codes == Identities(rules, limit).expected(given).codes


def test_lines_are_compared_as_lines() -> None:
    """With `append: newline`, what landed without one is another record."""
    ours = identities(newline=True)
    expected = ours.expected(records(["a", "b", "c"], [b"1", b"2\n", None]))
    assert expected.identities == ours.landed(landed(("a", b"1\n"), ("b", b"2\n"), ("c", b"")))
    assert expected.identities[0] not in ours.landed(landed(("a", b"1"), ("a", b"1\n\n")))
