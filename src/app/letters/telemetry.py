"""What the loop of a resend tells: the outcome, as of a replay; and its end, where the stream takes nothing any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from doka.app.replay.outcome import Outcome, ReplayTelemetry
from doka.domain.events import StopRequested
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock, Inbox
from doka.domain.replay.pace import Pace
from doka.domain.status import Status

GIVEN_UP_NS: Final = 60 * NS_PER_SECOND
"""How long its route may be blocked. A service goes on, for more records come, and one that lands shows which are wrong; what is
left of a resend may be nothing but what the stream refuses."""


class ResendTelemetry(ReplayTelemetry):
    """Asks for the end of a resend that cannot go on."""

    def __init__(
        self, outcome: Outcome, pace: Pace, clock: Clock, show: Callable[[Status], None], inbox: Inbox
    ) -> None:
        """Take what a replay takes, and who is asked for the end."""
        super().__init__(outcome, pace, clock, show)
        self._inbox = inbox
        self._blocked_since: int | None = None

    def publish(self, status: Status) -> None:
        """Show how it goes."""
        super().publish(status)
        blocked = next((route.blocked for route in status.routes.values() if route.blocked), None)
        if blocked is None or self._blocked_since is None:
            self._blocked_since = None if blocked is None else status.at
        elif status.at - self._blocked_since >= GIVEN_UP_NS:
            self._blocked_since = None
            self._inbox.put(StopRequested(f"the stream, which takes nothing: {blocked}"))
