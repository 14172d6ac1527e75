"""The PutRecords body, built by C loops and byte for byte what boto3 would send for the same records.

boto3 walks its shape tree for each record, which costs more than all the rest of doka together.
Here a record costs one base64 call and one look-up: everything between two values depends only on the key, and keys
come again and again.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from itertools import chain
from json.encoder import encode_basestring_ascii  # json.dumps of a str, without what goes around it
from typing import TypeVar

from pybase64 import b64encode

from doka.domain.errors import invariant
from doka.domain.limits import KEY_CACHE_BYTES

ENTRY_OVERHEAD_BYTES = 180
"""What CPython adds to a cached key: the slot of the dict, and the heads of a str and a bytes object."""

_KEY = b'", "PartitionKey": '
_BETWEEN = b'}, {"Data": "'
_AROUND_BYTES = len(_KEY) + len(_BETWEEN)

K = TypeVar("K", bound=Hashable)


class FragmentCache(dict[K, bytes]):
    """Key -> the JSON from the end of its value to the start of the next one. Bounded in bytes; starts anew when full.

    `misses` and `clears` count what the cache could not help with, for whoever tunes it.
    """

    def __init__(self, bytes_max: int = KEY_CACHE_BYTES) -> None:
        super().__init__()
        self._bytes_max = bytes_max
        self._bytes = 0
        self.misses = 0
        self.clears = 0

    def __missing__(self, key: K) -> bytes:
        fragment = self.render(key)
        size = 2 * len(fragment) - _AROUND_BYTES + ENTRY_OVERHEAD_BYTES  # the key itself is the rest of a fragment
        if self._bytes + size > self._bytes_max and self:
            self.clear()
            self._bytes = 0
            self.clears += 1
        self._bytes += size
        self.misses += 1
        self[key] = fragment
        return fragment

    def render(self, key: K) -> bytes:
        """Write the fragment of a key that is not cached."""
        raise NotImplementedError


class KeyFragments(FragmentCache[str]):
    """Fragments of entries that are placed by their partition key."""

    def render(self, key: str) -> bytes:
        """Close the value, name the key, open the next value."""
        return _KEY + encode_basestring_ascii(key).encode() + _BETWEEN


class HashedKeyFragments(FragmentCache[tuple[str, str | None]]):
    """Fragments of entries where some are placed by an explicit hash key."""

    def render(self, key: tuple[str, str | None]) -> bytes:
        """Close the value, name the key and, where there is one, its hash key, open the next value."""
        partition_key, hash_key = key
        explicit = b"" if hash_key is None else b', "ExplicitHashKey": ' + encode_basestring_ascii(hash_key).encode()
        return _KEY + encode_basestring_ascii(partition_key).encode() + explicit + _BETWEEN


class BodyBuilder:
    """Builds bodies one after the other; holds nothing of a record but cached fragments of keys."""

    def __init__(self, key_cache_bytes: int = KEY_CACHE_BYTES) -> None:
        few = key_cache_bytes // 8  # most entries with a hash key are aggregates: as many keys as a route has lanes
        self.keys = KeyFragments(key_cache_bytes - few)
        self.hashed_keys = HashedKeyFragments(few)

    def build(
        self,
        stream: tuple[str, str],
        keys: Sequence[str],
        values: Sequence[bytes],
        hash_keys: Sequence[str | None] | None = None,
    ) -> bytes:
        """Give the JSON of one request; `stream` is ("StreamARN" or "StreamName", its value).

        Entry i is `values[i]` under `keys[i]`, with `hash_keys[i]` where given.
        """
        invariant(0 < len(keys) == len(values), "a put has as many keys as values, and at least one")
        if hash_keys is None:
            fragments = map(self.keys.__getitem__, keys)
        else:
            invariant(len(hash_keys) == len(keys), "a put has as many hash keys as keys")
            fragments = map(self.hashed_keys.__getitem__, zip(keys, hash_keys, strict=True))
        field, name = stream
        head = f'{{"{field}": {json.dumps(name)}, "Records": [{{"Data": "'.encode()
        # Two pieces a record, and no Python between them.
        pieces = [head, *chain.from_iterable(zip(map(b64encode, values), fragments, strict=True))]
        pieces[-1] = pieces[-1][: -len(_BETWEEN)] + b"}]}"
        return b"".join(pieces)
