"""Where background threads and signal handlers leave events for the loop.

It must never block and never take a lock: a signal handler may interrupt the very thread that is draining it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from doka.domain.events import Event


class ThreadInbox:
    """An unlocked queue for one reader and any number of writers, as `domain.ports.Inbox`.

    It leans on `deque.append` and `deque.popleft` being atomic, which CPython documents.
    What is in it is bounded by what the loop asked for: one answer for each question, and a stop for each signal.
    """

    def __init__(self) -> None:
        self._events: deque[Event] = deque()

    def put(self, event: Event) -> None:
        """Leave an event; from any thread or signal handler."""
        self._events.append(event)

    def drain(self) -> Sequence[Event]:
        """Take what is there, oldest first; what arrives meanwhile stays for the next time."""
        take = self._events.popleft
        return [take() for _ in range(len(self._events))]
