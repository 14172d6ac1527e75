"""The time that a service of AWS has, for signatures only: it judges them by its own clock, whatever the host believes.

A signature is refused when its date is more than five minutes from the service's.
So the date to sign with is learned from the `Date` of its answers; no expiry is judged by it, which is a duration.
"""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime

from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock

DATE_GRANULARITY_SECONDS = 1.0
"""An HTTP date names a whole second."""

LEARN_EVERY_NS = NS_PER_SECOND


class ServiceClock:
    """Gives the service's time, as well as it is known; the host's own until the service has spoken.

    Once learned it stands on the clock that never jumps, so a wall clock that is set afterwards changes nothing.
    Several threads may learn: what is known is replaced as a whole.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: tuple[float, int] | None = None
        """The service's time at zero of the steady clock, in seconds since the epoch, and when it was learned."""

    def wall(self) -> float:
        """Give the service's time in seconds since the epoch."""
        if self._known is None:
            return self._clock.wall()
        return self._known[0] + self._clock.now() / NS_PER_SECOND

    def host_ahead_seconds(self) -> float | None:
        """Give how far the host's wall clock is ahead of the service's; None before the first answer."""
        return None if self._known is None else self._clock.wall() - self.wall()

    def is_due(self, *, refused: bool) -> bool:
        """Whether an answer's date is worth reading: the first, each refusal's, and else one a second."""
        return refused or self._known is None or self._clock.now() - self._known[1] >= LEARN_EVERY_NS

    def learn(self, date: datetime, sent_at: int) -> None:
        """Take the date of an answer to a request that was sent at `sent_at` (ns of `Clock.now`).

        The answer was dated between then and now, so only what lies outside of that span is a correction:
        an answer that waited while this process was suspended corrects nothing.
        """
        earliest = date.timestamp()
        now = self._clock.now()
        latest = earliest + DATE_GRANULARITY_SECONDS + max(0, now - sent_at) / NS_PER_SECOND
        self._known = min(max(self.wall(), earliest), latest) - now / NS_PER_SECOND, now


def read_date(value: object) -> datetime | None:
    """Read a `Date` header; None where there is none that can be read, or none with a time zone."""
    if not isinstance(value, str):
        return None
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return date if date.tzinfo is not None else None  # «-0000»: local to nobody knows where
