"""The service as several processes: put together from its settings, and served until all have ended.

No client is imported here: the supervisor would carry 60 MiB of them for nothing.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from secrets import SystemRandom
from typing import Self

from doka.adapters.system.clock import SystemClock
from doka.adapters.system.reload_signal import ReloadSignal
from doka.adapters.system.signals import StopSignals
from doka.adapters.telemetry.line_writer import LineWriter
from doka.adapters.telemetry.logs import Log
from doka.adapters.telemetry.merged_page import SUPERVISOR, SupervisorMetrics
from doka.adapters.telemetry.page.data import whole
from doka.app.config_options import ConfigOptions
from doka.app.runtime import Ending
from doka.app.settings.exports import Sender, to_exports
from doka.app.settings.mapping import to_log_style
from doka.app.settings.model import Settings
from doka.app.settings.pages import to_server, to_service
from doka.app.version import version
from doka.app.workers.changes import hash_of, read, transform_files
from doka.app.workers.health import WorkerReport, WorkersHealth
from doka.app.workers.process import WorkerProcess
from doka.app.workers.reloader import Configuration, Reloader, drain_of
from doka.app.workers.reloading import Reloading
from doka.app.workers.setup import Setup, settings_of
from doka.app.workers.supervision import Supervision
from doka.app.workers.supervisor import StopInbox, Supervisor
from doka.app.workers.telemetry import SupervisorTelemetry
from doka.app.workers.trial import Brief, Trial
from doka.app.workers.watch import ConfigurationWatch
from doka.domain.errors import UsageError

STDOUT = 1

logger = logging.getLogger("doka.settings")


def supervise(
    settings: Settings, hostname: str, workers: int, doubts: Iterable[str] = (), watched: ConfigOptions | None = None
) -> Ending:
    """Run so many workers under a supervisor on this thread, and say how it ended; `doubts` are told at its start.

    Where the configuration is `watched`, it is read again by these options when it changes.

    Raises:
        UsageError: the instance id has no room for a worker's number, or the HTTP port cannot be listened on, or there is
            no file to be watched.
    """
    if watched is not None:
        require_file(watched)
    settings_of(settings, 0, workers)  # what it refuses is refused before anything is begun
    parts = _Parts.of(settings, hostname, workers)
    reloads = None if watched is None else _reloader(parts, settings, watched)
    supervisor = Supervisor(
        supervision=parts.supervision,
        health=parts.health,
        start=parts.starter(settings, reloads),
        inbox=parts.inbox,
        clock=parts.clock,
        telemetry=parts.telemetry,
        shown=partial(whole, to_service(settings, version())) if settings.http.page else None,
        reloads=reloads,
    )
    parts.metrics.up = parts.health.up
    sender = Sender(hostname, version(), SUPERVISOR)
    exports = to_exports(settings, sender, parts.clock, parts.metrics, SystemRandom().random)
    server = to_server(settings, parts.clock)
    server.open(supervisor.answer)
    parts.log.open()
    parts.telemetry.opened(settings, workers, server.port)
    for doubt in doubts:
        logger.warning("%s", doubt)
    if exports is not None:
        exports.open()
    ending = Ending(1, "an unexpected error inside the supervisor came up, please report it")
    try:
        others = frozenset() if watched is None else frozenset({signal.SIGHUP})
        with StopSignals(parts.inbox, but_not=others), _wishes(parts, watched, reloads):
            ending = supervisor.run()
        return ending
    finally:
        if exports is not None:
            exports.close()
        server.close()
        parts.telemetry.closed(ending.code, ending.reason)
        os.close(parts.stdout)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a supervisor is made of, whether it reloads or not."""

    hostname: str
    style: str
    workers: int
    drain: int
    clock: SystemClock
    inbox: StopInbox
    metrics: SupervisorMetrics
    writer: LineWriter
    log: Log
    telemetry: SupervisorTelemetry
    health: WorkersHealth
    supervision: Supervision
    stdout: int
    """A descriptor of its own, for the last words of workers that are left alone."""

    @classmethod
    def of(cls, settings: Settings, hostname: str, workers: int) -> Self:
        """Make them; nothing is opened yet but the descriptor."""
        clock, metrics = SystemClock(), SupervisorMetrics(workers)
        style = to_log_style(settings, terminal=sys.stdout.isatty())
        writer = LineWriter(STDOUT, metrics.line_dropped)
        log = Log(clock, writer, settings.log.level, style)
        drain = drain_of(settings)
        return cls(
            hostname=hostname,
            style=style,
            workers=workers,
            drain=drain,
            clock=clock,
            inbox=StopInbox(),
            metrics=metrics,
            writer=writer,
            log=log,
            telemetry=SupervisorTelemetry(log, metrics),
            health=WorkersHealth(workers, clock.now()),
            supervision=Supervision(workers, drain, SystemRandom().random, clock.now()),
            stdout=os.dup(STDOUT),
        )

    def starter(self, settings: Settings, reloads: Reloader | None) -> Callable[[int, int], WorkerProcess]:
        """Give what starts a worker of a number, by the configuration of a number."""

        def start(number: int, by: int) -> WorkerProcess:
            def reported(report: WorkerReport) -> None:
                self.health.reported(number, report, self.clock.now())

            whose = settings if reloads is None else reloads.configuration(by)
            own = settings_of(whose, number % self.workers, self.workers)
            setup = Setup(own, self.hostname, self.style, number, self.workers, watched=reloads is not None)
            return WorkerProcess(setup, self.stdout, reported=reported, line=self.writer.write)

        return start


def _reloader(parts: _Parts, settings: Settings, watched: ConfigOptions) -> Reloader:
    return Reloader(
        Reloading(parts.supervision, parts.workers, parts.drain),
        Configuration(settings, hash_of(settings)),
        judge=lambda running: Trial(Brief(watched, running, parts.hostname)),
        health=parts.health,
        show=parts.metrics.made_of,
        metrics=parts.metrics.shows_configuration(),
        telemetry=parts.telemetry,
        clock=parts.clock,
    )


@contextmanager
def _wishes(parts: _Parts, watched: ConfigOptions | None, reloads: Reloader | None) -> Iterator[None]:
    """Wish for a reload at a SIGHUP and at a change of what is watched, where something is."""
    if watched is None or reloads is None:
        yield
        return
    wish = parts.inbox.wish_reload
    watch = ConfigurationWatch(
        partial(_read, watched, reloads), partial(wish, f"{watched.source}, or a transform, was changed")
    )
    with ReloadSignal(partial(wish, "a SIGHUP came")):
        parts.telemetry.watches(watched.source, reloads.hash)
        watch.open()
        try:
            yield
        finally:
            watch.close()


def require_file(options: ConfigOptions) -> None:
    """Refuse to watch what can be read once only, or is no file.

    Raises:
        UsageError: there is no file, or it is a pipe or a device.
    """
    path = options.config or options.legacy_config
    if path is None:
        raise UsageError("--watch needs a file to look at: name one with --config FILE")
    if not path.is_file():
        raise UsageError(f"--watch needs a file that can be read again, and {path} is none; give it as a file")


def _read(options: ConfigOptions, reloads: Reloader) -> dict[str, bytes | None]:
    """Read what is watched: the file, and the transforms that the running configuration names."""
    path = options.config or options.legacy_config
    assert path is not None  # `require_file`
    return {str(path): read(path), **transform_files(reloads.running)}
