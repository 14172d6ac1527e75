from __future__ import annotations

from pathlib import Path

import pytest

from doka.app.version import version
from tests.unit.app.cli.conftest import run

EXAMPLES = Path(__file__).parents[4] / "examples"


@pytest.mark.parametrize("arguments", [["--version"], ["version"]])
def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """One line, for people and scripts."""
    assert run(capsys, *arguments) == (0, f"doka {version()}\n", "")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nope"], "doka: No such command 'nope'; see doka --help"),
        (
            ["run", "--confg", "x"],
            "doka: No such option: --confg (Possible options: --config, --legacy-config); see doka run --help",
        ),
        (["config", "convert"], "doka: Missing argument 'FILE'; see doka config convert --help"),
        (["check", "--config"], "doka: Option '--config' requires an argument; see doka check --help"),
        (
            ["demo", "--token-seconds", "0"],
            "doka: Invalid value for '--token-seconds': Input should be greater than or equal to 1; see doka demo --help",
        ),
    ],
)
def test_a_wrong_command_line_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    """With exit code 2 and the help to look at."""
    assert run(capsys, *arguments) == (2, "", f"{expected}\n")


@pytest.mark.parametrize("command", [["run"], ["check"], ["config", "show"]])
def test_every_command_refuses_a_wrong_configuration_alike(
    capsys: pytest.CaptureFixture[str], command: list[str], tmp_path: Path
) -> None:
    """One line for each problem on stderr, nothing on stdout, exit code 2."""
    file = tmp_path / "doka.yaml"
    file.write_text((EXAMPLES / "minimal.yaml").read_text().replace("eu-west-1", "Ireland").replace("[orders]", "[]"))
    assert run(capsys, *command, "--config", str(file)) == (
        2,
        "",
        (
            f"doka: {file}:7: aws.region is not the name of an AWS region; write it like eu-west-1\n"
            f"doka: {file}:13: routes[0].topics needs at least one entry; write it like `topics: [orders]`\n"
        ),
    )
    none = tmp_path / "none.yaml"
    assert run(capsys, *command, "--config", str(none)) == (
        2,
        "",
        f"doka: {none}: there is no such file; check the path\n",
    )


@pytest.mark.parametrize("workers", ["0", "65", "many"])
def test_a_number_of_workers_that_cannot_be_is_refused(capsys: pytest.CaptureFixture[str], workers: str) -> None:
    """One line, exit code 2, and nothing was started."""
    code, out, err = run(capsys, "run", "--workers", workers)
    assert (2, "") == (code, out)
    assert err.startswith("doka: Invalid value for '--workers': ")
