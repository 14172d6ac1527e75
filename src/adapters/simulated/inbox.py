"""The inbox port on one thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from doka.domain.events import Event


class SimulatedInbox:
    """A queue; what a dead process left in its own is never read."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()

    def put(self, event: Event) -> None:
        """Leave an event."""
        self._events.append(event)

    @property
    def waiting(self) -> bool:
        """Whether there is something to drain."""
        return bool(self._events)

    def drain(self) -> Sequence[Event]:
        """Take all that is there, oldest first."""
        if not self._events:
            return ()
        taken = list(self._events)
        self._events.clear()
        return taken
