"""A clock that a test moves by hand: two readings, as in reality, one of which may be plainly wrong."""

from __future__ import annotations

import time

NS_PER_SECOND = 1_000_000_000


class ManualClock:
    """`domain.ports.Clock` that stands still until it is moved.

    `wall` starts at `seconds` since the epoch, where not given at the true time, and is `ahead_seconds` ahead of it.
    """

    def __init__(self, ahead_seconds: float = 0.0, *, seconds: float | None = None) -> None:
        self.ns = 1_000 * NS_PER_SECOND
        self.seconds = (time.time() if seconds is None else seconds) + ahead_seconds

    def now(self) -> int:
        """Give the clock that never jumps, in ns."""
        return self.ns

    def wall(self) -> float:
        """Give the wall clock, in seconds since the epoch."""
        return self.seconds

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self.ns += round(seconds * NS_PER_SECOND)
        self.seconds += seconds

    def jump_wall(self, seconds: float) -> None:
        """Let somebody set the wall clock."""
        self.seconds += seconds
