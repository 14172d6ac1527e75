"""How fast a replay reads, so that the service beside it keeps its share of the stream.

Theory of operation. A pace is a share of what the open shards take: records and bytes a second, whichever is used up first.
Each record costs its part of a second; the next may be read when the one before is paid. Whoever has not read for long has
a burst in hand, and no more. A stream that throttles is shared with somebody: the pace is halved, and comes back slowly.
What was read is sent as fast as its lanes allow, so that the pace of reading is that of sending but for what is in hand.
"""

from __future__ import annotations

from typing import Final

from doka.domain.limits import NS_PER_SECOND, SHARD_BYTES_PER_SECOND, SHARD_RECORDS_PER_SECOND

BURST_NS: Final = NS_PER_SECOND // 10
SLOWER_AT_MOST_EVERY_NS: Final = NS_PER_SECOND  # what was read before goes on being throttled for a moment
SHARE_MIN: Final = 0.02
FASTER_PER_SECOND: Final = 0.02  # of the whole pace


class Pace:
    """The pace of one replay; its records and bytes go together, as those of a shard do."""

    def __init__(self, records_per_second: float, now: int) -> None:
        """Begin at the whole pace."""
        self._records_per_second = records_per_second
        self._bytes_per_second = records_per_second * SHARD_BYTES_PER_SECOND / SHARD_RECORDS_PER_SECOND
        self._share = 1.0
        self._recovered_at = now
        self._slowed_at = now - SLOWER_AT_MOST_EVERY_NS
        self._paid_at = now

    def records_per_second(self, now: int) -> float:
        """Give how many records may be read a second at present."""
        self._recover(now)
        return self._records_per_second * self._share

    def allowed(self, now: int) -> int:
        """Give how many records may be read now; 0 where the last ones are not paid yet."""
        if now < self._paid_at:
            return 0
        self._paid_at = max(self._paid_at, now - BURST_NS)
        return max(1, int((now - self._paid_at) * self.records_per_second(now) / NS_PER_SECOND))

    def rests_until(self) -> int:
        """Give the moment from which on records may be read."""
        return self._paid_at

    def spent(self, records: int, payload_bytes: int, now: int) -> None:
        """Pay for records that were read."""
        self._recover(now)
        seconds = max(records / self._records_per_second, payload_bytes / self._bytes_per_second) / self._share
        self._paid_at += round(seconds * NS_PER_SECOND)

    def throttled(self, now: int) -> None:
        """Note that the stream throttled records of the replay."""
        self._recover(now)
        if now - self._slowed_at >= SLOWER_AT_MOST_EVERY_NS:
            self._slowed_at = now
            self._share = max(SHARE_MIN, self._share / 2)

    def _recover(self, now: int) -> None:
        gained = (now - self._recovered_at) / NS_PER_SECOND * FASTER_PER_SECOND
        self._share, self._recovered_at = min(1.0, self._share + gained), now
