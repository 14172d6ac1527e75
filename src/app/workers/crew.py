"""What one configuration's supervisor is made of, put together from its settings; nothing is opened yet.

No client is imported here: the supervisor would carry 60 MiB of them for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from secrets import SystemRandom
from typing import Self

from doka.adapters.system.clock import SystemClock
from doka.adapters.telemetry.line_writer import LineWriter
from doka.adapters.telemetry.logs import Log
from doka.adapters.telemetry.merged_page import SupervisorMetrics
from doka.app.config_options import ConfigOptions
from doka.app.settings.load import read_configuration
from doka.app.settings.model import Settings
from doka.app.workers.changes import hash_of, watched_files
from doka.app.workers.fleet import Shown
from doka.app.workers.health import WorkerReport, WorkersHealth
from doka.app.workers.process import WorkerProcess
from doka.app.workers.reloader import Configuration, Reloader, drain_of
from doka.app.workers.reloading import Reloading
from doka.app.workers.setup import Setup, settings_of
from doka.app.workers.supervision import Supervision
from doka.app.workers.supervisor import StopInbox, Supervisor
from doka.app.workers.telemetry import SupervisorTelemetry
from doka.app.workers.together import Configured
from doka.app.workers.trial import Brief, Trial
from doka.app.workers.watch import ConfigurationWatch
from doka.domain.errors import UsageError


@dataclass(frozen=True, slots=True)
class Shared:
    """What the crews of all configurations have in common."""

    hostname: str
    style: str
    workers: int
    clock: SystemClock
    writer: LineWriter
    log: Log
    stdout: int
    """A descriptor of its own, for the last words of workers that are left alone."""
    shown: Shown | None


@dataclass(frozen=True, slots=True)
class Crew:
    """A supervisor and what is asked of beside it."""

    configured: Configured
    supervisor: Supervisor
    health: WorkersHealth
    inbox: StopInbox
    telemetry: SupervisorTelemetry
    reloads: Reloader | None

    @classmethod
    def of(cls, configured: Configured, metrics: SupervisorMetrics, shared: Shared, *, watch: bool) -> Self:
        """Put it together; with `watch` its configuration may change."""
        drain = drain_of(configured.settings)
        supervision = Supervision(shared.workers, drain, SystemRandom().random, shared.clock.now())
        health = WorkersHealth(shared.workers, shared.clock.now())
        telemetry = SupervisorTelemetry(shared.log, metrics, configured.name)
        metrics.up = health.up
        reloads = None
        if watch:
            reloads = Reloader(
                Reloading(supervision, shared.workers, drain),
                Configuration(configured.settings, hash_of(configured.settings)),
                judge=lambda running: Trial(Brief(configured.options, running, shared.hostname)),
                health=health,
                show=metrics.made_of,
                metrics=metrics.shows_configuration(),
                telemetry=telemetry,
                clock=shared.clock,
            )
        inbox = StopInbox()
        supervisor = Supervisor(
            supervision=supervision,
            health=health,
            start=_starter(configured, reloads, health, shared),
            inbox=inbox,
            clock=shared.clock,
            telemetry=telemetry,
            shown=shared.shown,
            reloads=reloads,
        )
        return cls(configured, supervisor, health, inbox, telemetry, reloads)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look at the configuration meanwhile, where it may change."""
        if self.reloads is None:
            yield
            return
        options, reloads = self.configured.options, self.reloads
        source = options.source
        wish = partial(self.inbox.wish_reload, f"{source}, or a transform, was changed")
        watch = ConfigurationWatch(lambda: watched_files(options, reloads.running), wish)
        if not _says(options, self.configured.settings):
            self.inbox.wish_reload(f"{source} was changed in the start")
        self.telemetry.watches(source, self.reloads.hash)
        watch.open()
        try:
            yield
        finally:
            watch.close()


def _says(options: ConfigOptions, settings: Settings) -> bool:
    """Tell whether the configuration still says what it said when it was read."""
    try:
        return read_configuration(options) == settings
    except UsageError:
        return False


def _starter(
    configured: Configured, reloads: Reloader | None, health: WorkersHealth, shared: Shared
) -> Callable[[int, int], WorkerProcess]:
    """Give what starts a worker of a number, by the configuration of a number."""

    def start(number: int, by: int) -> WorkerProcess:
        def reported(report: WorkerReport) -> None:
            health.reported(number, report, shared.clock.now())

        whose: Settings = configured.settings if reloads is None else reloads.configuration(by)
        own = settings_of(whose, number % shared.workers, shared.workers)
        setup = Setup(own, shared.hostname, shared.style, number, shared.workers, watched=reloads is not None)
        line = shared.writer.write
        if configured.name is not None:
            line = partial(_named, shared.writer.write, configured.name.encode(), json=shared.style == "json")
        return WorkerProcess(setup, shared.stdout, reported=reported, line=line)

    return start


def _named(write: Callable[[bytes], None], name: bytes, line: bytes, *, json: bool) -> None:
    """Write a worker's line with the name of its configuration: its last field, or its first word."""
    if not json:
        write(b"[%s] %s" % (name, line))
    elif line.endswith(b"}"):
        write(b'%s,"config":"%s"}' % (line[:-1], name))
    else:
        write(line)  # none of ours
