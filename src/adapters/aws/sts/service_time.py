"""What time STS has, as its own answers tell it.

A signature is refused when its date is more than five minutes from the service's clock, whatever the host believes.
So the date to sign with is learned from the service; it must never be used to judge an expiry, which is a duration.
"""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime

from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock

_HALF_A_SECOND = 0.5
"""`Date` is in whole seconds, cut off; in the middle of its second it is right to half of one."""


class ServiceTime:
    """The service's wall clock: the host's until an answer was seen, afterwards the last answer's `Date` carried on.

    It is carried on by the clock that never jumps, so a later jump of the host's wall clock changes nothing.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # One tuple, replaced as a whole: several roles learn on several threads.
        self._anchor: tuple[int, float] | None = None

    def wall(self) -> float:
        """Give the service's seconds since the epoch, as far as they are known."""
        if self._anchor is None:
            return self._clock.wall()
        at, seconds = self._anchor
        return seconds + (self._clock.now() - at) / NS_PER_SECOND

    def learn(self, date: datetime) -> None:
        """Take the `Date` of an answer that has just arrived."""
        self._anchor = (self._clock.now(), date.timestamp() + _HALF_A_SECOND)

    def host_ahead_seconds(self) -> float | None:
        """Give how far the host's wall clock is ahead of the service's; None before the first answer."""
        return None if self._anchor is None else self._clock.wall() - self.wall()


def read_date(value: object) -> datetime | None:
    """Read a `Date` header; None where there is none that can be read, or none with a time zone."""
    if not isinstance(value, str):
        return None
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return date if date.tzinfo is not None else None
