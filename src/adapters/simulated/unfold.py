"""Reading what is in a stream as its consumers do, independently of the code that writes it.

It must never guess: what is no aggregate is a record as it stands, what is a broken one is an error.
"""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import md5
from typing import Any, NamedTuple

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_MAGIC = b"\xf3\x89\x9a\xc2"
_DIGEST_BYTES = 16
_KEY_TABLE, _HASH_TABLE, _RECORD = 1, 2, 3
_KEY_INDEX, _HASH_INDEX, _DATA = 1, 2, 3
_DELIMITED = 2


class Inner(NamedTuple):
    """One record as a consumer gets it; `hash_key` is None where it came by itself."""

    key: str
    value: bytes
    hash_key: str | None


def opened(value: bytes) -> dict[str, Any]:
    """Give what an envelope carries. Raises ValueError for what is none."""
    carried = json.loads(value)
    if not isinstance(carried, dict) or not {"key", "value"} <= carried.keys():
        raise ValueError("an envelope is an object with a key and a value")
    return carried


def decompressed(value: bytes, name: str) -> bytes:
    """Give what was compressed, `name` as settings have it. Raises ValueError for what was not."""
    if name != "none" and not value:  # which Python would let pass, and Java does not
        raise ValueError(f"it is no {name}, but nothing at all")
    try:
        match name:
            case "gzip":
                return gzip.decompress(value)
            case "zstd":
                return zstd.decompress(value)
            case _:
                return value
    except (OSError, EOFError, zlib.error, zstd.ZstdError) as error:
        raise ValueError(f"it is no {name}: {error}") from None


def unfold(key: str, value: bytes) -> Sequence[Inner]:
    """Give the records of an entry, in order. Raises ValueError for an aggregate that cannot be read."""
    return _unfolded(key, value) if value.startswith(_MAGIC) else (Inner(key, value, None),)


@lru_cache(maxsize=64)  # each aggregate is read as it leaves, as it lands, and as it is sent again
def _unfolded(key: str, value: bytes) -> Sequence[Inner]:
    message = value[len(_MAGIC) : -_DIGEST_BYTES]
    if md5(message, usedforsecurity=False).digest() != value[-_DIGEST_BYTES:]:
        return (Inner(key, value, None),)
    keys: list[str] = []
    hash_keys: list[str] = []
    found: list[Inner] = []
    for field, content in _fields(message):
        if field == _KEY_TABLE:
            keys.append(_data(content).decode())
        elif field == _HASH_TABLE:
            hash_keys.append(_data(content).decode())
        elif field == _RECORD:
            record = dict(_fields(content))
            key_index, hash_index, data = record[_KEY_INDEX], record[_HASH_INDEX], record[_DATA]
            if not isinstance(key_index, int) or not isinstance(hash_index, int):
                raise ValueError("a record of an aggregate whose indexes are no numbers")
            found.append(Inner(keys[key_index], _data(data), hash_keys[hash_index]))
        else:
            raise ValueError(f"an aggregate has no field {field}")
    return tuple(found)


def _data(content: bytes | memoryview | int) -> bytes:
    if isinstance(content, int):
        raise ValueError("a number stands where bytes should")  # noqa: TRY004 - of the bytes, not of the caller
    return bytes(content)


def _fields(message: bytes | memoryview | int) -> Iterator[tuple[int, memoryview | int]]:
    view, at = memoryview(_data(message)), 0
    while at < len(view):
        tag, at = _varint(view, at)
        number, at = _varint(view, at)
        if tag & 7 == _DELIMITED:
            if at + number > len(view):
                raise ValueError("a field longer than its message")
            yield tag >> 3, view[at : at + number]
            at += number
        else:
            yield tag >> 3, number


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    number = shift = 0
    while view[at] & 0x80:
        number |= (view[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return number | view[at] << shift, at + 1
