"""What several commands take, and how their help is made of their docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from doka.app.config_options import ConfigOptions

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

_OF_CONFIG: dict[str, tuple[Any, Any]] = {
    "config": (Config, None),
    "legacy_config": (LegacyConfig, None),
    "allow_plaintext": (AllowPlaintext, False),
    "allow_insecure_endpoints": (AllowInsecureEndpoints, False),
}
"""The fields of `ConfigOptions`: how each is given, and what it is where it is not."""

_Command = TypeVar("_Command", bound=Callable[..., Any])


def taught(command: _Command) -> _Command:
    """Let the help text of a command flow: each paragraph of its docstring becomes one line, to be wrapped anew."""
    paragraphs = re.split(r"\n\s*\n", inspect.getdoc(command) or "")
    command.__doc__ = "\n\n".join(" ".join(paragraph.split("\n")) for paragraph in paragraphs)
    return command


def configured(command: Callable[..., int]) -> Callable[..., int]:
    """Let a command that takes `options: ConfigOptions` be given them as the four options that they are."""

    @wraps(command)
    def called(**given: Any) -> int:
        options = ConfigOptions(**{name: given.pop(name) for name in _OF_CONFIG})
        return command(options=options, **given)

    signature = inspect.signature(command, eval_str=True)
    taken: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        if parameter.name == "options":
            taken += [
                inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
                for name, (annotation, default) in _OF_CONFIG.items()
            ]
        else:
            taken.append(parameter)
    called.__signature__ = signature.replace(parameters=taken)  # type: ignore[attr-defined]  # what typer asks for
    called.__annotations__ = {each.name: each.annotation for each in taken}
    return called
