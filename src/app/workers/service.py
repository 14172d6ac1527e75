"""The service as several processes: put together from its settings, and served until all have ended.

No client is imported here: the supervisor would carry 60 MiB of them for nothing.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable
from functools import partial
from secrets import SystemRandom

from doka.adapters.system.clock import SystemClock
from doka.adapters.system.signals import StopSignals
from doka.adapters.telemetry.line_writer import LineWriter
from doka.adapters.telemetry.logs import Log
from doka.adapters.telemetry.merged_page import SUPERVISOR, SupervisorMetrics
from doka.adapters.telemetry.page.data import whole
from doka.app.runtime import Ending
from doka.app.settings.exports import Sender, to_exports
from doka.app.settings.mapping import to_log_style
from doka.app.settings.model import Settings
from doka.app.settings.pages import to_server, to_service
from doka.app.version import version
from doka.app.workers.health import WorkerReport, WorkersHealth
from doka.app.workers.process import WorkerProcess
from doka.app.workers.setup import Setup, settings_of
from doka.app.workers.supervision import Supervision
from doka.app.workers.supervisor import StopInbox, Supervisor
from doka.app.workers.telemetry import SupervisorTelemetry
from doka.domain.limits import NS_PER_SECOND

STDOUT = 1

logger = logging.getLogger("doka.settings")


def supervise(settings: Settings, hostname: str, workers: int, doubts: Iterable[str] = ()) -> Ending:
    """Run so many workers under a supervisor on this thread, and say how it ended; `doubts` are told at its start.

    Raises:
        UsageError: the instance id has no room for a worker's number, or the HTTP port cannot be listened on.
    """
    style = to_log_style(settings, terminal=sys.stdout.isatty())
    setups = [
        Setup(settings_of(settings, number, workers), hostname, style, number, workers) for number in range(workers)
    ]
    clock, inbox = SystemClock(), StopInbox()
    metrics = SupervisorMetrics(workers)
    writer = LineWriter(STDOUT, metrics.line_dropped)
    log = Log(clock, writer, settings.log.level, style)
    telemetry = SupervisorTelemetry(log, metrics)
    health = WorkersHealth(workers, clock.now())
    stdout = os.dup(STDOUT)  # for the last words of workers that are left alone

    def start(number: int) -> WorkerProcess:
        def reported(report: WorkerReport) -> None:
            health.reported(number, report, clock.now())

        return WorkerProcess(setups[number], stdout, reported=reported, line=writer.write)

    drain = round(settings.limits.drain_seconds * NS_PER_SECOND)
    supervisor = Supervisor(
        supervision=Supervision(workers, drain, SystemRandom().random, clock.now()),
        health=health,
        start=start,
        inbox=inbox,
        clock=clock,
        telemetry=telemetry,
        shown=partial(whole, to_service(settings, version())) if settings.http.page else None,
    )
    metrics.up = health.up
    sender = Sender(hostname, version(), SUPERVISOR)
    exports = to_exports(settings, sender, clock, metrics, SystemRandom().random)
    server = to_server(settings, clock)
    server.open(supervisor.answer)
    log.open()
    telemetry.opened(settings, workers, server.port)
    for doubt in doubts:
        logger.warning("%s", doubt)
    if exports is not None:
        exports.open()
    ending = Ending(1, "an unexpected error inside the supervisor came up, please report it")
    try:
        with StopSignals(inbox):
            ending = supervisor.run()
        return ending
    finally:
        if exports is not None:
            exports.close()
        server.close()
        telemetry.closed(ending.code, ending.reason)
        os.close(stdout)
