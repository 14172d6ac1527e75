"""When a command that sends gives up: while something stands in the way and nothing lands, and not before.

A service waits for ever, for more records come, and whoever runs it is called. Somebody waits for a command, or nobody looks.
"""

from __future__ import annotations

from doka.adapters.telemetry.sentences import span
from doka.domain.events import StopRequested
from doka.domain.ports import Inbox
from doka.domain.status import Status


class Patience:
    """Asks the loop for the end when nothing has landed for `limit` ns though a reason was told all the while."""

    def __init__(self, limit: int, inbox: Inbox) -> None:
        """Take how long, and who is asked."""
        self._limit = limit
        self._inbox = inbox
        self._since: int | None = None
        self._landed = 0

    def look(self, status: Status, landed: int) -> None:
        """Look at the present state, which is published about once a second; `landed` is how many records have."""
        reason = status.in_the_way()
        if reason is None or landed != self._landed or self._since is None:
            self._since, self._landed = (None if reason is None else status.at), landed
        elif status.at - self._since >= self._limit:
            self._since = None
            self._inbox.put(StopRequested(f"its own limit, since nothing landed for {span(self._limit)}: {reason}"))

    def left(self, now: int) -> int | None:
        """Say in how many ns it gives up; None while nothing stands in the way."""
        return None if self._since is None else max(0, self._since + self._limit - now)
