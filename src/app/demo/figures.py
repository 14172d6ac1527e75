"""What the demo has seen so far: the telemetry port, kept as a few figures and the last outcomes in words."""

from __future__ import annotations

import logging
from collections import deque

from doka.adapters.telemetry.outcomes import OUTCOMES
from doka.domain.facts import (
    Fact,
    LeaseRejected,
    LeaseRenewalFailed,
    LeaseRenewed,
    RecordsFailed,
    RouteBlocked,
    RouteOpened,
)
from doka.domain.records import TopicPartition
from doka.domain.status import Status

LINES_KEPT = 6
_TOLD = (LeaseRenewed, LeaseRenewalFailed, LeaseRejected, RecordsFailed, RouteBlocked, RouteOpened)


class Figures:
    """Written by the service's thread, read by the screen's: single values and whole objects only, never a mixture."""

    def __init__(self) -> None:
        self.status: Status | None = None
        self.blocked: str | None = None
        self.lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._handler = _Lines(self.lines)

    # --- the port Telemetry --------------------------------------------------------------------------------------

    def fetched(self, partition: TopicPartition, records: int, payload_bytes: int) -> None:
        """Leave out: the screen shows what was fed and what was delivered."""

    def tell(self, fact: Fact) -> None:
        """Note what blocks; keep an outcome in words if a person wants to see it."""
        if isinstance(fact, RouteBlocked):
            self.blocked = fact.reason
        elif isinstance(fact, RouteOpened):
            self.blocked = None
        if isinstance(fact, _TOLD):
            self.lines.append(OUTCOMES.line(fact).message)

    def publish(self, status: Status) -> None:
        """Keep the present state."""
        self.status = status

    def turned(self, now: int) -> None:
        """Leave out: the demo is watched by a person."""

    def ended(self, code: int, reason: str) -> None:
        """Keep how the service ended."""
        self.lines.append(f"the service ended with exit code {code}: {reason}")

    # --- what the service opens and closes -----------------------------------------------------------------------

    def open(self) -> None:
        """Show what the adapters log among the lines: the screen belongs to the demo."""
        logging.getLogger().addHandler(self._handler)

    def close(self, within: float) -> bool:  # noqa: ARG002 - the signature of ServiceTelemetry
        """Leave the log as it was."""
        logging.getLogger().removeHandler(self._handler)
        return True

    # --- for the screen ------------------------------------------------------------------------------------------

    def committed(self) -> int:
        """How many records the committed offsets cover."""
        return 0 if self.status is None else sum(p.committed for p in self.status.partitions.values())

    def lease_left(self, now: int) -> float | None:
        """Seconds until the lease in use ends; None while there is none."""
        status = self.status
        if status is None:
            return None
        for lease in status.leases.values():
            if lease.left is not None:
                return max(0.0, (lease.left - (now - status.at)) / 1e9)
        return None


class _Lines(logging.Handler):
    """Brings the adapters' warnings to the screen, and keeps them off standard error."""

    def __init__(self, lines: deque[str]) -> None:
        super().__init__(logging.WARNING)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Add one line."""
        self._lines.append(record.getMessage())
