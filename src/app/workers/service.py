"""The service as several processes: put together from its settings, and served until all have ended.

No client is imported here: the supervisor would carry 60 MiB of them for nothing.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from secrets import SystemRandom

from doka.adapters.system.clock import SystemClock
from doka.adapters.system.reload_signal import ReloadSignal
from doka.adapters.system.signals import StopSignals
from doka.adapters.telemetry.line_writer import LineWriter
from doka.adapters.telemetry.logs import Log
from doka.adapters.telemetry.merged_page import SUPERVISOR, SupervisorMetrics
from doka.adapters.telemetry.page.data import Service, whole
from doka.app.config_options import ConfigOptions
from doka.app.runtime import Ending
from doka.app.settings.exports import Sender, to_exports
from doka.app.settings.mapping import to_log_style
from doka.app.settings.pages import to_server, to_service
from doka.app.version import version
from doka.app.workers.crew import Crew, Shared
from doka.app.workers.fleet import UNEXPECTED, Fleet, Member
from doka.app.workers.setup import settings_of
from doka.app.workers.supervisor import StopInbox
from doka.app.workers.telemetry import SupervisorTelemetry
from doka.app.workers.together import Configured
from doka.domain.errors import UsageError

STDOUT = 1

logger = logging.getLogger("doka.settings")


def supervise(
    configured: Sequence[Configured], hostname: str, workers: int, doubts: Iterable[str] = (), *, watch: bool = False
) -> Ending:
    """Run so many workers of each configuration on this thread, and say how it ended; `doubts` are told at its start.

    With `watch` each configuration is read again when it changes. What is there once is as the first one says.

    Raises:
        UsageError: the instance id has no room for a worker's number, or the HTTP port cannot be listened on, or there is
            no file to be watched.
    """
    for each in configured:
        settings_of(each.settings, 0, workers)  # what it refuses is refused before anything is begun
        if watch:
            require_file(each.options)
    first = configured[0].settings
    clock, metrics = SystemClock(), [SupervisorMetrics(workers) for _ in configured]
    style = to_log_style(first, terminal=sys.stdout.isatty())
    writer = LineWriter(STDOUT, metrics[0].line_dropped)
    log = Log(clock, writer, first.log.level, style)
    shown = partial(whole, _service(configured)) if first.http.page else None
    shared = Shared(hostname, style, workers, clock=clock, writer=writer, log=log, stdout=os.dup(STDOUT), shown=shown)
    crews = [Crew.of(each, own, shared, watch=watch) for each, own in zip(configured, metrics, strict=True)]
    inbox, serving = (crews[0].inbox, crews[0].supervisor) if len(crews) == 1 else _fleet(crews, shared)
    sender = Sender(hostname, version(), SUPERVISOR)
    exports = to_exports(first, sender, clock, metrics[0], SystemRandom().random)
    server = to_server(first, clock)
    server.open(serving.answer)
    log.open()
    for crew in crews:
        crew.telemetry.opened(crew.configured.settings, workers, server.port)
    for doubt in doubts:
        logger.warning("%s", doubt)
    if exports is not None:
        exports.open()
    ending = UNEXPECTED
    try:
        with _signals(inbox, crews, watch=watch):
            ending = serving.run()
        return ending
    finally:
        if exports is not None:
            exports.close()
        server.close()
        SupervisorTelemetry(log, metrics[0]).closed(ending.code, ending.reason)
        os.close(shared.stdout)


def _fleet(crews: Sequence[Crew], shared: Shared) -> tuple[StopInbox, Fleet]:
    inbox = StopInbox()
    members = {str(crew.configured.name): Member(crew.supervisor, crew.health, crew.inbox) for crew in crews}
    return inbox, Fleet(members, inbox, shared.clock, shared.shown)


def _service(configured: Sequence[Configured]) -> Service:
    """Give what is told of all of them as a whole."""
    groups = ", ".join(dict.fromkeys(each.settings.kafka.group_id for each in configured))
    return replace(to_service(configured[0].settings, version()), group=groups)


@contextmanager
def _signals(inbox: StopInbox, crews: Sequence[Crew], *, watch: bool) -> Iterator[None]:
    """Heed stops; and where configurations may change, look at them, and wish for all of them at a SIGHUP."""

    def hung_up() -> None:
        for crew in crews:
            crew.inbox.wish_reload("a SIGHUP came")

    with ExitStack() as entered:
        entered.enter_context(StopSignals(inbox, but_not=frozenset({signal.SIGHUP} if watch else ())))
        if watch:
            entered.enter_context(ReloadSignal(hung_up))
            for crew in crews:
                entered.enter_context(crew.watched())
        yield


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
