"""What several commands take, and how their help is made of their docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

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
Payload = Annotated[bool, typer.Option("--payload", metavar="", help="Show the data, too.")]

_Command = TypeVar("_Command", bound=Callable[..., Any])


def taught(command: _Command) -> _Command:
    """Let the help text of a command flow: each paragraph of its docstring becomes one line, to be wrapped anew."""
    paragraphs = re.split(r"\n\s*\n", inspect.getdoc(command) or "")
    command.__doc__ = "\n\n".join(" ".join(paragraph.split("\n")) for paragraph in paragraphs)
    return command
