"""Runs one command, and turns how it ended into an exit code.

Whatever a user can cause ends as one plain line on stderr and an exit code, never as a traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from doka.app import EXIT_USAGE
from doka.app.cli.words import cli
from doka.domain.errors import UsageError

EXIT_INTERRUPTED = 130  # as shells say it: 128 + SIGINT
EXIT_PIPE_CLOSED = 1  # the reader of the output went away; typer says 1 where it notices first


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
