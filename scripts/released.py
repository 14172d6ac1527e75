"""`python -m scripts.released`: writes down what a release promises, when it is made; a test compares later ones with it.

The promise is docs/upgrading.md's. Settings are told with what they take and their default, metrics with type and labels,
as the pages say them that are written from the code.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from doka.app.cli.words import cli

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "docs" / "released.json"

COLUMNS = 4  # name, two things that stay, and the meaning, which may be said better

Promise = dict[str, dict[str, Any]]


def promised(settings: str, metrics: str, commands: Mapping[str, list[str]]) -> Promise:
    """Give what is promised: of each setting, metric and command its name, and what of it stays."""
    return {
        "settings": {name: [takes, default] for name, takes, default, _ in _rows(settings)},
        "metrics": {name: [kind, labels] for name, kind, labels, _ in _rows(metrics)},
        "commands": dict(commands),
    }


def present() -> Promise:
    """Give what this checkout promises."""
    pages = [(ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("settings.md", "metrics.md")]
    return promised(*pages, dict(_commands(typer.main.get_command(cli), "doka")))


def broken(before: Promise, now: Promise) -> Iterator[str]:
    """Say in one line each what is gone, or has another form; what is new breaks no promise."""
    for part in ("settings", "metrics"):
        for name, form in before[part].items():
            if name not in now[part]:
                yield f"{name} is gone"
            elif now[part][name] != form:
                yield f"{name} was {form} and is {now[part][name]}"
    for command, options in before["commands"].items():
        for option in options:
            if option not in now["commands"].get(command, ()):
                yield f"{command} {option} is gone"
        if command not in now["commands"]:
            yield f"{command} is gone"


def _rows(page: str) -> Iterator[list[str]]:
    """Give the cells of each row of a page whose first cell is a name, of tables with four columns."""
    for line in page.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == COLUMNS and re.fullmatch(r"`[^`]+`", cells[0]):
            yield [cells[0].strip("`"), *cells[1:]]


def _commands(command: Any, path: str) -> Iterator[tuple[str, list[str]]]:
    """Give each command that can be typed, with its options in order."""
    for name, inner in sorted(getattr(command, "commands", {}).items()):
        yield from _commands(inner, f"{path} {name}")
    if not hasattr(command, "commands"):
        yield path, sorted(option for told in command.params for option in told.opts if option.startswith("--"))


def main() -> None:
    """Write the promise of the version in pyproject.toml."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    FILE.write_text(json.dumps({"version": version, **present()}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
