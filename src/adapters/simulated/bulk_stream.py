"""A stream that judges a put shard by shard: by counts while each shard has room, entry by entry where one has not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from doka.adapters.simulated.stream import THROTTLED, Shard, Stream
from doka.domain.limits import NS_PER_SECOND

KEYS_REMEMBERED_MAX = 1_000_000


class _Places(dict[str, int]):
    """Partition key -> index of its shard, filled as keys are met."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self._stream = stream

    def __missing__(self, key: str) -> int:
        if len(self) >= KEYS_REMEMBERED_MAX:
            self.clear()
        place = self[key] = self._stream.shards.index(self._stream.shard_of(key))
        return place


class BulkStream(Stream):
    """Accepts and refuses as `Stream` does, and keeps no record: what landed is written elsewhere, by a byte each."""

    def __init__(self, name: str, shards: int) -> None:
        super().__init__(name, shards)
        self._places = _Places(self)

    def offer(self, key: str, value: bytes, hash_key: str | None, now: int) -> str | None:
        """Try to land one record, as `Stream.offer` does, and keep nothing of it."""
        if not self.shard_of(key, hash_key).accepts(len(key) + len(value), now):
            return THROTTLED
        self.taken += 1
        return None

    def merge(self, place: int, now: int) -> None:
        """Merge two shards; what was known of keys is no longer true."""
        super().merge(place, now)
        self._places.clear()

    def split(self, place: int, now: int) -> None:
        """Split a shard; what was known of keys is no longer true."""
        super().split(place, now)
        self._places.clear()

    def offer_all(
        self, keys: Sequence[str], values: Sequence[bytes], hash_keys: Sequence[str | None] | None, now: int
    ) -> dict[int, str]:
        """Try to land all entries of a put, in order; give the codes of those that were refused, by their index."""
        if hash_keys is not None:  # aggregates: few, and of any size
            codes = [self.offer(*entry, now) for entry in zip(keys, values, hash_keys, strict=True)]
            return {i: code for i, code in enumerate(codes) if code is not None}
        counts = Counter(map(self._places.__getitem__, keys))
        total = sum(map(len, values)) + sum(map(len, keys))  # bulk keys are ASCII
        shards = [self.shards[place] for place in counts]
        if all(_has_room(shard, counts[place], total, now) for place, shard in zip(counts, shards, strict=True)):
            for place, shard in zip(counts, shards, strict=True):
                shard.records_left -= counts[place]
                shard.bytes_left -= total * counts[place] / len(keys)  # bulk records are of one size
            self.taken += len(keys)
            return {}
        refused = {
            i: THROTTLED
            for i, (key, value) in enumerate(zip(keys, values, strict=True))
            if not self.shards[self._places[key]].accepts(len(key) + len(value), now)
        }
        self.taken += len(keys) - len(refused)
        return refused


def _has_room(shard: Shard, records: int, size: int, now: int) -> bool:
    """Fill a shard's buckets up to now, and say whether it takes so many records of so many bytes in all."""
    if shard.hot:
        return False
    passed = (now - shard.filled_at) / NS_PER_SECOND
    shard.filled_at = now
    shard.records_left = min(shard.records_left + passed * shard.records_per_second, float(shard.records_per_second))
    shard.bytes_left = min(shard.bytes_left + passed * shard.bytes_per_second, float(shard.bytes_per_second))
    return shard.records_left >= records and shard.bytes_left >= size
