"""The service as one process: put together from its settings, and served until it ends."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable

from doka.adapters.system.signals import StopSignals
from doka.adapters.system.watchdog import EXIT_LATE, leave_now
from doka.app.container import Container
from doka.app.runtime import Ending
from doka.app.settings.mapping import to_log_style
from doka.app.settings.model import Settings
from doka.app.settings.show import in_one_line
from doka.app.version import version

logger = logging.getLogger("doka.settings")

LAST_LINES_SECONDS = 2.0


def build(settings: Settings, hostname: str) -> Container:
    """Put the service together for these settings; nothing is opened yet."""
    return Container(
        settings=settings,
        hostname=hostname,
        version=version(),
        log_style=to_log_style(settings, terminal=sys.stdout.isatty()),
    )


def build_quiet(settings: Settings, hostname: str) -> Container:
    """Put it together for a command that tells by itself what the parts would log.

    Without a handler Python writes it between the command's own lines.
    """
    logging.getLogger("doka").addHandler(logging.NullHandler())
    return build(settings, hostname)


def serve(container: Container, doubts: Iterable[str] = ()) -> Ending:
    """Run a service that was put together, on this thread, and say how it ended; `doubts` are told at its start."""
    telemetry = container.telemetry()
    with StopSignals(container.inbox(), leaver(container)):
        telemetry.open()
        for doubt in doubts:
            logger.warning("%s", doubt)
        logger.debug("settings: %s", in_one_line(container.settings()))
        try:
            return container.runtime().run()
        finally:
            telemetry.close(LAST_LINES_SECONDS)


def leaver(container: Container) -> Callable[[], None]:
    """Give what a second SIGINT does to this service: it ends the process at once, and counts what will be sent again."""
    health, telemetry = container.health(), container.telemetry()

    def leave_with_words() -> None:
        reason = (
            f"left at once, by a second SIGINT: {health.repeats():,} records that landed and are not committed will be "
            "sent again, and perhaps what was under way"
        )
        leave_now(lambda: telemetry.ended(EXIT_LATE, reason))

    return leave_with_words
