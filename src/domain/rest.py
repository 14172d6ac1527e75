"""When a turn may be passed over: nothing has happened since the last decision, and no moment has come.

Theory of operation. After a decision the machine is at rest: what is undecided waits for an event or for a moment.
The moments are asked for at most once in a rest, and only when a turn comes that has no event.
A busy loop then pays for decisions only where something can be decided, and so does an idle one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from doka.domain.limits import NS_PER_SECOND

LOOK_AGAIN_NS = NS_PER_SECOND  # a rest never outlasts it, whatever was foreseen
_NEVER = 1 << 63

Moments = Callable[[int], Iterable[int | None]]
"""Gives the moments that are foreseen at a given time; those that are not after it do not count."""


class Rest:
    """Lasts from a decision to the next event, or to the first moment at which time alone decides something."""

    def __init__(self) -> None:
        self._since: int | None = None
        self._until = 0  # 0 where nobody has asked yet

    def begin(self, now: int) -> None:
        """Note that everything is decided that can be."""
        self._since, self._until = now, 0

    def end(self) -> None:
        """Note that something has happened."""
        self._since = None

    def lasts(self, now: int, moments: Moments) -> bool:
        """Say whether there is nothing to decide now."""
        since = self._since
        if since is None or now - since >= LOOK_AGAIN_NS:
            return False
        if not self._until:
            self._until = _foresee(moments, since)
        return now < self._until

    def wake(self, now: int, moments: Moments) -> int | None:
        """Give the next moment at which time alone lets something be decided; None when only an event does."""
        if self._since is None:
            until = _foresee(moments, now)
        else:
            until = self._until = self._until or _foresee(moments, self._since)
        return None if until == _NEVER else until


def _foresee(moments: Moments, after: int) -> int:
    return min([moment for moment in moments(after) if moment is not None and moment > after], default=_NEVER)
