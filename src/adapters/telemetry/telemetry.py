"""The telemetry of the running service: one object that counts, logs and answers probes.

It stands between the loop and the three so that no error of theirs can reach the loop: an error is counted in
`doka_telemetry_errors_total` and the loop goes on. A service that forwards without a metric is better than one that
stops because of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ParamSpec

from doka.adapters.telemetry.health import Health
from doka.adapters.telemetry.http_server import HealthServer
from doka.adapters.telemetry.logs import Log
from doka.adapters.telemetry.metrics import Metrics
from doka.adapters.telemetry.otlp.exporter import Exports
from doka.domain.facts import Fact
from doka.domain.records import TopicPartition
from doka.domain.status import Status

_P = ParamSpec("_P")

LAST_WORDS_SECONDS = 0.5
"""How long the last line may take: shorter than what a watchdog grants before it ends the process."""


class ServiceTelemetry:
    """The port `Telemetry`: its methods never raise, and none but the last, `ended`, waits."""

    def __init__(
        self,
        metrics: Metrics,
        log: Log,
        health: Health,
        server: HealthServer | None,
        version: str,
        *,
        exports: Exports | None = None,
    ) -> None:
        """Take the parts, and the version that the first line tells; without `exports` nothing is sent to a collector.

        Without a server nothing listens, and a supervisor asks `health` in another way.
        """
        self._metrics = metrics
        self._log = log
        self._health = health
        self._server = server
        self._version = version
        self._exports = exports
        self._spans = None if exports is None else exports.spans

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
        message = f"doka {self._version} started; /metrics, /healthz and /readyz are served {where}"
        self._log.say(logging.INFO, "started", message, port=self.port, version=self._version)
        if self._exports is not None:
            self._exports.open()

    def close(self, within: float = 1.0) -> bool:
        """Write the last lines, at most `within` seconds, and free the port; False when lines were left.

        Before that the last figures and spans have a second to reach their collector.
        """
        if self._exports is not None:
            self._exports.close()
        if self._server is not None:
            self._server.close()
        return self._log.close(within)

    def fetched(self, partition: TopicPartition, records: int, payload_bytes: int) -> None:
        """Count records that arrived."""
        self._try(self._metrics.fetched, partition, records, payload_bytes)

    def tell(self, fact: Fact) -> None:
        """Count and log one outcome."""
        self._try(self._metrics.count, fact)
        self._try(self._log.tell, fact)
        if self._spans is not None:
            self._try(self._spans.tell, fact)

    def publish(self, status: Status) -> None:
        """Show this as the present state, and write the lines that are due."""
        self._try(self._metrics.publish, status)
        self._try(self._health.publish, status)
        self._try(self._log.tick)

    def turned(self, now: int) -> None:
        """Note that the loop is alive."""
        self._metrics.turned(now)
        self._health.turned(now)

    def ended(self, code: int, reason: str) -> None:
        """Say how the run ended: the exit code, and why in a sentence.

        Waits until that is written, half a second at most: the process may be gone before the log's thread turns.
        """
        level = logging.INFO if code == 0 else logging.ERROR
        message = f"doka ended with exit code {code}: {reason}"
        self._try(self._log.say, level, "ended", message, code=code, reason=reason)
        if self._spans is not None:
            self._try(self._spans.ended, code)
        self._try(self._log.flush, LAST_WORDS_SECONDS)

    def _try(self, call: Callable[_P, object], *given: _P.args, **named: _P.kwargs) -> None:
        """Call one part: what breaks in it is counted, and takes nothing from the others."""
        try:
            call(*given, **named)
        except Exception:  # noqa: BLE001 - see the module
            self._metrics.error()
