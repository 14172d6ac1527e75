"""Aggregates read back, from bytes written out by hand."""

from __future__ import annotations

import hashlib

import pytest

from tests.fake_aws.aggregates import MAGIC, Inner, consumed, unfold
from tests.fake_aws.history import Landed
from tests.fake_aws.streams import HASH_KEYS, hash_of


def field(number: int, data: bytes) -> bytes:
    """Give a length-delimited protobuf field; all here are shorter than 128 bytes."""
    return bytes([number << 3 | 2, len(data)]) + data


def record(key_index: int, data: bytes, hash_index: int | None = None) -> bytes:
    """Give one record of an aggregate."""
    indexes = bytes([1 << 3, key_index]) + (b"" if hash_index is None else bytes([2 << 3, hash_index]))
    return field(3, indexes + field(3, data))


def aggregate(*fields: bytes) -> bytes:
    """Wrap fields with the magic and the digest."""
    message = b"".join(fields)
    return MAGIC + message + hashlib.md5(message, usedforsecurity=False).digest()


def landing(data: bytes) -> Landed:
    """Give a record that landed on the lower half of the hash keys."""
    return Landed("orders", "lower", "k", None, data, "1", "request", 1, 0)


RANGES = {"lower": (0, HASH_KEYS // 2 - 1)}


def test_records_of_an_aggregate_come_out_in_order() -> None:
    """Keys and explicit hash keys are looked up in their tables."""
    data = aggregate(field(1, b"a"), field(1, b"b"), field(2, b"42"), record(1, b"first", 0), record(0, b"second"))
    assert [Inner("b", "42", b"first"), Inner("a", None, b"second")] == unfold(data)


@pytest.mark.parametrize("data", [b"", b"plain", MAGIC, aggregate(field(1, b"a"))[:-1] + b"\x00", MAGIC + b"x" * 40])
def test_what_is_no_aggregate_is_left_alone(data: bytes) -> None:
    """Without the magic or with another digest it is a plain record that happens to look so."""
    assert None is unfold(data)


@pytest.mark.parametrize(
    "fields",
    [
        (record(0, b"x"),),
        (field(1, b"a"), record(0, b"x", 3)),
        (field(9, b"a"),),
        (field(1, b"a"), field(3, field(3, b"x"))),
        (b"\x0a\x7fshort",),
        (b"\x0d1234",),
        (b"\x80",),
    ],
)
def test_a_broken_aggregate_is_an_error(fields: tuple[bytes, ...]) -> None:
    """A right digest over a wrong message is a writer's mistake, never skipped over."""
    with pytest.raises(ValueError, match=r"\w"):
        unfold(aggregate(*fields))


def test_a_consumer_gets_inner_and_plain_records_in_order() -> None:
    """Plain records pass, aggregates open up."""
    data = aggregate(field(1, b"a"), field(2, b"1"), record(0, b"in-1", 0), record(0, b"in-2", 0))
    assert [b"plain", b"in-1", b"in-2"] == list(consumed([landing(b"plain"), landing(data)], RANGES))


def test_a_consumer_drops_an_aggregate_with_one_record_outside_its_shard() -> None:
    """One inner key that hashes elsewhere, without an explicit hash key, loses its neighbours as well."""
    outside = next(key for key in map(str, range(100)) if hash_of(key) >= HASH_KEYS // 2)
    data = aggregate(field(1, outside.encode()), field(2, b"1"), record(0, b"inside", 0), record(0, b"outside"))
    assert [] == list(consumed([landing(data)], RANGES))
