"""The options of `doka run`, and what its help teaches.

Only words stand here; what it does is imported when it runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doka.app.cli.options import AllowInsecureEndpoints, AllowPlaintext, LegacyConfig, taught
from doka.app.config_options import ConfigOptions


@taught
def run(
    *,
    config: Annotated[
        list[Path] | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help="The configuration, a YAML file. Given several times, each has workers of its own.",
        ),
    ] = None,
    legacy_config: LegacyConfig = None,
    allow_plaintext: AllowPlaintext = False,
    allow_insecure_endpoints: AllowInsecureEndpoints = False,
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            min=1,
            max=64,
            help="How many group members to run, each a process for a core of its own. Every limit is per worker.",
        ),
    ] = 1,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            metavar="",
            help="Take a changed configuration without a restart: when its file changes, and at a SIGHUP.",
        ),
    ] = False,
) -> int:
    """Run the service until it is told to stop (SIGTERM, Ctrl-C).

    What cannot be reached or is not permitted blocks its route, says so in /readyz, /metrics and the log, and goes on by
    itself once it is cured. On a stop, what was sent is settled and committed within limits.drain_seconds.

    [bold]Example[/bold]  doka run --config doka.yaml

    With --workers N the partitions are shared among N processes under one supervisor: one page of metrics, one stop for
    all, and a worker that dies is started again. Every limit holds for each worker: N times limits.held_mib in all.

    [bold]Example[/bold]  doka run --legacy-config configs/dev.yaml --allow-plaintext

    [bold]Example[/bold]  doka run --config doka.yaml --workers 2

    With --watch a changed file is judged and tried out first; what is refused changes nothing. What is taken replaces the
    workers one after another, so for a while there is one more of them than --workers says.

    [bold]Example[/bold]  doka run --config doka.yaml --watch

    With --config given several times one process serves several clusters, or groups: each file has workers of its own, all
    have one page of metrics, with the label config, one readiness, and one end.

    [bold]Example[/bold]  doka run --config eu.yaml --config us.yaml
    """
    from doka.app.cli.run import run as start

    files: list[Path | None] = [*config] if config else [None]
    several = [ConfigOptions(file, legacy_config, allow_plaintext, allow_insecure_endpoints) for file in files]
    return start(several, workers, watch=watch)
