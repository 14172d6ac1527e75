"""The clock port over virtual time."""

from __future__ import annotations

from doka.adapters.simulated.timeline import Timeline
from doka.domain.errors import InvariantError
from doka.domain.limits import NS_PER_SECOND

EPOCH_SECONDS = 1_700_000_000.0
"""What an honest wall clock shows at virtual time zero."""


READS_MAX = 20_000
"""How often the same moment may be read: a loop that asks more often waits for a time that cannot come."""


class SimulatedClock:
    """`now` is virtual time itself; `wall` is as wrong as `skew_seconds` says."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.skew_seconds = 0.0
        self._read_at = -1
        self._reads = 0

    def now(self) -> int:
        """Give virtual nanoseconds; they run through a suspension and never jump back."""
        now = self._timeline.now
        if now != self._read_at:
            self._read_at, self._reads = now, 1
            return now
        self._reads += 1
        if self._reads > READS_MAX:
            raise InvariantError("the loop turns without waiting: no port was called that lets time pass")
        return now

    def wall(self) -> float:
        """Give seconds since the epoch as the host believes them to be."""
        return self.true_wall() + self.skew_seconds

    def true_wall(self) -> float:
        """Give seconds since the epoch as the services believe them to be."""
        return EPOCH_SECONDS + self._timeline.now / NS_PER_SECOND
