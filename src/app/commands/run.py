"""`doka run`: the service, from its settings to its exit code."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

from doka.adapters.system.collector import spare_the_collector
from doka.adapters.system.signals import StopSignals
from doka.app.commands.configuration import hostname, read_configuration
from doka.app.container import Container
from doka.app.runtime import Ending
from doka.app.settings.mapping import to_log_style
from doka.app.settings.model import Settings

LAST_LINES_SECONDS = 2.0


def run(
    config: Path | None = None,
    legacy_config: Path | None = None,
    *,
    allow_plaintext: bool = False,
    allow_insecure_endpoints: bool = False,
) -> int:
    """Run the service until it is stopped or cannot go on; give the exit code.

    Raises:
        UsageError: the configuration cannot be used, or the HTTP port cannot be listened on.
    """
    settings = read_configuration(
        config,
        legacy_config,
        allow_plaintext=allow_plaintext,
        allow_insecure_endpoints=allow_insecure_endpoints,
    )
    container = build(settings, hostname())
    spare_the_collector()
    return serve(container).code


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
