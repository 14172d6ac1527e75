from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from app.cli import main

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give help a known width, and no variable of the host."""
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run a command; give its exit code, stdout and stderr."""
    code = main(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.mark.parametrize("arguments", [["--version"], ["version"]])
def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """One line, for people and scripts."""
    assert run(capsys, *arguments) == (0, f"doka {version('doka')}\n", "")


def test_help_says_what_doka_is_and_what_to_type_next(capsys: pytest.CaptureFixture[str]) -> None:
    """A newcomer learns from the first screen what it does, the commands, and how to begin."""
    code, out, err = run(capsys, "--help")
    assert (code, err) == (0, "")
    flat = " ".join(out.split())
    for taught in (
        "Forwards records from Apache Kafka (Amazon MSK) to an Amazon Kinesis data stream",
        "Every record lands at least once and in the order of its key",
        "See it work doka demo",
        "Try it out doka check --config doka.yaml",
        "Run it doka run --config doka.yaml",
        "Move over doka config convert configs/dev.yaml > doka.yaml",
        "Exit codes 0 clean; 1 halted or found something wrong, and says what; 2 bad usage or configuration",
    ):
        assert taught in flat
    assert [name for name in ("run", "check", "demo", "version", "config") if f"│ {name} " not in out] == []


def test_help_lists_nothing_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """What is not built yet is not promised."""
    out = run(capsys, "--help")[1]
    assert [name for name in ("simulate", "policy", "replay", "letters") if f"│ {name} " in out] == []


@pytest.mark.parametrize(
    ("command", "example"),
    [
        ("run", "doka run --legacy-config configs/dev.yaml --allow-plaintext"),
        ("check", "doka check --config doka.yaml"),
        ("demo", "doka demo --policy never --original"),
        ("config schema", "doka config schema > doka.schema.json"),
        ("config show", "DOKA_LIMITS__HELD_MIB=128 doka config show --config doka.yaml"),
        ("config convert", "doka config convert configs/dev.yaml > doka.yaml"),
    ],
)
def test_the_help_of_each_command_has_an_example(
    capsys: pytest.CaptureFixture[str], command: str, example: str
) -> None:
    """It can be copied as it stands."""
    code, out, _ = run(capsys, *command.split(), "--help")
    assert code == 0
    assert f"Example  {example}" in out


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


def test_the_effective_configuration_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As YAML for a person and as JSON for a machine, the same values; a variable is in it, a secret is not."""
    monkeypatch.setenv("DOKA_LIMITS__HELD_MIB", "128")
    monkeypatch.setenv("DOKA_KAFKA__SECURITY", "{mechanism: plain, username: me, password: hunter2}")
    command = ["config", "show", "--config", str(EXAMPLES / "minimal.yaml")]
    code, out, err = run(capsys, *command)
    assert (code, err) == (0, "")
    shown = yaml.safe_load(out)
    assert shown["limits"]["held_mib"] == 128
    assert shown["kafka"]["security"]["password"] == "**********"
    assert "hunter2" not in out
    assert json.loads(run(capsys, *command, "--json")[1]) == shown


def test_permissions_can_be_given_as_options(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """They reach the settings like any other layer."""
    command = ["config", "show", "--legacy-config", str(EXAMPLES / "legacy" / "dev.yaml")]
    assert run(capsys, *command)[0] == 2
    code, out, _ = run(capsys, *command, "--allow-plaintext", "--allow-insecure-endpoints", "--json")
    assert code == 0
    shown = json.loads(out)
    assert (shown["kafka"]["security"]["allow_plaintext"], shown["aws"]["allow_insecure_endpoints"]) == (True, True)


def test_the_schema_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """An editor can take it as it stands."""
    code, out, err = run(capsys, "config", "schema")
    assert (code, err) == (0, "")
    assert json.loads(out)["required"] == ["kafka", "aws", "routes"]


@pytest.mark.parametrize("name", ["dev.yaml", "prd.yaml"])
def test_an_old_file_is_converted(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    """What is printed is a configuration; shown, it is the same as the old file shown."""
    old, new = EXAMPLES / "legacy" / name, tmp_path / "doka.yaml"
    code, out, err = run(capsys, "config", "convert", str(old), "--allow-plaintext")
    assert (code, err) == (0, "")
    new.write_text(out)
    assert run(capsys, "config", "show", "--config", str(new)) == run(
        capsys, "config", "show", "--legacy-config", str(old), "--allow-plaintext"
    )


def test_a_conversion_without_the_permission_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    """The page is written, the permission is left to a person."""
    code, out, err = run(capsys, "config", "convert", str(EXAMPLES / "legacy" / "dev.yaml"))
    assert code == 0
    assert "allow_plaintext: false  # set true to go on as before\n" in out
    assert err == (
        "doka: the old service spoke plaintext, and doka refuses that until it is permitted:\n"
        "      set kafka.security.allow_plaintext: true in the result, give --allow-plaintext here, "
        "or move to sasl_ssl.\n"
    )


def test_a_file_that_is_not_of_the_old_form_is_not_converted(capsys: pytest.CaptureFixture[str]) -> None:
    """One line that says which form it is of."""
    new = EXAMPLES / "minimal.yaml"
    assert run(capsys, "config", "convert", str(new)) == (
        2,
        "",
        f"doka: {new}: is of the new form; run it with --config\n",
    )
