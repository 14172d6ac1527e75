"""The commands of `doka simulate`, their options, and what their help teaches.

Only words stand here; what a command does is imported when it runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doka.app.cli.options import AsJson, taught

SIMULATE_EXIT_CODES = (
    "[bold]Exit codes[/bold]  0 nothing lost, in order, within the stated bound; 1 something was not, and it says what; "
    "2 bad usage or scenario"
)

# What only `doka simulate` takes.
Seed = Annotated[int, typer.Option("--seed", min=0, help="Everything drawn at random comes from it.")]
ReportPath = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE", help="Write one HTML page with plots, which needs no network."),
]
ScenarioPath = Annotated[Path, typer.Option("--scenario", "-s", metavar="FILE", help="What to simulate, a YAML file.")]
OwnConfig = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="Take rotation, limits and routes from your configuration."),
]
OwnRecords = Annotated[
    Path | None,
    typer.Option(
        "--records", metavar="FILE", help="Run its filters and transforms, over records as doka test reads them."
    ),
]
Jobs = Annotated[int, typer.Option("--jobs", min=1, max=256, help="Processes to use.")]

simulate_cli = typer.Typer(
    name="simulate",
    no_args_is_help=True,
    rich_markup_mode="rich",
    short_help="The incident, your own settings, and what-ifs, in virtual time.",
    help="Run the service in virtual time: a weekend in a minute, with the faults of your choice.\n\n"
    "The production loop runs against a simulated Kafka, Kinesis and STS; what is told is from that world's log.\n\n"
    "[bold]Example[/bold]  doka simulate incident",
    epilog=SIMULATE_EXIT_CODES,
)


@simulate_cli.command("incident", epilog="[bold]Next[/bold]  doka simulate compare")
@taught
def simulate_incident(
    *,
    hours: Annotated[
        float, typer.Option("--hours", min=1.0, max=1_000.0, help="From Friday 18:00; 63 end on Monday 09:00.")
    ] = 63.0,
    rate: Annotated[float, typer.Option("--rate", min=0.1, max=1_000.0, help="Records a second.")] = 100.0,
    seed: Seed = 1,
    as_json: AsJson = False,
    report: ReportPath = None,
    jobs: Jobs = 2,
) -> int:
    """Tell the weekend that lost everything, beside the same weekend with doka.

    A service is deployed on Friday at 18:00 with tokens of one hour; nobody looks until Monday at 09:00. Both services
    run in the same virtual world, whose log says what became of each of the 22.7 million records.

    Exit code 1 when doka's side fails: the original is expected to.

    [bold]Example[/bold]  doka simulate incident

    [bold]Example[/bold]  doka simulate incident --report incident.html
    """
    from doka.app.cli.simulate import incident

    return incident(hours=hours, rate=rate, seed=seed, as_json=as_json, report=report, jobs=jobs)


@simulate_cli.command("run", epilog=SIMULATE_EXIT_CODES)
@taught
def simulate_run(
    *,
    scenario: ScenarioPath,
    config: OwnConfig = None,
    records: OwnRecords = None,
    original: Annotated[
        bool, typer.Option("--original", metavar="", help="Run the service of the incident beside it: it never renews.")
    ] = False,
    seed: Seed = 1,
    as_json: AsJson = False,
    report: ReportPath = None,
    jobs: Jobs = 2,
) -> int:
    """Run a scenario of your own: traffic, tokens, and what goes wrong when.

    With your own configuration it answers what would become of your records, before you deploy it.

    [bold]Example[/bold]  doka simulate run --scenario examples/scenarios/sts-outage.yaml

    With --records its filters and transforms are run, too, in that world: throttled, killed, with tokens that end.

    [bold]Example[/bold]  doka simulate run --scenario sts.yaml --config doka.yaml --json

    [bold]Example[/bold]  doka simulate run --scenario sts.yaml --config doka.yaml --records orders.jsonl
    """
    from doka.app.cli.simulate import run

    return run(
        scenario=scenario,
        config=config,
        records=records,
        original=original,
        seed=seed,
        as_json=as_json,
        report=report,
        jobs=jobs,
    )


@simulate_cli.command("schema")
@taught
def simulate_schema() -> int:
    """Print the JSON Schema of a scenario file.

    [bold]Example[/bold]  doka simulate schema > scenario.schema.json
    """
    from doka.app.cli.simulate import print_schema

    return print_schema()


@simulate_cli.command("compare", epilog=SIMULATE_EXIT_CODES)
@taught
def simulate_compare(
    *,
    world: Annotated[
        list[str] | None, typer.Option("--world", metavar="NAME", help="Only this world; may be given again.")
    ] = None,
    tokens: Annotated[
        list[str] | None,
        typer.Option("--tokens", metavar="LIFE", help="Only this life: 15m, 1h or 12h; again for more."),
    ] = None,
    as_json: AsJson = False,
    jobs: Jobs = 2,
) -> int:
    """Run every rotation policy under every token life on every kind of bad day.

    Each cell is run with doka's forwarder, and with one that renews in the same way and swallows errors, so that it can
    be seen which part saves the records.

    [bold]Example[/bold]  doka simulate compare

    [bold]Example[/bold]  doka simulate compare --world "STS down 40 min" --tokens 1h
    """
    from doka.app.cli.simulate import compare

    return compare(worlds=world or [], lives=tokens or [], as_json=as_json, jobs=jobs)


@simulate_cli.command("fuzz", epilog=SIMULATE_EXIT_CODES)
@taught
def simulate_fuzz(
    *,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=10_000_000, help="How many worlds.")] = 200,
    first: Annotated[int, typer.Option("--first", min=0, help="The first seed; with --seeds 1 it repeats one.")] = 0,
    as_json: AsJson = False,
    jobs: Jobs = 2,
) -> int:
    """Run many small worlds, each with its own bad network, bad days and tight limits.

    Whatever a seed draws heals; then everything must be delivered, in order, with nothing lost and no duplicate that is
    not explained.

    [bold]Example[/bold]  doka simulate fuzz --seeds 1000 --jobs 4
    """
    from doka.app.cli.simulate import fuzz

    return fuzz(seeds=seeds, first=first, as_json=as_json, jobs=jobs)
