"""Aggregates taken apart, held against two readers that share no line with it: the simulator's and the fake AWS's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doka.adapters.simulated.unfold import unfold as as_a_consumer_does
from doka.domain.audit.aggregates import unfold
from doka.domain.audit.landed import Landed
from doka.domain.sending.aggregate import MAGIC, encode, varint
from tests.fake_aws import unfold as as_another_does

HASH_KEY = str((1 << 127) + 1)
KEYS = st.text(min_size=1, max_size=40) | st.sampled_from(["a", "b", "é" * 200])
DATA = st.binary(max_size=300)
AGGREGATE = encode(["a", "b", "a"], [b"1", b"", b"3"], HASH_KEY)


def landed(*data: bytes) -> Landed:
    """Give a run of these, each with a number and a time of its own."""
    places = range(1, len(data) + 1)
    return Landed("shardId-0", [f"k{place}" for place in places], data, list(map(str, places)), list(places))


def rows(run: Landed) -> list[tuple[str, bytes, str, int]]:
    """Give a run record by record."""
    return list(zip(run.keys, run.data, run.sequence_numbers, run.arrived_ms, strict=True))


def sealed(message: bytes) -> bytes:
    """Give a message as an aggregate whose digest is right."""
    return MAGIC + message + hashlib.md5(message, usedforsecurity=False).digest()


def field(tag: int, content: bytes) -> bytes:
    """Give a field of bytes."""
    return bytes([tag]) + varint(len(content)) + content


@given(st.lists(st.tuples(KEYS, DATA), min_size=1, max_size=300))
def test_it_reads_what_other_readers_read(records: Sequence[tuple[str, bytes]]) -> None:
    """Key and data of each record come out, in their order, whoever reads them."""
    aggregate = encode([key for key, _ in records], [value for _, value in records], HASH_KEY)
    found, broken = unfold(landed(aggregate))
    read = list(zip(found.keys, found.data, strict=True))
    assert (records, 0) == (read, broken)
    assert [(each.key, each.value) for each in as_a_consumer_does("k", aggregate)] == read
    assert [(each.partition_key, each.data) for each in as_another_does(aggregate) or ()] == read


@given(st.binary(max_size=80) | st.lists(st.sampled_from([0x08, 0x0A, 0x10, 0x1A, 0x00, 0x01, 0x02, 0x80])).map(bytes))
def test_no_message_makes_it_stumble(message: bytes) -> None:
    """Whatever stands behind a right digest is read, or is one record as it stands; where another reads it, it does too."""
    value = sealed(message)
    found, broken = unfold(landed(value))
    try:
        other = as_another_does(value)
    except (ValueError, IndexError):
        other = None
    if other is not None:
        assert ([(each.partition_key, each.data) for each in other], 0) == (
            list(zip(found.keys, found.data, strict=True)),
            broken,
        )
    assert broken == 0 or rows(landed(value)) == rows(found)


@given(st.integers(0, len(AGGREGATE) - 1), st.integers(1, 255))
def test_one_wrong_byte_is_never_believed(place: int, flip: int) -> None:
    """An aggregate with any byte changed is one record as it stands, and is counted while it still begins like one."""
    torn = bytearray(AGGREGATE)
    torn[place] ^= flip
    found, broken = unfold(landed(bytes(torn)))
    assert (rows(landed(bytes(torn))), int(place >= len(MAGIC))) == (rows(found), broken)


def test_records_of_an_aggregate_have_its_number_and_its_time() -> None:
    """Plain records stay where they are; those of an aggregate take its place, each with its number and its arrival."""
    found, broken = unfold(landed(b"plain", AGGREGATE, b""))
    assert 0 == broken
    assert [
        ("k1", b"plain", "1", 1),
        ("a", b"1", "2", 2),
        ("b", b"", "2", 2),
        ("a", b"3", "2", 2),
        ("k3", b"", "3", 3),
    ] == rows(found)


def test_a_run_without_aggregates_is_given_back_as_it_is() -> None:
    """Nothing is copied where nothing is to be taken apart."""
    run = landed(b"plain", b"")
    assert unfold(run) == (run, 0)


@pytest.mark.parametrize(
    "record",
    [
        field(0x1A, b"x") + b"\x08\x00",
        b"\x08\x00" + field(0x1A, b"x") + field(0x22, b"a tag"),
        b"\x08\x00" + field(0x22, b"") + field(0x1A, b"x"),
        b"\x08\x00\x10\x81\x01" + field(0x1A, b"x"),
        b"\x10\x00\x08\x00" + field(0x1A, b"x"),
        field(0x1A, b"\x10") + b"\x08\x00",
        b"\x08\x80\x00" + field(0x1A, b"x"),
        b"\x08\x00\x29" + bytes(8) + b"\x35" + bytes(4) + field(0x1A, b"x"),
    ],
    ids=["data first", "tags", "tags first", "long hash place", "hash first", "looks like more", "long place", "fixed"],
)
def test_other_writers_order_their_fields_as_they_like(record: bytes) -> None:
    """A record is read by the numbers of its fields, with more of them than there are here."""
    value = sealed(field(0x0A, b"key") + field(0x1A, record) + field(0x22, b"newer than this"))
    found, broken = unfold(landed(value))
    assert (["key"], 0) == (found.keys, broken)
    assert found.data in ([b"x"], [b"\x10"])


@pytest.mark.parametrize(
    "message",
    [
        field(0x0A, b"key") + field(0x1A, b"\x08\x01" + field(0x1A, b"x")),
        field(0x0A, b"key") + field(0x1A, b"\x08\x00"),
        field(0x0A, b"key") + field(0x1A, b""),
        field(0x0A, b"key") + field(0x1A, field(0x1A, b"x")),
        field(0x0A, b"\xff") + field(0x1A, b"\x08\x00" + field(0x1A, b"x")),
        field(0x0A, b"key")[:-1],
        b"\x08\x01",
        b"\x0a" + b"\xff" * 12,
        field(0x0A, b"key") + field(0x1A, b"\x08\x00\x1a\x05x"),
        field(0x0A, b"key") + field(0x1A, b"\x0b\x08\x00" + field(0x1A, b"x")),
    ],
    ids=[
        "no such key",
        "no data",
        "nothing",
        "no key",
        "no text",
        "cut",
        "a number",
        "no end",
        "longer",
        "no such kind",
    ],
)
def test_a_right_digest_over_nonsense_is_not_believed(message: bytes) -> None:
    """What cannot be an aggregate is one record as it stands, however right its digest is."""
    found, broken = unfold(landed(sealed(message)))
    assert (rows(landed(sealed(message))), 1) == (rows(found), broken)
