"""The telemetry of the running service: one object that counts, logs and answers probes.

It stands between the loop and the three so that no error of theirs can reach the loop: an error is counted in
`doka_telemetry_errors_total` and the loop goes on. A service that forwards without a metric is better than one that
stops because of it.
"""

from __future__ import annotations

import logging

from doka.adapters.telemetry.health import Health
from doka.adapters.telemetry.http_server import HealthServer
from doka.adapters.telemetry.logs import Log
from doka.adapters.telemetry.metrics import Metrics
from doka.domain.facts import Fact
from doka.domain.records import TopicPartition
from doka.domain.status import Status

LAST_WORDS_SECONDS = 0.5
"""How long the last line may take: shorter than what a watchdog grants before it ends the process."""


class ServiceTelemetry:
    """The port `Telemetry`: its methods never raise, and none but the last, `ended`, waits."""

    def __init__(self, metrics: Metrics, log: Log, health: Health, server: HealthServer | None) -> None:
        """Take the parts; without a server nothing listens, and a supervisor asks `health` in another way."""
        self._metrics = metrics
        self._log = log
        self._health = health
        self._server = server

    @property
    def port(self) -> int | None:
        """The port of the HTTP pages; None without a server."""
        return None if self._server is None else self._server.port

    def open(self) -> None:
        """Start to write lines and to answer probes, and say at which port.

        Raises UsageError when the port cannot be listened on.
        """
        if self._server is not None:
            self._server.open(self._health.answer)
        self._log.open()
        where = "by the supervisor" if self.port is None else f"at port {self.port}"
        message = f"doka started; /metrics, /healthz and /readyz are served {where}"
        self._log.say(logging.INFO, "started", message, port=self.port)

    def close(self, within: float = 1.0) -> bool:
        """Write the last lines, at most `within` seconds, and free the port; False when lines were left."""
        if self._server is not None:
            self._server.close()
        return self._log.close(within)

    def fetched(self, partition: TopicPartition, records: int, payload_bytes: int) -> None:
        """Count records that arrived."""
        try:
            self._metrics.fetched(partition, records, payload_bytes)
        except Exception:  # noqa: BLE001 - see the module
            self._metrics.error()

    def tell(self, fact: Fact) -> None:
        """Count and log one outcome."""
        try:
            self._metrics.count(fact)
            self._log.tell(fact)
        except Exception:  # noqa: BLE001 - see the module
            self._metrics.error()

    def publish(self, status: Status) -> None:
        """Show this as the present state, and write the lines that are due."""
        try:
            self._metrics.publish(status)
            self._health.publish(status)
            self._log.tick()
        except Exception:  # noqa: BLE001 - see the module
            self._metrics.error()

    def turned(self, now: int) -> None:
        """Note that the loop is alive."""
        self._metrics.turned(now)
        self._health.turned(now)

    def ended(self, code: int, reason: str) -> None:
        """Say how the run ended: the exit code, and why in a sentence.

        Waits until that is written, half a second at most: the process may be gone before the log's thread turns.
        """
        try:
            level = logging.INFO if code == 0 else logging.ERROR
            self._log.say(level, "ended", f"doka ended with exit code {code}: {reason}", code=code, reason=reason)
            self._log.flush(LAST_WORDS_SECONDS)
        except Exception:  # noqa: BLE001 - see the module
            self._metrics.error()
