"""The PutRecords body, built by C loops and byte for byte what boto3 would send for the same records.

boto3 walks its shape tree for each record, which costs more than all the rest of doka together.
Here a record costs one base64 call and one look-up: everything between two values depends only on the key, and keys
come again and again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from json.encoder import encode_basestring_ascii  # json.dumps of a str, without what goes around it

from pybase64 import b64encode

from doka.domain.errors import invariant
from doka.domain.limits import KEY_CACHE_BYTES
from doka.domain.remembered import Remembered

ENTRY_OVERHEAD_BYTES = 180
"""What CPython adds to a cached key: the slot of the dict, and the heads of a str and a bytes object."""

_KEY = b'", "PartitionKey": '
_BETWEEN = b'}, {"Data": "'
_AROUND_BYTES = len(_KEY) + len(_BETWEEN)


def _size(fragments: Sequence[bytes]) -> int:
    """Give what remembered fragments take; a key itself is what is left of one without what stands around."""
    return 2 * sum(map(len, fragments)) + len(fragments) * (ENTRY_OVERHEAD_BYTES - _AROUND_BYTES)


class KeyFragments(Remembered[str, bytes]):
    """Key -> the JSON from the end of its value to the start of the next one, where keys place entries."""

    def work_out(self, keys: Sequence[str]) -> tuple[Sequence[bytes], int]:
        """Give the fragments of keys."""
        fragments = [_KEY + encode_basestring_ascii(key).encode() + _BETWEEN for key in keys]
        return fragments, _size(fragments)


class HashedKeyFragments(Remembered[tuple[str, str | None], bytes]):
    """The same, with the explicit hash key, where some entries are placed by one."""

    def work_out(self, keys: Sequence[tuple[str, str | None]]) -> tuple[Sequence[bytes], int]:
        """Give the fragments of pairs of keys."""
        fragments = list(map(self._work_out, keys))
        return fragments, _size(fragments)

    @staticmethod
    def _work_out(key: tuple[str, str | None]) -> bytes:
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
            fragments = self.keys.of_all(keys)
        else:
            invariant(len(hash_keys) == len(keys), "a put has as many hash keys as keys")
            fragments = self.hashed_keys.of_all(list(zip(keys, hash_keys, strict=True)))
        field, name = stream
        head = f'{{"{field}": {json.dumps(name)}, "Records": [{{"Data": "'.encode()
        # Two pieces a record, and no Python between them.
        pieces = [head, *chain.from_iterable(zip(map(b64encode, values), fragments, strict=True))]
        pieces[-1] = pieces[-1][: -len(_BETWEEN)] + b"}]}"
        return b"".join(pieces)
