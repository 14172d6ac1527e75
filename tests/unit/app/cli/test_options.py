"""How help is made of docstrings, and what several commands take."""

from __future__ import annotations

from dataclasses import fields
from inspect import signature
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from doka.app.cli.options import configured, taught
from doka.app.config_options import ConfigOptions


def test_each_paragraph_becomes_a_line() -> None:
    """So that the terminal's width wraps it, and not the width of the source."""

    @taught
    def command() -> None:
        """Do a thing.

        Then another,
        in two lines.
        """

    assert "Do a thing.\n\nThen another, in two lines." == command.__doc__


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ([], ConfigOptions()),
        (["--config", "a.yaml", "--allow-plaintext"], ConfigOptions(Path("a.yaml"), allow_plaintext=True)),
        (
            ["--legacy-config", "b.yaml", "--allow-insecure-endpoints"],
            ConfigOptions(None, Path("b.yaml"), allow_insecure_endpoints=True),
        ),
    ],
)
def test_a_command_is_given_its_configuration_as_one_value(words: list[str], given: ConfigOptions) -> None:
    """What is not said is as it is by default, and what the command takes besides stays its own."""
    app, taken = typer.Typer(), list[tuple[ConfigOptions, int]]()

    @app.command()
    @configured
    def command(*, options: ConfigOptions, number: int = 1) -> int:
        taken.append((options, number))
        return 0

    assert 0 == CliRunner().invoke(app, [*words, "--number", "2"]).exit_code
    assert [(given, 2)] == taken
    assert 2 == CliRunner().invoke(app, ["--options", "x"]).exit_code
    assert [each.name for each in fields(ConfigOptions)] == [*signature(command).parameters][:-1]
