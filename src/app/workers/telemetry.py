"""Tells what happens to the workers: a line for people, a figure for scrapers. Its lines are the supervisor's own."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from doka.adapters.telemetry.logs import Log
from doka.adapters.telemetry.merged_page import SupervisorMetrics
from doka.app.settings.model import Settings
from doka.app.version import version
from doka.app.workers.supervision import Outage
from doka.domain.limits import NS_PER_SECOND

LAST_WORDS_SECONDS = 2.0


class SupervisorTelemetry:
    """`WorkerTelemetry` of a real run; the log writes on a thread of its own, so nothing here waits but `closed`."""

    def __init__(self, log: Log, metrics: SupervisorMetrics, config: str | None = None) -> None:
        """Take the log, which must be open before anything is told, and the supervisor's own metrics.

        `config` is the name of the configuration, where there are several.
        """
        self._log = log
        self._metrics = metrics
        self._config = {} if config is None else {"config": config}

    def _say(self, level: int, event: str, message: str, **fields: Any) -> None:
        self._log.say(level, event, message, **fields, **self._config)

    def opened(self, settings: Settings, workers: int, port: int) -> None:
        """Say how the service starts: how many, with which limits, and where its pages are."""
        held = settings.limits.held_mib
        message = (
            f"doka {version()} started with {workers} worker{'s, each' if workers > 1 else ','} a process and a member of the group {settings.kafka.group_id}; "
            f"limits are per worker: {held} MiB of records each, {workers * held} MiB together; "
            f"/metrics, /healthz and /readyz of all are served at port {port}; SIGTERM or Ctrl-C stops all of them"
        )
        self._say(logging.INFO, "started", message, port=port, workers=workers, version=version())

    def started(self, worker: int, pid: int) -> None:
        """Tell of a worker that was started."""
        self._say(logging.INFO, "worker_started", f"worker {worker} runs as process {pid}", worker=worker, pid=pid)

    def ended(self, outage: Outage) -> None:
        """Tell of a worker that ended, and when it is started again."""
        if outage.restart_in is None:
            self._say(
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
        self._say(
            logging.WARNING, "worker_died", message, worker=outage.worker, how=outage.how, restart_seconds=seconds
        )

    def watches(self, source: str, name: str) -> None:
        """Say that the configuration is read again when it changes, and by which one all begin."""
        message = (
            f"{source} is looked at every few seconds, and at a SIGHUP; the configuration has the hash {name}; while a "
            "worker is replaced there is one more of them"
        )
        self._say(logging.INFO, "configuration_watched", message, hash=name)

    def judging(self, why: str) -> None:
        """Say that the configuration is read again, and why."""
        self._say(logging.INFO, "reload_begun", f"the configuration is read again: {why}", why=why)

    def unchanged(self, name: str) -> None:
        """Say that what was read is what runs."""
        message = "the configuration says what it said; nothing is done"
        self._say(logging.INFO, "reload_unchanged", message, hash=name)

    def refused(self, problems: Sequence[str], *, again_in: int | None) -> None:
        """Say, a line for each thing to mend, why the configuration is not taken; `again_in` ns it is judged again."""
        seconds = None if again_in is None else again_in // NS_PER_SECOND
        again = "" if seconds is None else f"; it is judged again in {seconds} s"
        for problem in problems:
            message = f"the configuration is not taken, and nothing has changed: {problem}{again}"
            self._say(logging.ERROR, "reload_refused", message, problem=problem, again_seconds=seconds)

    def replacing(self, name: str, old: str) -> None:
        """Say that workers are replaced."""
        message = f"the configuration {name} follows {old}: the workers are replaced, one after another"
        self._say(logging.INFO, "reload_accepted", message, hash=name, before=old)

    def taken(self, name: str, seconds: float) -> None:
        """Say that all workers run by a configuration."""
        message = f"all workers run by the configuration {name}, after {seconds:.1f} s"
        self._say(logging.INFO, "reload_taken", message, hash=name, seconds=round(seconds, 3))

    def failed(self, reason: str, name: str) -> None:
        """Say that a new worker did not do, and that the old configuration runs on."""
        message = (
            f"the configuration {name} was taken back, and the one before runs on: {reason}; correct it, or send a SIGHUP "
            "to try it again"
        )
        self._say(logging.ERROR, "reload_failed", message, hash=name, reason=reason)

    def heed(self, level: str) -> None:
        """Write lines of this level and above from now on."""
        self._log.heed(level)

    def stopping(self, reason: str) -> None:
        """Tell that all are to end."""
        self._say(logging.INFO, "stopping", f"all workers are to drain and end: {reason}", reason=reason)

    def page(self, pages: Mapping[int, bytes]) -> tuple[bytes, str]:
        """Give one metrics page of the workers' pages, and its content type."""
        return self._metrics.page(pages)

    def closed(self, code: int, reason: str) -> None:
        """Say how the run ended, and write the last lines, two seconds at most."""
        level = logging.INFO if code == 0 else logging.ERROR
        self._say(level, "ended", f"doka ended with exit code {code}: {reason}", code=code, reason=reason)
        self._log.close(LAST_WORDS_SECONDS)
