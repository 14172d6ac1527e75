"""`doka run`: the service, from its configuration to its exit code, as one process or as several."""

from __future__ import annotations

import os

from doka.app.config_options import ConfigOptions
from doka.app.settings.load import hostname, read_configuration
from doka.app.settings.otel_variables import otel_variables


def run(options: ConfigOptions, workers: int = 1, *, watch: bool = False) -> int:
    """Run the service until it is stopped or cannot go on; give the exit code.

    With `watch` the configuration is read again when it changes, and the workers are replaced.

    Raises:
        UsageError: the configuration cannot be used, or the HTTP port cannot be listened on.
    """
    settings = read_configuration(options)
    doubts = otel_variables(os.environ).doubts
    if workers > 1 or watch:  # a supervisor, which imports no client: it would carry 60 MiB of them for nothing
        from doka.app.workers.service import supervise

        return supervise(settings, hostname(), workers, doubts, options if watch else None).code
    from doka.adapters.system.collector import spare_the_collector
    from doka.app.service import build, serve

    container = build(settings, hostname())
    spare_the_collector()
    return serve(container, doubts).code
