"""Slowing down for a hot shard alone: the others go on at full speed.

Theory of operation. A shard takes 1,000 records and 1 MiB a second, keys included
(https://docs.aws.amazon.com/kinesis/latest/dev/service-sizes-and-limits.html).
Nothing is paced until the service throttles an entry. Then its shard is, and no other: each record costs its part of a
second of the shard's capacity, and records leave as fast as the shard's pace allows. The pace begins at the documented
capacity. Refusals within it take away the share of the records that was refused, because what was accepted is what the
shard has left for us; so few refusals among many cost little. Each second gives a little back, and a shard that was not
throttled for a minute is forgotten.

Which shard a key belongs to is decided by MD5, as the service does it, over the ranges that the stream told last.
Where they are not known, or are out of date, throttled records still wait by their own backoff.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from hashlib import md5

from doka.domain.events import ShardRange
from doka.domain.limits import KEY_CACHE_BYTES, NS_PER_SECOND, SHARD_BYTES_PER_SECOND, SHARD_RECORDS_PER_SECOND
from doka.domain.remembered import TEXT_OVERHEAD_BYTES, Remembered

FORGET_AFTER_NS = 60 * NS_PER_SECOND
BURST_NS = NS_PER_SECOND // 10  # capacity that may be spent at once: the shorter, the smoother
SLOWER_AT_MOST_EVERY_NS = NS_PER_SECOND // 10  # a burst of refusals is one message
SLOWER_AT_MOST = 0.5  # refusals come late, and so may count records that left at an older, faster pace
FASTER_PER_SECOND = 0.1
PACE_MIN = 0.05


class _Pace:
    """One throttled shard: the share of its capacity that is used, and when the next record may leave.

    `left` and `refused` count records since the pace was slowed down last.
    """

    __slots__ = ("free_at", "left", "quiet_since", "refused", "share", "slowed_at")

    def __init__(self, now: int) -> None:
        self.share = 1.0
        self.free_at = now
        self.quiet_since = self.slowed_at = now
        self.left = self.refused = 0


class _Shards(Remembered[str, int]):
    """Partition key -> the place of its shard among the open ones."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__(bytes_max)
        self.starts: list[int] = []

    def work_out(self, keys: Sequence[str]) -> tuple[Sequence[int], int]:
        """Give the shards of keys, as the stream has them now."""
        places = [bisect_right(self.starts, hash_key(key)) - 1 for key in keys]
        return places, sum(map(len, keys)) + len(keys) * TEXT_OVERHEAD_BYTES


class Pacer:
    """The paces of one stream's shards; empty, and of no cost, while nothing is throttled."""

    def __init__(self, few: int = 0, key_cache_bytes: int = KEY_CACHE_BYTES) -> None:
        """Begin without a pace; the share refused of less than `few` records is taken over a second at least.

        Where a key's shard is, is remembered within `key_cache_bytes`.
        """
        self._few = few
        self.paces: dict[int, _Pace] = {}  # of the shards that are slowed down, by their place; empty while none is
        self._shards = _Shards(key_cache_bytes)

    def learn(self, shards: Sequence[ShardRange], open_shards: int | None = None) -> None:
        """Take the stream's shards; after a split or a merge the paces of the old ones mean nothing.

        Where they could not be listed this time, and are as many as are known, what is known stands.
        """
        if not shards and open_shards == len(self._shards.starts):
            return
        starts = sorted(shard.first_hash_key for shard in shards)
        if starts != self._shards.starts:
            self.paces.clear()
            self._shards.forget()
            self._shards.starts = starts

    def throttled(self, key: str | int, now: int) -> None:
        """Note that a record of this partition key, or explicit hash key, was throttled: its shard is slowed down."""
        shard = self._shard(key)
        if shard is None:
            return
        pace = self.paces.get(shard)
        if pace is None:
            self.paces[shard] = _Pace(now)
            return
        pace.refused += 1
        waited = now - pace.slowed_at
        if waited >= SLOWER_AT_MOST_EVERY_NS and (pace.left >= self._few or waited >= NS_PER_SECOND):
            self._recover(pace, now)
            refused = min(SLOWER_AT_MOST, pace.refused / max(pace.left, pace.refused))
            pace.share = max(PACE_MIN, pace.share * (1 - refused))
            pace.slowed_at = pace.quiet_since = now
            pace.left = pace.refused = 0

    def leaves_at(self, key: str | int, record_bytes: int, now: int) -> int:
        """Say when a record may leave; where that is now, its cost is spent."""
        shard = self._shard(key)
        pace = None if shard is None else self.paces.get(shard)
        if pace is None:
            return now
        if now - pace.slowed_at >= FORGET_AFTER_NS:
            del self.paces[shard or 0]
            return now
        if pace.free_at - BURST_NS > now:
            return pace.free_at  # not earlier: a whole burst then leaves in one request, not in a hundred
        self._recover(pace, now)
        cost = max(1 / SHARD_RECORDS_PER_SECOND, record_bytes / SHARD_BYTES_PER_SECOND)
        pace.free_at = max(pace.free_at, now) + round(cost / pace.share * NS_PER_SECOND)
        pace.left += 1
        return now

    @staticmethod
    def _recover(pace: _Pace, now: int) -> None:
        quiet = (now - pace.quiet_since) / NS_PER_SECOND
        pace.share = min(1.0, pace.share + quiet * FASTER_PER_SECOND)
        pace.quiet_since = now

    def _shard(self, key: str | int) -> int | None:
        shards = self._shards
        if not shards.starts:
            return None
        return bisect_right(shards.starts, key) - 1 if isinstance(key, int) else shards.of(key)


def hash_key(partition_key: str) -> int:
    """Give the 128-bit number by which Kinesis chooses the shard of a partition key."""
    return int.from_bytes(md5(partition_key.encode(), usedforsecurity=False).digest(), "big")
