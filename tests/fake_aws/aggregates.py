"""Reading KPL aggregates as consumers of a stream do, independently of the code that writes them.

The format: 4 magic bytes, a protobuf message (key table, explicit hash key table, records), 16 bytes of MD5 over it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from tests.fake_aws.history import Landed
from tests.fake_aws.streams import hash_of

MAGIC = b"\xf3\x89\x9a\xc2"
_DIGEST_BYTES = 16


class Inner(NamedTuple):
    """One record inside an aggregate."""

    partition_key: str
    explicit_hash_key: str | None
    data: bytes


def unfold(data: bytes) -> list[Inner] | None:
    """Give the records of an aggregate; None for what is none: no magic, or a digest that does not fit.

    Raises ValueError for a message with a right digest that is no aggregate all the same.
    """
    message = data[len(MAGIC) : -_DIGEST_BYTES]
    if not data.startswith(MAGIC) or hashlib.md5(message, usedforsecurity=False).digest() != data[-_DIGEST_BYTES:]:
        return None
    keys: list[str] = []
    hash_keys: list[str] = []
    records: list[bytes] = []
    for number, value in _fields(message):
        match number, value:
            case 1, bytes():
                keys.append(value.decode())
            case 2, bytes():
                hash_keys.append(value.decode())
            case 3, bytes():
                records.append(value)
            case _:
                raise ValueError(f"field {number} is not one of an aggregate")
    return [_inner(dict(_fields(record)), keys, hash_keys) for record in records]


def consumed(landed: Iterable[Landed], shard_ranges: Mapping[str, tuple[int, int]]) -> Iterator[bytes]:
    """Give the payloads that a Kinesis client library hands on, plain ones and those out of aggregates, in order.

    As the library does, it drops a whole aggregate when one record in it hashes outside its shard: writing such an
    aggregate loses records silently, and here they are then missing.
    """
    for record in landed:
        inner = unfold(record.data)
        if inner is None:
            yield record.data
            continue
        first, last = shard_ranges[record.shard]
        if all(first <= _hash(each) <= last for each in inner):
            yield from (each.data for each in inner)


def _hash(inner: Inner) -> int:
    return hash_of(inner.partition_key) if inner.explicit_hash_key is None else int(inner.explicit_hash_key)


def _inner(values: dict[int, int | bytes], keys: list[str], hash_keys: list[str]) -> Inner:
    match values.get(1), values.get(2), values.get(3):
        case int(key_index), (int() | None) as hash_index, bytes(data):
            try:
                return Inner(keys[key_index], None if hash_index is None else hash_keys[hash_index], data)
            except IndexError:
                raise ValueError("an index outside its table") from None
        case _:
            raise ValueError("a record without a key index or without data")


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        if tag & 7 == 0:
            value, at = _varint(message, at)
            yield tag >> 3, value
        elif tag & 7 == 2:
            length, at = _varint(message, at)
            if at + length > len(message):
                raise ValueError("a field longer than its message")
            yield tag >> 3, message[at : at + length]
            at += length
        else:
            raise ValueError(f"wire type {tag & 7} is not used in an aggregate")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("a number without an end")
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
