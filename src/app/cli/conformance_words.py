"""The options of `doka conformance`, and what its help teaches.

Only words stand here; what it does is imported when it runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doka.app.cli.options import AsJson, configured, taught
from doka.app.config_options import ConfigOptions

CONFORMANCE_EPILOG = (
    "[bold]Exit codes[/bold]  0 the design holds in all that was asked; 1 somewhere it does not, or a case could not be "
    "judged, or a stream is left, and says which; 2 bad usage or configuration; 130 Ctrl-C, what was made is removed\n\n"
    "[bold]Permissions[/bold]  doka policy --for conformance --config doka.yaml"
)


@taught
@configured
def conformance(
    *,
    route: Annotated[
        str | None,
        typer.Option("--route", metavar="NAME", help="In whose account, and as whom; needed where there are several."),
    ] = None,
    cases: Annotated[
        list[str] | None, typer.Option("--case", metavar="NAME", help="Only this case; may be given again.")
    ] = None,
    wait_for_expiry: Annotated[
        bool, typer.Option("--wait-for-expiry", metavar="", help="Also wait for the end of a session: 15 minutes.")
    ] = False,
    on_demand: Annotated[
        bool, typer.Option("--on-demand", metavar="", help="Also make two streams on demand, one of them in AUTO.")
    ] = False,
    page: Annotated[
        Path | None,
        typer.Option(
            "--page", metavar="FILE", help="Where the page goes, its JSON beside it; else doka-conformance-ROUTE.md."
        ),
    ] = None,
    prices: Annotated[
        Path | None, typer.Option("--prices", metavar="FILE", help="Another table of prices, a YAML file.")
    ] = None,
    with_account: Annotated[
        bool, typer.Option("--with-account", metavar="", help="Leave account numbers in what AWS answered.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", metavar="", help="Do not ask; needed where nobody can be.")] = False,
    options: ConfigOptions,
    as_json: AsJson = False,
) -> int:
    """Ask AWS itself whether it does what the guarantees lean on, on a stream made for that and removed again.

    The order of a key, what is refused and by which codes, throttling, limits, dry runs: about thirty questions by the
    service's own adapters, in a minute or two, for some cents. It says what it costs and asks before it makes anything. A
    page of evidence says of each what was asked, what AWS answered, and which sentence of docs/guarantees.md leans on it.

    [bold]Example[/bold]  doka conformance --route orders --config doka.yaml

    [bold]Example[/bold]  doka conformance --yes --wait-for-expiry --on-demand --page evidence.md --config doka.yaml
    """
    from doka.app.cli.conformance import Wanted
    from doka.app.cli.conformance import conformance as ask

    wanted = Wanted(
        route,
        tuple(cases or ()),
        wait_for_expiry=wait_for_expiry,
        on_demand=on_demand,
        page=page,
        prices=prices,
        with_account=with_account,
        yes=yes,
        as_json=as_json,
    )
    return ask(options, wanted)
