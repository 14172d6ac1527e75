"""The clock port over virtual time."""

from __future__ import annotations

from adapters.simulated.timeline import Timeline
from domain.limits import NS_PER_SECOND

EPOCH_SECONDS = 1_700_000_000.0
"""What an honest wall clock shows at virtual time zero."""


class SimulatedClock:
    """`now` is virtual time itself; `wall` is as wrong as `skew_seconds` says."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.skew_seconds = 0.0

    def now(self) -> int:
        """Give virtual nanoseconds; they run through a suspension and never jump back."""
        return self._timeline.now

    def wall(self) -> float:
        """Give seconds since the epoch as the host believes them to be."""
        return self.true_wall() + self.skew_seconds

    def true_wall(self) -> float:
        """Give seconds since the epoch as the services believe them to be."""
        return EPOCH_SECONDS + self._timeline.now / NS_PER_SECOND
