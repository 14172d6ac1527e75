"""The service as one process: put together from its settings, and served until it ends."""

from __future__ import annotations

import sys
from importlib.metadata import version

from doka.adapters.system.signals import StopSignals
from doka.app.container import Container
from doka.app.runtime import Ending
from doka.app.settings.mapping import to_log_style
from doka.app.settings.model import Settings

LAST_LINES_SECONDS = 2.0


def build(settings: Settings, hostname: str) -> Container:
    """Put the service together for these settings; nothing is opened yet."""
    return Container(
        settings=settings,
        hostname=hostname,
        version=version("doka-connector"),
        log_style=to_log_style(settings, terminal=sys.stdout.isatty()),
    )


def serve(container: Container) -> Ending:
    """Run a service that was put together, on this thread, and say how it ended."""
    telemetry = container.telemetry()
    telemetry.open()
    try:
        with StopSignals(container.inbox()):
            return container.runtime().run()
    finally:
        telemetry.close(LAST_LINES_SECONDS)
