from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from doka.app.cli import main

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
    assert run(capsys, *arguments) == (0, f"doka {version('doka-connector')}\n", "")


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
    assert [name for name in ("run", "check", "demo", "simulate", "version", "config") if f"│ {name} " not in out] == []


def test_help_lists_nothing_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """What is not built yet is not promised."""
    out = run(capsys, "--help")[1]
    assert [name for name in ("policy", "replay", "letters") if f"│ {name} " in out] == []


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


def test_workers_are_another_path_and_one_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One worker is the service itself; more are started by a supervisor, with everything that was given."""
    ran: list[object] = []

    def one(**given: object) -> int:
        ran.append(("one", given["config"]))
        return 3

    def more(config: Path | None, legacy: Path | None, *, workers: int, **permits: bool) -> int:
        ran.append(("more", config, legacy, workers, permits))
        return 4

    monkeypatch.setattr("doka.app.commands.run.run", one)
    monkeypatch.setattr("doka.app.workers.command.run", more)
    file = tmp_path / "doka.yaml"
    for words in ([], ["--workers", "1"]):
        assert 3 == main(["run", "--config", str(file), *words])
    assert 4 == main(["run", "--legacy-config", str(file), "--workers", "2", "--allow-plaintext"])
    permits = {"allow_plaintext": True, "allow_insecure_endpoints": False}
    assert [("one", file), ("one", file), ("more", None, file, 2, permits)] == ran


@pytest.mark.parametrize("workers", ["0", "65", "many"])
def test_a_number_of_workers_that_cannot_be_is_refused(capsys: pytest.CaptureFixture[str], workers: str) -> None:
    """One line, exit code 2, and nothing was started."""
    code, out, err = run(capsys, "run", "--workers", workers)
    assert (2, "") == (code, out)
    assert err.startswith("doka: Invalid value for '--workers': ")


def test_the_help_of_run_says_that_limits_are_per_worker(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever doubles the workers doubles the memory, and reads so first."""
    assert "Every limit holds for each worker" in " ".join(run(capsys, "run", "--help")[1].split())
