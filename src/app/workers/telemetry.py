"""Tells what happens to the workers: a line for people, a figure for scrapers. Its lines are the supervisor's own."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from doka.adapters.telemetry.logs import Log
from doka.adapters.telemetry.merged_page import SupervisorMetrics
from doka.app.settings.model import Settings
from doka.app.version import version
from doka.app.workers.supervision import Outage
from doka.domain.limits import NS_PER_SECOND

LAST_WORDS_SECONDS = 2.0


class SupervisorTelemetry:
    """`WorkerTelemetry` of a real run; the log writes on a thread of its own, so nothing here waits but `closed`."""

    def __init__(self, log: Log, metrics: SupervisorMetrics) -> None:
        """Take the log, which must be open before anything is told, and the supervisor's own metrics."""
        self._log = log
        self._metrics = metrics

    def opened(self, settings: Settings, workers: int, port: int) -> None:
        """Say how the service starts: how many, with which limits, and where its pages are."""
        held = settings.limits.held_mib
        message = (
            f"doka {version()} started with {workers} workers, each a process and a member of the group {settings.kafka.group_id}; "
            f"limits are per worker: {held} MiB of records each, {workers * held} MiB together; "
            f"/metrics, /healthz and /readyz of all are served at port {port}; SIGTERM or Ctrl-C stops all of them"
        )
        self._log.say(logging.INFO, "started", message, port=port, workers=workers, version=version())

    def started(self, worker: int, pid: int) -> None:
        """Tell of a worker that was started."""
        self._log.say(logging.INFO, "worker_started", f"worker {worker} runs as process {pid}", worker=worker, pid=pid)

    def ended(self, outage: Outage) -> None:
        """Tell of a worker that ended, and when it is started again."""
        if outage.restart_in is None:
            self._log.say(
                logging.INFO if outage.clean else logging.ERROR,
                "worker_ended",
                f"worker {outage.worker} {outage.how}",
                worker=outage.worker,
                how=outage.how,
            )
            return
        self._metrics.restarted(outage.worker)
        seconds = round(outage.restart_in / NS_PER_SECOND, 3)
        message = f"worker {outage.worker} {outage.how}; it is started again in {seconds:.1f} s"
        self._log.say(
            logging.WARNING, "worker_died", message, worker=outage.worker, how=outage.how, restart_seconds=seconds
        )

    def stopping(self, reason: str) -> None:
        """Tell that all are to end."""
        self._log.say(logging.INFO, "stopping", f"all workers are to drain and end: {reason}", reason=reason)

    def page(self, pages: Mapping[int, bytes]) -> tuple[bytes, str]:
        """Give one metrics page of the workers' pages, and its content type."""
        return self._metrics.page(pages)

    def closed(self, code: int, reason: str) -> None:
        """Say how the run ended, and write the last lines, two seconds at most."""
        level = logging.INFO if code == 0 else logging.ERROR
        self._log.say(level, "ended", f"doka ended with exit code {code}: {reason}", code=code, reason=reason)
        self._log.close(LAST_WORDS_SECONDS)
