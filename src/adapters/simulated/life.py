"""One life of the process: everything that dies with it, and how it dies."""

from __future__ import annotations

from doka.adapters.simulated.inbox import SimulatedInbox


class ProcessDiedError(BaseException):
    """The process is gone in the middle of whatever it did; nothing of it may run on, so nothing may catch this."""


class Life:
    """From a start to a death or an end; answers that come after it find nobody."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.alive = True
        self.doomed = False
        self.suspended_for = 0
        self.suspended_in_hand = 0  # likewise, but only when it has a put in its hands that is not signed
        self.inbox = SimulatedInbox()
