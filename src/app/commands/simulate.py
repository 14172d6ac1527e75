"""`doka simulate`: what can be simulated, in words; what a command does is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

simulate_cli = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

EXIT_CODES = (
    "[bold]Exit codes[/bold]  0 nothing lost, in order, within the stated bound; 1 something was not, and it says what; "
    "2 bad usage or scenario"
)

Seed = Annotated[int, typer.Option("--seed", min=0, help="Everything drawn at random comes from it.")]
AsJson = Annotated[bool, typer.Option("--json", metavar="", help="Print JSON, for a machine to read.")]
Report = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE", help="Write one HTML page with plots, which needs no network."),
]
Jobs = Annotated[int, typer.Option("--jobs", min=1, max=256, help="Processes to use.")]


@simulate_cli.command("incident", epilog="[bold]Next[/bold]  doka simulate compare")
def simulate_incident(
    *,
    hours: Annotated[
        float, typer.Option("--hours", min=1.0, max=1_000.0, help="From Friday 18:00; 63 end on Monday 09:00.")
    ] = 63.0,
    rate: Annotated[float, typer.Option("--rate", min=0.1, max=1_000.0, help="Records a second.")] = 100.0,
    seed: Seed = 1,
    as_json: AsJson = False,
    report: Report = None,
    jobs: Jobs = 2,
) -> int:
    """Tell the weekend that lost everything, beside the same weekend with doka.

    A service is deployed on Friday at 18:00 with tokens of one hour; nobody looks until Monday at 09:00. Both services
    run in the same virtual world, whose log says what became of each of the 22.7 million records.

    Exit code 1 when doka's side fails: the original is expected to.

    [bold]Example[/bold]  doka simulate incident

    [bold]Example[/bold]  doka simulate incident --report incident.html
    """
    from app.simulate.commands import incident

    return incident(hours=hours, rate=rate, seed=seed, as_json=as_json, report=report, jobs=jobs)
