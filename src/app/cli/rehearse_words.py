"""The options of `doka test`, and what its help teaches.

Only words stand here; what it does is imported when it runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doka.app.cli.options import AsJson, Payload, configured, taught
from doka.app.config_options import ConfigOptions

REHEARSE_EPILOG = (
    "[bold]Exit codes[/bold]  0 all is as expected, and the function works; 1 something is not, or could not be told, and "
    "says what; 2 bad usage or configuration\n\n"
    "[bold]Next[/bold]  doka simulate run --scenario scenario.yaml --config doka.yaml"
)


@taught
@configured
def rehearse(
    *,
    route: Annotated[
        str | None, typer.Option("--route", metavar="NAME", help="Which route; needed where there are several.")
    ] = None,
    records: Annotated[
        Path | None,
        typer.Option("--records", metavar="FILE", help="Records and what is expected of each: one JSON object a line."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Instead, the topic's first records from then on; or 63h ago."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, max=10_000, help="How many records of the topic; 10, if not given."),
    ] = None,
    payload: Payload = False,
    options: ConfigOptions,
    as_json: AsJson = False,
) -> int:
    """Run a route's filter, transform and mapping over records, and send nothing.

    It says what becomes of each record (kept, changed, filtered, poison) and under which key, how long the transform took,
    and whether it makes the same of each record alone as in a batch. Records come from a file, where each line may say what
    is expected, without Kafka or AWS; or from the topic, the newest or the first from a time on.

    [bold]Example[/bold]  doka test --records orders.jsonl --config doka.yaml

    [bold]Example[/bold]  doka test --route orders --from 2h --limit 1000 --json --config doka.yaml
    """
    from doka.app.cli.rehearse import Wanted
    from doka.app.cli.rehearse import rehearse as tell

    return tell(options, Wanted(route, records, since, limit, payload, as_json))
