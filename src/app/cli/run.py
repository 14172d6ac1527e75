"""`doka run`: the service, from its configuration to its exit code, as one process or as several."""

from __future__ import annotations

import os
from collections.abc import Sequence

from doka.adapters.system.collector import spare_the_collector
from doka.app.config_options import ConfigOptions
from doka.app.settings.load import hostname, read_configuration
from doka.app.settings.otel_variables import otel_variables


def run(several: Sequence[ConfigOptions], workers: int = 1, *, watch: bool = False) -> int:
    """Run the service, of one configuration or of several, until it is stopped or cannot go on; give the exit code.

    With `watch` a configuration is read again when it changes, and its workers are replaced.

    Raises:
        UsageError: a configuration cannot be used, or not beside the others, or the HTTP port cannot be listened on.
    """
    doubts = otel_variables(os.environ).doubts
    if len(several) > 1 or workers > 1 or watch:  # a supervisor, which imports no client: 60 MiB of them for nothing
        from doka.app.workers.service import supervise
        from doka.app.workers.together import Configured, named, require_unity

        names = named(several) if len(several) > 1 else [None]
        configured = [
            Configured(options, read_configuration(options), name) for options, name in zip(several, names, strict=True)
        ]
        if len(several) > 1:
            require_unity(configured)
        spare_the_collector()
        return supervise(configured, hostname(), workers, doubts, watch=watch).code
    from doka.app.service import build, serve

    container = build(read_configuration(several[0]), hostname())
    spare_the_collector()
    return serve(container, doubts).code
