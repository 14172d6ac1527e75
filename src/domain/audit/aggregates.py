"""Taking aggregates of the Kinesis Producer Library apart, as the consumers of a stream do; `sending/aggregate.py` has the format.

It must never believe a broken one: what begins like an aggregate and has another digest, or a message that is none, is one
record as it stands, as it is to the client libraries. What stands inside an aggregate is not taken apart once more.
"""

from __future__ import annotations

from hashlib import md5
from itertools import repeat
from operator import methodcaller

from doka.domain.audit.landed import Landed
from doka.domain.sending.aggregate import DIGEST_BYTES, MAGIC

_begins_like_one = methodcaller("startswith", MAGIC)
_MORE = 0x80  # of a varint: another byte follows
_VARINT_BYTES_MAX = 10
_VARINT, _EIGHT_BYTES, _DELIMITED, _FOUR_BYTES = 0, 1, 2, 5  # protobuf's types of fields

# Bytes that stand before a field: its number and its type.
_KEY, _RECORD = 0x0A, 0x1A
_KEY_PLACE, _HASH_KEY_PLACE, _DATA = 0x08, 0x10, 0x1A

Inner = tuple[list[str], list[bytes]]
"""Keys and data of the records of one aggregate, in their order."""


def unfold(landed: Landed) -> tuple[Landed, int]:
    """Give the run with the records of its aggregates in their place, and how many of it are broken aggregates."""
    if not any(map(_begins_like_one, landed.data)):
        return landed, 0
    keys: list[str] = []
    data: list[bytes] = []
    numbers: list[str] = []
    arrived: list[int] = []
    broken = 0
    for key, value, number, at in zip(
        landed.keys, landed.data, landed.sequence_numbers, landed.arrived_ms, strict=True
    ):
        inner = _read(value) if value.startswith(MAGIC) else None
        if inner is None:
            broken += value.startswith(MAGIC)
            inner = [key], [value]
        keys += inner[0]
        data += inner[1]
        numbers += repeat(number, len(inner[0]))
        arrived += repeat(at, len(inner[0]))
    return Landed(landed.shard, keys, data, numbers, arrived), broken


def _read(value: bytes) -> Inner | None:
    """Read what begins like an aggregate; None where it is none, or a broken one."""
    message = value[len(MAGIC) : -DIGEST_BYTES]
    if md5(message, usedforsecurity=False).digest() != value[-DIGEST_BYTES:]:
        return None
    try:
        return _records(message)
    except (IndexError, ValueError):
        return None


def _records(message: bytes) -> Inner:
    """Give the records. Raises IndexError or ValueError for a message that is no aggregate's."""
    table: list[str] = []
    places: list[int] = []
    data: list[bytes] = []
    at, end = 0, len(message)
    while at < end:
        field = message[at]
        length = message[at + 1]
        at += 2
        if length >= _MORE:
            length, at = _varint(message, at - 1)
        after = at + length
        if after > end:
            raise ValueError("a field longer than its message")
        if field == _RECORD:
            if message[at] == _KEY_PLACE:
                # As all writers write it: the place of its key, perhaps that of its hash key, its data.
                place, here = message[at + 1], at + 2
                if place >= _MORE:
                    place, here = _varint(message, at + 1)
                if message[here] == _HASH_KEY_PLACE:
                    here = here + 2 if message[here + 1] < _MORE else _varint(message, here + 1)[1]
                size, first = message[here + 1], here + 2
                if size >= _MORE:
                    size, first = _varint(message, here + 1)
                if message[here] == _DATA and first + size == after:
                    places.append(place)
                    data.append(message[first:after])
                    at = after
                    continue
            place, value = _record(message[at:after])
            places.append(place)
            data.append(value)
        elif field == _KEY:
            table.append(message[at:after].decode())
        elif field & 7 != _DELIMITED:  # hash keys only say where it was put; what is newer than this is passed over
            raise ValueError("an aggregate has no such field")
        at = after
    return list(map(table.__getitem__, places)), data


def _record(message: bytes) -> tuple[int, bytes]:
    """Read a record in which the fields have another order, or which has more of them, as tags are."""
    place = value = None
    at = 0
    while at < len(message):
        field, at = _varint(message, at)
        kind = field & 7
        number, after = _varint(message, at) if kind in {_VARINT, _DELIMITED} else (0, at)
        if kind == _DELIMITED:
            at, after = after, after + number
        elif kind in {_EIGHT_BYTES, _FOUR_BYTES}:
            after += 8 if kind == _EIGHT_BYTES else 4
        elif kind != _VARINT:
            raise ValueError("a field of a kind that is not in use")
        if after > len(message):
            raise ValueError("a field longer than its record")
        if field == _KEY_PLACE:
            place = number
        elif field == _DATA:
            value = message[at:after]
        at = after
    if place is None or value is None:
        raise ValueError("a record without a key or without data")
    return place, value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Give a number and where it ends."""
    number = 0
    for shift in range(0, 7 * _VARINT_BYTES_MAX, 7):
        digit = message[at]
        at += 1
        number |= (digit & 0x7F) << shift
        if digit < _MORE:
            return number, at
    raise ValueError("a number without end")
