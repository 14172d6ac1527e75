"""Many records in one Kinesis record: the aggregate of the Kinesis Producer Library, written by C loops.

    F3 89 9A C2 | message | 16 bytes of MD5 over the message

The message is protobuf (proto2), as https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md
describes it: a table of partition keys, a table of explicit hash keys, and the records, which name both by their place:

    AggregatedRecord { repeated string partition_key_table = 1; repeated string explicit_hash_key_table = 2;
                       repeated Record records = 3; }
    Record { required uint64 partition_key_index = 1; optional uint64 explicit_hash_key_index = 2;
             required bytes data = 3; }

All records of an aggregate have one explicit hash key here, the outer record's own: consumers drop a whole aggregate when
one record in it hashes outside the shard that it came from.
A record costs four look-ups and one `join`; what stands between two values depends only on their lengths and on the key.

It must never write a record twice, leave one out, or swap two.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from hashlib import md5
from itertools import accumulate, chain
from operator import add

MAGIC = b"\xf3\x89\x9a\xc2"
DIGEST_BYTES = 16
FIXED_BYTES = len(MAGIC) + DIGEST_BYTES + 2 + 39
"""What every aggregate has: magic, digest, and the one hash key of at most 39 digits with its field."""

FRAME_BYTES_MAX = 16
"""What a record has besides its data, at most: 4+1 for its length, 4 for its key, 2 for its hash key, 4+1 for its data's."""

_SHORT = 1 << 14  # frames of shorter data are kept; longer ones are so rare and so many that they are made anew
_ONE_BYTE = 1 << 7
_A_LITTLE = 8  # what reaches beyond the bound by less than an eighth is cut from the end, which costs by what is cut


def varint(number: int) -> bytes:
    """Write a number in base 128, its lowest digits first."""
    if number < _ONE_BYTE:
        return bytes((number,))
    digits = bytearray()
    while number >= _ONE_BYTE:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)


class _Starts(dict[int, bytes]):
    """Length of the record -> the bytes before its key's place."""

    def __missing__(self, length: int) -> bytes:
        start = b"\x1a" + varint(length) + b"\x08"
        if length < _SHORT:
            self[length] = start
        return start


class _Bodies(dict[int, int]):
    """Length of the data -> length of its record but for the place of its key."""

    def __missing__(self, data: int) -> int:
        length = 4 + len(varint(data)) + data
        if data < _SHORT:
            self[data] = length
        return length


class _ShortStarts(dict[int, bytes]):
    """Length of the data -> the bytes before its key's place, where that is a single byte."""

    def __missing__(self, data: int) -> bytes:
        start = _STARTS[_BODIES[data] + 1]
        if data < _SHORT:
            self[data] = start
        return start


class _Lengths(dict[int, bytes]):
    """Length of the data -> the bytes right before the data, after the field's own."""

    def __missing__(self, data: int) -> bytes:
        length = varint(data)
        if data < _SHORT:
            self[data] = length
        return length


class _Heads(dict[int, bytes]):
    """Length of a partition key in bytes -> the bytes before it in the table."""

    def __missing__(self, length: int) -> bytes:
        head = self[length] = b"\x0a" + varint(length)
        return head


_STARTS, _BODIES, _SHORT_STARTS, _LENGTHS, _HEADS = _Starts(), _Bodies(), _ShortStarts(), _Lengths(), _Heads()
_PLACES: list[bytes] = []  # place of a key -> its bytes in a record, with the hash key's place and the data's field
_PLACE_BYTES: list[int] = []  # place of a key -> how many of these are the place's own


def _places(count: int) -> list[bytes]:
    while len(_PLACES) < count:
        place = varint(len(_PLACES))
        _PLACES.append(place + b"\x10\x00\x1a")
        _PLACE_BYTES.append(len(place))
    return _PLACES


def encode(keys: Sequence[str], values: Sequence[bytes], hash_key: str) -> bytes:
    """Give one aggregate of these records, in this order, all under the explicit hash key (decimal digits)."""
    table = list(dict.fromkeys(keys))
    texts = list(map(str.encode, table))
    place = dict(zip(table, _places(len(table)), strict=False))
    lengths = list(map(len, values))
    if len(table) <= _ONE_BYTE:
        starts = map(_SHORT_STARTS.__getitem__, lengths)
    else:
        more = dict(zip(table, _PLACE_BYTES, strict=False))
        starts = map(_STARTS.__getitem__, map(add, map(_BODIES.__getitem__, lengths), map(more.__getitem__, keys)))
    message = b"".join(
        chain(
            chain.from_iterable(zip(map(_HEADS.__getitem__, map(len, texts)), texts, strict=True)),
            (b"\x12", varint(len(hash_key)), hash_key.encode()),
            chain.from_iterable(
                zip(starts, map(place.__getitem__, keys), map(_LENGTHS.__getitem__, lengths), values, strict=True)
            ),
        )
    )
    return b"".join((MAGIC, message, md5(message, usedforsecurity=False).digest()))


def how_many_fit(keys: Sequence[str], values: Sequence[bytes], bytes_max: int) -> int:
    """Count the leading records of which an aggregate surely has no more bytes; 0 when not even one fits."""
    count = len(keys)
    table = dict.fromkeys(keys)
    room = bytes_max - FIXED_BYTES
    texts = list(map(len, map(str.encode, table)))
    over = sum(map(len, values)) + count * FRAME_BYTES_MAX + sum(texts) + len(table) * 3 - room
    if over <= 0:
        return count
    if over * _A_LITTLE < room:  # nearly always: who takes records for an aggregate cannot know their keys before
        from_the_end = enumerate(accumulate(map(FRAME_BYTES_MAX.__add__, map(len, reversed(values)))), 1)
        dropped = next((records for records, size in from_the_end if size >= over), count)
        if dropped < count:
            return count - dropped  # their keys would make room, too, for a few more
    first = dict(zip(reversed(keys), range(count - 1, -1, -1), strict=True))
    sizes = [FRAME_BYTES_MAX] * count
    for key, length in zip(table, texts, strict=True):
        sizes[first[key]] += length + 3
    return bisect_right(list(accumulate(map(add, sizes, map(len, values)))), room)
