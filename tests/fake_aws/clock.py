"""The service's own time: how old a lease is, and which date an answer carries.

Two clocks, as in reality: ages run on one that no skew can touch, dates come from a wall clock that a test may shift.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import formatdate

NS_PER_SECOND = 1_000_000_000


class ServiceClock:
    """Time as the service sees it; `skew_seconds` is how far its wall clock is ahead of this host's."""

    def __init__(self) -> None:
        self.skew_seconds = 0.0
        self._advanced = 0
        self._date_of = -1
        self._date = b""

    def now(self) -> int:
        """Ns on the clock that judges ages; only `advance` moves it beside the time that passes."""
        return time.monotonic_ns() + self._advanced

    def wall(self) -> float:
        """Seconds since the epoch, by the service's wall clock."""
        return time.time() + self._advanced / NS_PER_SECOND + self.skew_seconds

    def moment(self) -> datetime:
        """Give the wall clock as an aware datetime."""
        return datetime.fromtimestamp(self.wall(), UTC)

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass at once, for ages and for dates: the host's clock is then behind by as much."""
        self._advanced += int(seconds * NS_PER_SECOND)

    def date(self) -> bytes:
        """Give the value of the Date header, formatted once a second."""
        second = int(self.wall())
        if second != self._date_of:
            self._date = formatdate(second, usegmt=True).encode()
            self._date_of = second
        return self._date
