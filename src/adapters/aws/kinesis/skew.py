"""The right time, for signatures only: the host's wall clock may be wrong, the service's `Date` is what it judges by."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock

DATE_GRANULARITY_SECONDS = 1.0
"""An HTTP date names a whole second."""

LEARN_EVERY_NS = NS_PER_SECOND


class SkewedClock:
    """Gives the service's time, as well as it is known; the host's own until the service has spoken.

    Once learned it stands on the clock that never jumps, so a wall clock that is set afterwards changes nothing.
    No expiry is judged by it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._origin: float | None = None
        """The service's time at zero of the steady clock, in seconds since the epoch."""
        self._learned_at = 0

    def wall(self) -> float:
        """Give the service's time in seconds since the epoch."""
        if self._origin is None:
            return self._clock.wall()
        return self._origin + self._clock.now() / NS_PER_SECOND

    @property
    def skew_seconds(self) -> float:
        """How far the host's wall clock is ahead of the service's."""
        return self._clock.wall() - self.wall()

    def is_due(self, *, refused: bool) -> bool:
        """Whether an answer's date is worth reading: the first, each refusal's, and else one a second."""
        return refused or self._origin is None or self._clock.now() - self._learned_at >= LEARN_EVERY_NS

    def learn(self, date: str, sent_at: int) -> None:
        """Take the `Date` header of an answer to a request that was sent at `sent_at` (ns of `Clock.now`).

        The answer was dated between then and now, so only what lies outside of that span is a correction:
        an answer that waited while this process was suspended corrects nothing.
        A date that cannot be read is passed over.
        """
        try:
            dated = parsedate_to_datetime(date)
        except (ValueError, TypeError, OverflowError):
            return
        if dated.tzinfo is None:  # «-0000»: local to nobody knows where
            return
        earliest = dated.timestamp()
        now = self._clock.now()
        latest = earliest + DATE_GRANULARITY_SECONDS + max(0, now - sent_at) / NS_PER_SECOND
        self._learned_at = now
        self._origin = min(max(self.wall(), earliest), latest) - now / NS_PER_SECOND
