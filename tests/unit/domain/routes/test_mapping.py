from __future__ import annotations

import json
import random
import tracemalloc
from base64 import b64encode
from typing import ClassVar

import pytest

from doka.adapters.compression.gzip import GZIP
from doka.adapters.compression.zstd import ZSTD
from doka.domain.compression import UNCOMPRESSED_BYTES_MAX, Compression
from doka.domain.errors import InvariantError
from doka.domain.limits import RECORD_BYTES_MAX
from doka.domain.poison.quarantine import TOO_LARGE
from doka.domain.records import Chunk
from doka.domain.routes.mapping import (
    EMPTY_KEY,
    KEY_OVERHEAD_BYTES,
    KEY_TOO_LONG,
    NO_KEY,
    NO_VALUE,
    KeyCache,
    Mapped,
    RecordMapping,
    end_in_newline,
)
from doka.domain.rules import KeyEncoding, NullKey, NullValue
from tests.unit.domain.builders import Extras, chunk, no_jitter, route_rules

MIB = 1024 * 1024
SNOWMAN, CLEF = "\N{SNOWMAN}", "\N{MUSICAL SYMBOL G CLEF}"


def mapped(of: Chunk, *, record_bytes_max: int = MIB, **changes: object) -> Mapped:
    """Map a chunk by rules with these changes."""
    return RecordMapping(route_rules(**changes), no_jitter).map(of, record_bytes_max)


def keys_of(of: Chunk, **changes: object) -> list[str]:
    """Map a chunk; give its partition keys."""
    return list(mapped(of, **changes)[0])  # type: ignore[arg-type]  # the caller names fields


def poison_of(of: Chunk, **changes: object) -> dict[int, str]:
    """Map a chunk; give its poison."""
    return mapped(of, **changes)[2]  # type: ignore[arg-type]  # the caller names fields


def test_plain_records_pass_as_they_are() -> None:
    """Without nulls the values are the very same column, and the keys are text."""
    given = chunk(["a", "b", "a"])
    assert (["a", "b", "a"], given.values, {}) == mapped(given)


class TestKafkaKey:
    """`partition_key: kafka_key`."""

    @pytest.mark.parametrize(
        ("encoding", "key", "expected"),
        [
            (KeyEncoding.UTF8, SNOWMAN.encode(), SNOWMAN),
            (KeyEncoding.UTF8, CLEF.encode(), CLEF),
            (KeyEncoding.UTF8, b"\xff\xfe\x00", "//4A"),
            (KeyEncoding.BASE64, b"abc", "YWJj"),
            (KeyEncoding.HEX, b"\xff\x00", "ff00"),
        ],
    )
    def test_becomes_characters(self, encoding: KeyEncoding, key: bytes, expected: str) -> None:
        """Bytes become text by the chosen encoding; what is not UTF-8 falls back to base64."""
        assert [expected] == keys_of(chunk([key]), key_encoding=encoding)

    def test_counts_what_is_not_utf8(self) -> None:
        """Each distinct key that fell back to base64 is counted."""
        made = RecordMapping(route_rules(), no_jitter)
        made.map(chunk([b"\xff", b"ok", b"\xfe", b"\xff"]), MIB)
        assert made.cache.fallbacks == 2

    @pytest.mark.parametrize("character", ["k", SNOWMAN, CLEF])
    def test_of_256_characters_is_the_longest(self, character: str) -> None:
        """The limit counts characters, whatever their bytes: 256 are fine, 257 are poison."""
        given = chunk([character * 256, character * 257])
        assert {1: KEY_TOO_LONG} == poison_of(given)
        assert [character * 256, ""] == keys_of(given)

    def test_that_grows_too_long_by_its_encoding_is_poison(self) -> None:
        """What counts is the partition key: 128 bytes make 256 hex digits, 129 too many."""
        given = chunk([b"x" * 128, b"x" * 129])
        assert {1: KEY_TOO_LONG} == poison_of(given, key_encoding=KeyEncoding.HEX)

    def test_that_is_empty_is_poison(self) -> None:
        """Kinesis takes no empty key."""
        assert {1: EMPTY_KEY} == poison_of(chunk(["a", ""]))

    def test_poison_names_the_right_places(self) -> None:
        """Good records around a bad one are no poison."""
        assert {1: EMPTY_KEY, 3: KEY_TOO_LONG} == poison_of(chunk(["a", "", "b", "x" * 257, "c"]))


class TestNullKey:
    """What a record without a key gets."""

    def test_random_never_repeats(self) -> None:
        """Each null key becomes a key of its own, so that it waits for nobody."""
        made = RecordMapping(route_rules(), no_jitter)
        keys = [*made.map(chunk([None, "a", None]), MIB)[0], *made.map(chunk([None]), MIB)[0]]
        assert keys[1] == "a"
        assert len(set(keys)) == 4
        assert all(keys)

    def test_partition_keeps_them_in_order(self) -> None:
        """All null keys of a partition become its name, and so one lane."""
        assert ["orders-0", "a", "orders-0"] == keys_of(chunk([None, "a", None]), null_key=NullKey.PARTITION)

    def test_reject_makes_poison(self) -> None:
        """A null key is poison where the operator says so; an empty one is another thing."""
        assert {0: NO_KEY, 1: EMPTY_KEY} == poison_of(chunk([None, "", "a"]), null_key=NullKey.REJECT)


class TestOtherKeys:
    """Constant and random keys."""

    def test_constant_is_the_same_for_all(self) -> None:
        """`constant:x` ignores the Kafka key; what follows the first colon is the key."""
        assert ["x:y", "x:y"] == keys_of(chunk(["a", None]), partition_key="constant:x:y")

    def test_random_never_repeats(self) -> None:
        """`random` gives each record a key of its own, across chunks."""
        made = RecordMapping(route_rules(partition_key="random"), lambda: 0.5)
        keys = [*made.map(chunk("aab"), MIB)[0], *made.map(chunk("a"), MIB)[0]]
        assert len(set(keys)) == 4

    def test_random_differs_between_processes(self) -> None:
        """Another draw begins elsewhere, so that two processes do not send the same keys."""
        rules = route_rules(partition_key="random")
        one, other = (RecordMapping(rules, lambda draw=draw: draw).map(chunk("ab"), MIB)[0] for draw in (0.1, 0.2))  # type: ignore[misc]  # bound at once
        assert set(one).isdisjoint(other)


class TestHeaderKey:
    """`partition_key: header:name`."""

    RULES: ClassVar = {"partition_key": "header:tenant"}

    def with_headers(self, *headers: list[tuple[str, bytes | None]] | None) -> Chunk:
        """Make a chunk of records with these headers."""
        return chunk("k" * len(headers), originals=[Extras(of) for of in headers])

    def test_is_the_header(self) -> None:
        """The named header is the key, the last one where it stands twice."""
        given = self.with_headers([("tenant", b"a"), ("other", b"x")], [("tenant", b"a"), ("tenant", b"b")])
        assert ["a", "b"] == keys_of(given, **self.RULES)

    def test_that_is_missing_is_a_null_key(self) -> None:
        """No header at all, another one, or a null one: the null policy decides."""
        given = self.with_headers(None, [("other", b"x")], [("tenant", None)])
        assert ["orders-0"] * 3 == keys_of(given, null_key=NullKey.PARTITION, **self.RULES)

    def test_that_cannot_be_is_poison(self) -> None:
        """An empty or too long header is told as what it is."""
        given = self.with_headers([("tenant", b"")], [("tenant", b"x" * 257)], [("tenant", b"ok")])
        assert {0: EMPTY_KEY, 1: KEY_TOO_LONG} == poison_of(given, **self.RULES)

    def test_needs_the_whole_records(self) -> None:
        """A chunk without its originals cannot be, and is never sent with too few keys."""
        with pytest.raises(InvariantError, match="without its originals"):
            keys_of(chunk("ab"), **self.RULES)


class TestFieldKey:
    """`partition_key: field:/json/pointer` (RFC 6901)."""

    @pytest.mark.parametrize(
        ("pointer", "value", "expected"),
        [
            ("/id", '{"id": "a"}', "a"),
            ("/id", '{"id": 7}', "7"),
            ("/id", '{"id": 1.5}', "1.5"),
            ("/id", '{"id": true}', "true"),
            ("/order/lines/1/sku", '{"order": {"lines": [{"sku": "x"}, {"sku": "y"}]}}', "y"),
            ("/a~1b", '{"a/b": "slash"}', "slash"),
            ("/a~0b", '{"a~b": "tilde"}', "tilde"),
            ("/a~01", '{"a~1": "both"}', "both"),
            ("/", '{"": "empty name"}', "empty name"),
            ("/0", '["first"]', "first"),
            ("/01", '{"01": "a name"}', "a name"),
            ("", '"whole"', "whole"),
        ],
    )
    def test_is_the_scalar_at_the_pointer(self, pointer: str, value: str, expected: str) -> None:
        """The pointer finds names and places, with its escapes, and scalars become text."""
        assert [expected] == keys_of(chunk("k", values=[value.encode()]), partition_key=f"field:{pointer}")

    @pytest.mark.parametrize(
        ("pointer", "value"),
        [
            ("/id", b"{}"),
            ("/id", b'{"id": null}'),
            ("/id", b'{"id": {"a": 1}}'),
            ("/id", b'{"id": [1]}'),
            ("/id", b"not json"),
            ("/id", b"\xff\xfe\xfd"),
            ("/id", b""),
            ("/id", None),
            ("/id", b'"text"'),
            ("/id", b"7"),
            ("/1", b'["only one"]'),
            ("/-1", b'["from the end"]'),
            ("/00", b'["a leading zero"]'),
            ("/\u0661", b'["zero", "an Arabic digit"]'),
            pytest.param("/id", b"[" * 1_000_000, id="very deep"),
            pytest.param("/id", b'{"id": ' + b"9" * 5_000 + b"}", id="a very large number"),
        ],
    )
    def test_that_is_not_there_is_a_null_key(self, pointer: str, value: bytes | None) -> None:
        """Whatever the value is, a record without such a scalar is one without a key, and stops nothing."""
        given = chunk("k", values=[value])
        assert ["orders-0"] == keys_of(given, partition_key=f"field:{pointer}", null_key=NullKey.PARTITION)

    def test_that_cannot_be_is_poison(self) -> None:
        """An empty or too long field is told as what it is."""
        values = [b'{"id": ""}', b'{"id": "%s"}' % (b"x" * 257), b'{"id": "ok"}']
        assert {0: EMPTY_KEY, 1: KEY_TOO_LONG} == poison_of(chunk("abc", values=values), partition_key="field:/id")

    def test_half_a_surrogate_pair_falls_back_to_base64(self) -> None:
        """JSON can spell characters that have no UTF-8; the key is base64 then, and can be sent."""
        made = RecordMapping(route_rules(partition_key="field:/id"), no_jitter)
        keys, _, poison = made.map(chunk("k", values=[b'{"id": "\\ud83d"}']), MIB)
        assert ["7aC9"] == list(keys)
        assert {} == poison
        assert made.cache.fallbacks == 1

    def test_base64_may_be_too_long(self) -> None:
        """The limit is judged after the fallback."""
        value = b'{"id": "%s"}' % (b"\\ud83d" * 100)
        assert {0: KEY_TOO_LONG} == poison_of(chunk("k", values=[value]), partition_key="field:/id")


class TestNullValue:
    """Tombstones."""

    def test_becomes_empty(self) -> None:
        """By default a tombstone lands as an empty record under its key."""
        assert (["a", "b"], [b"", b"x"], {}) == mapped(chunk("ab", values=[None, b"x"]))

    def test_may_be_poison(self) -> None:
        """Where the operator rejects tombstones they are poison; an empty value is none."""
        given = chunk("abc", values=[None, b"", b"x"])
        assert {0: NO_VALUE} == poison_of(given, null_value=NullValue.REJECT)


class TestSize:
    """The stream's own limit for data plus key, in bytes."""

    @pytest.mark.parametrize("key", ["k", SNOWMAN, CLEF * 256])
    def test_exactly_at_the_limit_is_fine(self, key: str) -> None:
        """Data + key in UTF-8 bytes: equal to the limit lands, one byte more is poison."""
        room = MIB - len(key.encode())
        assert {1: TOO_LARGE} == poison_of(chunk([key] * 2, values=[b"x" * room, b"x" * (room + 1)]))

    def test_is_the_streams_own(self) -> None:
        """A stream with a larger limit takes more."""
        given = chunk("k", values=[b"x" * MIB])
        assert [{0: TOO_LARGE}, {}] == [poison_of(given, record_bytes_max=limit) for limit in (MIB, 2 * MIB)]

    def test_an_unusable_key_stays_the_reason(self) -> None:
        """A record that is bad in two ways is told by its key."""
        assert {0: EMPTY_KEY} == poison_of(chunk([""], values=[b"x" * (MIB + 1)]))

    def test_counts_the_envelope(self) -> None:
        """With an envelope, what it makes of the value is what has to fit."""
        given = chunk("k", values=[b"\xff" * (MIB - 1)], originals=[Extras()])
        assert [{}, {0: TOO_LARGE}] == [poison_of(given), poison_of(given, envelope=True)]


class TestEnvelope:
    """`envelope: json`."""

    def test_holds_the_whole_record(self) -> None:
        """Topic, partition, offset, timestamp, key, headers and value, in this order, compact and in UTF-8."""
        given = chunk(
            ["k"],
            offsets=[42],
            values=[SNOWMAN.encode()],
            originals=[Extras([("trace", b"1"), ("trace", None), ("raw", b"\xff")], (1, 1_700_000_000_123))],
        )
        assert (
            '{"topic":"orders","partition":0,"offset":42,"timestamp":1700000000123,"key":"k",'
            '"headers":[["trace","1"],["trace",null],["raw",{"base64":"/w=="}]],"value":"\N{SNOWMAN}"}'
        ) == mapped(given, envelope=True)[1][0].decode()

    def test_says_that_it_is_sent_once_more(self) -> None:
        """What a replay sends is marked behind all else; without an envelope there is no place for that."""
        given = chunk("k", values=[b"x"], originals=[Extras()])
        plain, again = (mapped(given, envelope=True, replayed=replayed)[1][0] for replayed in (False, True))
        assert json.loads(plain) | {"replayed": True} == json.loads(again)
        assert again.startswith(plain[:-1])
        assert [b"x"] == mapped(given, replayed=True)[1]

    @pytest.mark.parametrize(("room", "marked"), [(0, False), (len(',"replayed":true') - 1, False), (16, True)])
    def test_lets_no_mark_stand_in_the_way_of_a_record(self, room: int, *, marked: bool) -> None:
        """One that landed within the limit lands within it again, without the mark where there is no room for it."""
        given = chunk("k", values=[b"x"], originals=[Extras()])
        limit = len(mapped(given, envelope=True)[1][0]) + len("k") + room
        _, (data,), poison = mapped(given, envelope=True, replayed=True, record_bytes_max=limit)
        assert ({}, marked) == (poison, "replayed" in json.loads(data))

    def test_carries_bytes_as_base64(self) -> None:
        """What is not UTF-8 is base64, and said so."""
        given = chunk([b"\xff"], values=[b"\x80\x00"], originals=[Extras()])
        found = json.loads(mapped(given, envelope=True)[1][0])
        assert [{"base64": "/w=="}, {"base64": b64encode(b"\x80\x00").decode()}] == [found["key"], found["value"]]

    def test_carries_nulls_as_null(self) -> None:
        """A tombstone, a null key and a missing timestamp are null, and no headers an empty list."""
        given = chunk([None], values=[None], originals=[Extras(None, (0, -1))])
        found = json.loads(mapped(given, envelope=True)[1][0])
        assert [None, None, None, []] == [found[name] for name in ("key", "value", "timestamp", "headers")]

    def test_takes_no_tombstone_that_is_rejected(self) -> None:
        """A tombstone has a form of its own here; where the operator rejects it, it is poison all the same."""
        given = chunk("k", values=[None], originals=[Extras()])
        assert [{}, {0: NO_VALUE}] == [poison_of(given, envelope=True, null_value=policy) for policy in NullValue]


class TestKeyCache:
    """Keys repeat, so each is translated once; memory stays bounded."""

    def test_translates_once(self) -> None:
        """The same bytes give the very same text."""
        cache = KeyCache(KeyEncoding.UTF8)
        assert cache.of(b"abc") is cache.of(b"abc")

    def test_is_emptied_when_it_is_full(self) -> None:
        """At its bound it begins anew, and translates as before."""
        cache = KeyCache(KeyEncoding.UTF8, 10 * (4 + KEY_OVERHEAD_BYTES))
        found = [(cache.of(b"%d" % i), len(cache)) for i in range(10, 35)]
        assert [(str(i), (i - 10) % 10 + 1) for i in range(10, 35)] == found

    def test_is_as_large_as_it_says(self) -> None:
        """What the bound counts is what CPython takes, within a quarter; long keys count for more."""
        for length in (36, 248):
            cache = KeyCache(KeyEncoding.UTF8)
            tracemalloc.start()
            for i in range(20_000):
                cache.of(b"%0*d" % (length, i))
            taken = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
            assert cache.size == pytest.approx(taken, rel=0.25)

    def test_keeps_no_more_monsters_than_it_may(self) -> None:
        """A key that is too long in any encoding counts as what it is, so a few of them are all that is ever kept."""
        cache = KeyCache(KeyEncoding.UTF8, 2_500_000)
        monsters = [b"%d" % i * 1_000_000 for i in range(7)]
        assert cache.of_all(monsters) == [""] * 7
        assert len(cache) == 0
        assert [(cache.of(monster), len(cache)) for monster in monsters] == [("", i % 2 + 1) for i in range(7)]

    def test_translates_a_batch_as_each_of_its_keys(self) -> None:
        """Where one of them has no usual form, too; what is no UTF-8 is counted once, however often it comes."""
        odd = [b"a", b"\xff", b"b" * 2_000, b"a", "\N{SNOWMAN}".encode(), b"\xff", b"", b"c" * 256, b"c" * 257]
        for encoding in KeyEncoding:
            cache, one = KeyCache(encoding), KeyCache(encoding)
            assert cache.of_all(odd) == [one.of(key) for key in odd]
            assert (cache.fallbacks, cache.size) == (one.fallbacks, one.size)


class _Unreadable(Extras):
    """A record with a header whose name is not UTF-8: the client raises when it is asked."""

    asked = False

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        """Fail as confluent-kafka does; what it gives the second time ends the process."""
        assert not self.asked, "the client was asked a second time"
        self.asked = True
        raise SystemError("returned a result with an exception set")


@pytest.mark.parametrize(
    "rules", [{"partition_key": "header:k"}, {"envelope": True}, {"partition_key": "header:k", "envelope": True}]
)
def test_unreadable_headers_are_poison_where_headers_are_needed(rules: dict[str, object]) -> None:
    """A stranger's header cannot stop the service: its record is poison, its neighbours go."""
    mapping = RecordMapping(route_rules(**rules), no_jitter)
    fetched = chunk("ab", originals=[_Unreadable(), Extras([("k", b"v")])])
    _, _, poison = mapping.map(fetched, MIB)
    assert {0: "UnreadableHeaders"} == poison


class TestNewline:
    """`append: newline`."""

    @pytest.mark.parametrize(
        "data", [[], [b"a", b"bc"], [b"a\n", b"b"], [b"", b"a"], [b"\n"], [b"a\nb", b"\r"]], ids=repr
    )
    def test_each_is_one_line_and_no_more(self, data: list[bytes]) -> None:
        """Whatever else is in the batch: what has one and what has none, side by side."""
        assert [each if each == b"" else each.removesuffix(b"\n") + b"\n" for each in data] == end_in_newline(data)

    def test_each_record_ends_in_one(self) -> None:
        """What ends in one gets no second; what is empty, a tombstone too, is no line and stays so."""
        given = chunk("abcde", values=[b"{}", b"{}\n", b"", None, b"\r"])
        assert [b"{}\n", b"{}\n", b"", b"", b"\r\n"] == mapped(given, newline=True)[1]

    def test_an_envelope_ends_in_one(self) -> None:
        """Behind the brace, and behind the mark of a replay; a tombstone's too, which is a line then."""
        given = chunk("ab", values=[b"x\n", None], originals=[Extras(), Extras()])
        for replayed in (False, True):
            data = mapped(given, envelope=True, newline=True, replayed=replayed)[1]
            assert [b"}\n", b"}\n"] == [each[-2:] for each in data]
            assert ["x\n", None] == [json.loads(each)["value"] for each in data]

    @pytest.mark.parametrize(("size", "code"), [(MIB - 2, {}), (MIB - 1, {0: TOO_LARGE})])
    def test_its_byte_counts(self, size: int, code: dict[int, str]) -> None:
        """A record that would fit without it does not where there is no room for it."""
        given = chunk("k", values=[b"x" * size])
        assert [{}, code] == [poison_of(given), poison_of(given, newline=True)]

    def test_its_byte_counts_where_a_chunk_alone_would_fit(self) -> None:
        """The quick look at a whole chunk knows of it, where a key of the most bytes leaves none over."""
        given, key = chunk([None], values=[b"x" * (MIB - 1_024)]), f"constant:{CLEF * 256}"
        assert [{}, {0: TOO_LARGE}] == [poison_of(given, partition_key=key, newline=on) for on in (False, True)]

    def test_values_that_came_are_not_touched(self) -> None:
        """A dead letter carries the record as it came."""
        given = chunk("k", values=[b"x"])
        mapped(given, newline=True)
        assert [b"x"] == given.values


@pytest.mark.parametrize("format_", [GZIP, ZSTD], ids=lambda each: each.name)
class TestCompression:
    """`compress`."""

    def test_each_record_is_compressed_by_itself(self, format_: Compression) -> None:
        """Whatever it is: an empty one and a tombstone too, so that whoever decompresses all needs no exception."""
        data = mapped(chunk("abc", values=[b"x" * 500, b"", None]), compression=format_)[1]
        assert [b"x" * 500, b"", b""] == [format_.decompress(each, 500) for each in data]
        assert len(data[0]) < 100

    def test_the_envelope_comes_first(self, format_: Compression) -> None:
        """With the mark of a replay in it."""
        given = chunk("k", values=[b"x"], originals=[Extras()])
        (data,) = mapped(given, envelope=True, replayed=True, compression=format_)[1]
        plain = mapped(given, envelope=True, replayed=True)[1][0]
        assert plain == format_.decompress(data, 1_000)

    def test_what_comes_out_has_to_fit(self, format_: Compression) -> None:
        """A record that is too large before may fit behind it, and one that fits before may be too large."""
        noise = random.Random(1).randbytes(MIB - 1)
        given = chunk("kk", values=[b"x" * (3 * MIB), noise])
        assert [{0: TOO_LARGE}, {1: TOO_LARGE}] == [poison_of(given), poison_of(given, compression=format_)]

    def test_what_nobody_would_unfold_is_not_compressed(self, format_: Compression) -> None:
        """So it is too large, whatever it would have become."""
        given = chunk("k", values=[bytes(UNCOMPRESSED_BYTES_MAX + 1)])
        assert {0: TOO_LARGE} == poison_of(given, compression=format_, record_bytes_max=RECORD_BYTES_MAX)

    def test_no_mark_stands_in_the_way_of_a_record(self, format_: Compression) -> None:
        """One that landed within the limit lands within it again, without the mark where there is no room for it."""
        given = chunk("k", values=[b"x"], originals=[Extras()])
        (plain,) = mapped(given, envelope=True, compression=format_)[1]
        limit = len(plain) + len("k")
        again, _ = mapped(given, envelope=True, compression=format_, replayed=True, record_bytes_max=limit)[1:]
        assert [plain] == again
        assert {} == poison_of(given, envelope=True, compression=format_, replayed=True, record_bytes_max=limit)
        assert {0: TOO_LARGE} == poison_of(
            given, envelope=True, compression=format_, replayed=True, record_bytes_max=limit - 1
        )
