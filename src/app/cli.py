"""The command line: which commands and options there are, and what their help teaches.

Only words stand here; what a command does is imported when it runs, so that `doka --help` starts quickly.
Whatever a user can cause ends as one plain line on stderr and an exit code, never as a traceback.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from doka.app.commands.simulate import EXIT_CODES as SIMULATE_EXIT_CODES
from doka.app.commands.simulate import simulate_cli
from doka.domain.errors import UsageError

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # as shells say it: 128 + SIGINT
EXIT_PIPE_CLOSED = 1  # the reader of the output went away; typer says 1 where it notices first

EXIT_CODES = (
    "[bold]Exit codes[/bold]  0 clean; 1 halted or found something wrong, and says what; 2 bad usage or configuration"
)

Config = Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE", help="The configuration, a YAML file.")]
LegacyConfig = Annotated[
    Path | None,
    typer.Option("--legacy-config", metavar="FILE", help="A configuration of the old service, read as it stands."),
]
AllowPlaintext = Annotated[
    bool,
    typer.Option("--allow-plaintext", metavar="", help="Permit a Kafka protocol that does not encrypt."),
]
AllowInsecureEndpoints = Annotated[
    bool,
    typer.Option(
        "--allow-insecure-endpoints", metavar="", help="Permit http and foreign hosts in aws.endpoint_urls; for tests."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", metavar="", help="Print JSON, for a machine to read.")]

cli = typer.Typer(
    name="doka",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog="[bold]See it work[/bold]  doka demo, then doka simulate incident\n\n"
    "[bold]Try it out[/bold]   doka check --config doka.yaml\n\n"
    "[bold]Run it[/bold]       doka run --config doka.yaml\n\n"
    "[bold]Move over[/bold]    doka config convert configs/dev.yaml > doka.yaml\n\n" + EXIT_CODES,
)
config_cli = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
cli.add_typer(
    config_cli,
    name="config",
    short_help="What can be set, what is set, and how to move over.",
    help="What can be set, what is set, and the way over from the old service's file.\n\n"
    "[bold]Example[/bold]  doka config show --config doka.yaml",
    epilog="Each setting can also come from a variable: limits.held_mib is DOKA_LIMITS__HELD_MIB, "
    "routes\\[0].stream.name is DOKA_ROUTES__0__STREAM__NAME. Options go before variables, variables before the file.",
)

cli.add_typer(
    simulate_cli,
    name="simulate",
    short_help="The incident, your own settings, and what-ifs, in virtual time.",
    help="Run the service in virtual time: a weekend in a minute, with the faults of your choice.\n\n"
    "The production loop runs against a simulated Kafka, Kinesis and STS; what is told is from that world's log.\n\n"
    "[bold]Example[/bold]  doka simulate incident",
    epilog=SIMULATE_EXIT_CODES,
)

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _taught(command: _Command) -> _Command:
    """Let the help text of a command flow: each paragraph of its docstring becomes one line, to be wrapped anew."""
    paragraphs = re.split(r"\n\s*\n", inspect.getdoc(command) or "")
    command.__doc__ = "\n\n".join(" ".join(paragraph.split("\n")) for paragraph in paragraphs)
    return command


def _print_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"doka {version_of('doka-connector')}")
        raise typer.Exit


@cli.callback()
@_taught
def doka(
    *,
    version: Annotated[
        bool, typer.Option("--version", metavar="", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Forwards records from Apache Kafka (Amazon MSK) to an Amazon Kinesis data stream, also in another AWS account.

    Every record lands at least once and in the order of its key: a Kafka offset is committed only when all records
    below it have landed, and credentials are renewed before they end.
    """
    del version


@cli.command(epilog=EXIT_CODES + "\n\n[bold]Next[/bold]  curl localhost:9400/readyz")
@_taught
def run(
    *,
    config: Config = None,
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
) -> int:
    """Run the service until it is told to stop (SIGTERM, Ctrl-C).

    What cannot be reached or is not permitted blocks its route, says so in /readyz, /metrics and the log, and goes on by
    itself once it is cured. On a stop, what was sent is settled and committed within limits.drain_seconds.

    [bold]Example[/bold]  doka run --config doka.yaml

    With --workers N the partitions are shared among N processes under one supervisor: one page of metrics, one stop for
    all, and a worker that dies is started again. Every limit holds for each worker: N times limits.held_mib in all.

    [bold]Example[/bold]  doka run --legacy-config configs/dev.yaml --allow-plaintext

    [bold]Example[/bold]  doka run --config doka.yaml --workers 2
    """
    if workers > 1:
        from doka.app.workers.command import run as start_workers

        return start_workers(
            config,
            legacy_config,
            workers=workers,
            allow_plaintext=allow_plaintext,
            allow_insecure_endpoints=allow_insecure_endpoints,
        )
    from doka.app.commands.run import run as start

    return start(
        config=config,
        legacy_config=legacy_config,
        allow_plaintext=allow_plaintext,
        allow_insecure_endpoints=allow_insecure_endpoints,
    )


@cli.command(epilog=EXIT_CODES + "\n\n[bold]Next[/bold]  doka run --config doka.yaml")
@_taught
def check(
    *,
    config: Config = None,
    legacy_config: LegacyConfig = None,
    allow_plaintext: AllowPlaintext = False,
    allow_insecure_endpoints: AllowInsecureEndpoints = False,
    as_json: AsJson = False,
) -> int:
    """Try out everything the service will need, and change nothing.

    The configuration, the Kafka topics, each role, each stream with its limits: one line each, and what to do about
    each failure.

    [bold]Example[/bold]  doka check --config doka.yaml
    """
    from doka.app.commands.check import check as try_out

    return try_out(
        config=config,
        legacy_config=legacy_config,
        allow_plaintext=allow_plaintext,
        allow_insecure_endpoints=allow_insecure_endpoints,
        as_json=as_json,
    )


@cli.command(epilog=EXIT_CODES + "\n\n[bold]Next[/bold]  doka config schema, then doka check --config doka.yaml")
@_taught
def demo(
    *,
    policy: Annotated[
        Literal["before_expiry", "interval", "on_demand", "never"],
        typer.Option("--policy", help="When leases are renewed."),
    ] = "before_expiry",
    original: Annotated[
        bool,
        typer.Option(
            "--original", metavar="", help="Run the service of the incident instead: errors swallowed, offsets move."
        ),
    ] = False,
    records: Annotated[int, typer.Option("--records", min=1, max=200_000, help="How many records to feed.")] = 20_000,
    token_seconds: Annotated[
        float, typer.Option("--token-seconds", min=1.0, max=60.0, help="How long a token lives.")
    ] = 5.0,
) -> int:
    """Show the whole path at work, on embedded parts.

    Records go from an embedded Kafka through the real service to an embedded Kinesis while tokens die every five
    seconds; then the stream is read back, and it says what was lost, doubled or out of order. Nothing outside this
    machine is touched.

    [bold]Example[/bold]  doka demo

    [bold]Example[/bold]  doka demo --policy never --original   [dim]the incident itself[/dim]
    """
    from doka.app.commands.demo import demo as show

    return show(policy=policy, original=original, records=records, token_seconds=token_seconds)


@config_cli.command("schema")
@_taught
def config_schema() -> int:
    """Print the JSON Schema: every setting, its default and what it does.

    [bold]Example[/bold]  doka config schema > doka.schema.json
    """
    from doka.app.commands.config import print_schema

    return print_schema()


@config_cli.command("show")
@_taught
def config_show(
    *,
    config: Config = None,
    legacy_config: LegacyConfig = None,
    allow_plaintext: AllowPlaintext = False,
    allow_insecure_endpoints: AllowInsecureEndpoints = False,
    as_json: AsJson = False,
) -> int:
    """Print the effective configuration.

    File, variables, options and defaults together, as a service would use them; secrets are stars.

    [bold]Example[/bold]  DOKA_LIMITS__HELD_MIB=128 doka config show --config doka.yaml
    """
    from doka.app.commands.config import print_effective

    return print_effective(
        config,
        legacy_config,
        allow_plaintext=allow_plaintext,
        allow_insecure_endpoints=allow_insecure_endpoints,
        as_json=as_json,
    )


@config_cli.command("convert")
@_taught
def config_convert(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A configuration of the old service.")],
    *,
    allow_plaintext: AllowPlaintext = False,
) -> int:
    """Write the old service's configuration in the new form.

    The reason of each choice stands beside it as a comment.

    [bold]Example[/bold]  doka config convert configs/dev.yaml > doka.yaml
    """
    from doka.app.commands.config import print_converted

    return print_converted(file, allow_plaintext=allow_plaintext)


for _simulation in simulate_cli.registered_commands:
    if _simulation.callback is not None:
        _taught(_simulation.callback)


@cli.command("version")
@_taught
def print_version() -> int:
    """Print the version."""
    _print_version(wanted=True)
    return 0


def main(arguments: Sequence[str]) -> int:
    """Run one command; give its exit code."""
    _survive_odd_terminals()
    try:
        code: object = cli(args=list(arguments), prog_name="doka", standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        return _explain_usage(error, arguments)
    except UsageError as error:
        for line in str(error).splitlines():
            typer.echo(f"doka: {line}", err=True)
        return EXIT_USAGE
    except BrokenPipeError:
        # Python would complain again when it flushes stdout at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE_CLOSED
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    return code if isinstance(code, int) else 0


def _explain_usage(error: typer.TyperException, arguments: Sequence[str]) -> int:
    """Say in one line what is wrong with a command line, and where its help is."""
    context = getattr(error, "ctx", None)
    # The parser of options does not say for which command it failed.
    typed = [
        word
        for word in arguments[: 2 if arguments[:1] in (["config"], ["simulate"]) else 1]
        if not word.startswith("-")
    ]
    command = " ".join(["doka", *typed]) if context is None else context.command_path
    if type(error).__name__ == "NoArgsIsHelpError":  # the help was printed already: it is the answer to `doka` alone
        return EXIT_USAGE
    told = error.format_message().strip().rstrip(".").replace("\n", " ")
    typer.echo(f"doka: {told}; see {command} --help", err=True)
    return EXIT_USAGE


def _survive_odd_terminals() -> None:
    """Replace what the terminal's encoding has no sign for, rather than fail in the middle of a sentence."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
