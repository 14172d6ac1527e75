"""A Kinesis stream: shards with MD5 hash ranges, each with its own rate, and everything that ever landed.

It must never forget a record that it accepted: what is in here is the truth by which loss and order are judged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import md5
from itertools import pairwise
from typing import NamedTuple

from doka.domain.limits import NS_PER_SECOND, RECORD_BYTES_DEFAULT

HASH_SPACE = 1 << 128
SHARD_RECORDS_PER_SECOND = 1_000  # as the service's own, burst of one second
SHARD_BYTES_PER_SECOND = 1024 * 1024
THROTTLED = "ProvisionedThroughputExceededException"


@lru_cache(maxsize=65_536)
def hash_of(key: str) -> int:
    """Give the place of a partition key in the 128-bit hash space."""
    return int.from_bytes(md5(key.encode(), usedforsecurity=False).digest())


@dataclass(slots=True)
class Shard:
    """A range of the hash space that takes so many records and bytes a second."""

    number: int
    first: int
    last: int
    records_per_second: int = SHARD_RECORDS_PER_SECOND
    bytes_per_second: int = SHARD_BYTES_PER_SECOND
    hot: bool = False
    """Somebody else uses all of it: it refuses everything."""
    records_left: float = field(init=False)
    bytes_left: float = field(init=False)
    filled_at: int = 0

    def __post_init__(self) -> None:
        self.records_left = float(self.records_per_second)
        self.bytes_left = float(self.bytes_per_second)

    def accepts(self, size: int, now: int) -> bool:
        """Take one record of `size` bytes out of the buckets, if they hold enough."""
        if self.hot:
            return False
        passed = (now - self.filled_at) / NS_PER_SECOND
        self.filled_at = now
        self.records_left = min(self.records_left + passed * self.records_per_second, float(self.records_per_second))
        self.bytes_left = min(self.bytes_left + passed * self.bytes_per_second, float(self.bytes_per_second))
        if self.records_left < 1 or self.bytes_left < size:
            return False
        self.records_left -= 1
        self.bytes_left -= size
        return True


class Landed(NamedTuple):
    """One record in the stream, as a consumer would read it."""

    key: str
    value: bytes
    shard: int
    at: int


class Stream:
    """The stream of one route; `status` is None while it does not exist."""

    def __init__(self, name: str, shards: int, *, record_bytes_max: int = RECORD_BYTES_DEFAULT) -> None:
        self.name = name
        self.arn = f"arn:aws:kinesis:eu-west-1:210987654321:stream/{name}"
        self.status: str | None = "ACTIVE"
        self.record_bytes_max = record_bytes_max
        self.limit_raised_at: int | None = None
        self.honours_keys = True
        self.refuses_with: str | None = None
        """Every request is refused with this code, whatever is in it."""
        self.landed: list[Landed] = []
        self.taken = 0  # records that it accepted; the last one's sequence number
        bounds = [HASH_SPACE * i // shards for i in range(shards + 1)]
        self.shards = [Shard(i, first, end - 1) for i, (first, end) in enumerate(pairwise(bounds))]
        self._shards_made = shards

    @property
    def usable(self) -> bool:
        """Whether it takes records."""
        return self.status in {"ACTIVE", "UPDATING"}

    def shard_of(self, key: str, hash_key: str | None = None) -> Shard:
        """Give the open shard whose range holds the key, or the explicit hash key."""
        place = hash_of(key) if hash_key is None else int(hash_key)
        return next(shard for shard in self.shards if shard.first <= place <= shard.last)

    def offer(self, key: str, value: bytes, hash_key: str | None, now: int) -> str | None:
        """Try to land one record; give the error code of its refusal, or None: it is in the stream now."""
        shard = self.shard_of(key, hash_key)
        if not shard.accepts(len(key) + len(value), now):
            return THROTTLED
        self.landed.append(Landed(key, value, shard.number, now))
        self.taken += 1
        return None

    def merge(self, place: int, now: int) -> None:
        """Merge the open shard at index `place` with the next one, as a reshard does."""
        low, high = self.shards[place : place + 2]
        merged = Shard(
            self._shards_made, low.first, high.last, low.records_per_second, low.bytes_per_second, low.hot and high.hot
        )
        merged.filled_at = now
        self._shards_made += 1
        self.shards[place : place + 2] = [merged]

    def split(self, place: int, now: int) -> None:
        """Split the open shard at index `place` in two halves, as a reshard does."""
        parent = self.shards[place]
        if parent.last - parent.first < 1:
            return
        middle = (parent.first + parent.last) // 2
        halves = [
            Shard(self._shards_made + i, first, last, parent.records_per_second, parent.bytes_per_second, parent.hot)
            for i, (first, last) in enumerate(((parent.first, middle), (middle + 1, parent.last)))
        ]
        for half in halves:
            half.filled_at = now
        self._shards_made += 2
        self.shards[place : place + 1] = halves
