"""Runs one command, and turns how it ended into an exit code.

Whatever a user can cause ends as one plain line on stderr and an exit code, never as a traceback.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import typer

from doka.app import EXIT_USAGE
from doka.app.cli.words import cli
from doka.domain.errors import UsageError

EXIT_INTERRUPTED = 130  # as shells say it: 128 + SIGINT
EXIT_OUTPUT = 1  # the output has no place: its reader went away, its disk is full; typer says 1 where it notices first
WRITE_FAILED = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.EROFS})


def main(arguments: Sequence[str]) -> int:
    """Run one command; give its exit code."""
    if not _take_standard_streams():
        _complain("doka: stdout is closed; open it, or send it to /dev/null")
        return EXIT_OUTPUT
    try:
        code: object = cli(args=list(arguments), prog_name="doka", standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        return _explain_usage(error, arguments)
    except UsageError as error:
        _complain(*(f"doka: {line}" for line in str(error).splitlines()))
        return EXIT_USAGE
    except BrokenPipeError:
        _let_go_of(sys.stdout)
        return EXIT_OUTPUT
    except OSError as error:
        if error.errno not in WRITE_FAILED:
            raise
        _let_go_of(sys.stdout)
        _complain(f"doka: {error.filename or 'stdout'} cannot be written to ({error.strerror})")
        return EXIT_OUTPUT
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    return code if isinstance(code, int) else 0


def _complain(*lines: str) -> None:
    """Write on stderr; where that cannot be, the exit code has to say it alone."""
    try:
        for line in lines:
            typer.echo(line, err=True)
    except OSError:
        _let_go_of(sys.stderr)


def _let_go_of(stream: TextIO) -> None:
    """Let what is still in a stream go nowhere: Python would complain again when it flushes it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _take_standard_streams() -> bool:
    """Make the three standard streams safe to use; False when there is no stdout.

    What is closed gets the null device, or the next socket would have its number, and lines of the log would go to Kafka.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, so this one
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for the life of the process
    if sys.stdout is None:
        return False
    for stream in (sys.stdout, sys.stderr):  # a sign that the terminal's encoding lacks is no reason to fail
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    return True


def _explain_usage(error: typer.TyperException, arguments: Sequence[str]) -> int:
    """Say in one line what is wrong with a command line, and where its help is."""
    context = getattr(error, "ctx", None)
    # The parser of options does not say for which command it failed.
    typed = [
        word
        for word in arguments[: 2 if arguments[:1] in (["config"], ["simulate"], ["letters"]) else 1]
        if not word.startswith("-")
    ]
    command = " ".join(["doka", *typed]) if context is None else context.command_path
    if type(error).__name__ == "NoArgsIsHelpError":  # the help was printed already: it is the answer to `doka` alone
        return EXIT_USAGE
    told = error.format_message().strip().rstrip(".").replace("\n", " ")
    _complain(f"doka: {told}; see {command} --help")
    return EXIT_USAGE
