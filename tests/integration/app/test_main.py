"""The command line as a process of its own: what it costs to start, and what a shell sees.

What a shell closes or leaves open before the interpreter begins, and what a start costs, is asked of the command itself;
what any process says, of one that need not import anew.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.warm import DOKA, WarmProcess, run_warm

EXAMPLES = Path(__file__).parents[3] / "examples"
HELP_CPU_SECONDS_MAX = 0.5
HEAVY = ("boto3", "botocore", "confluent_kafka", "pydantic", "dependency_injector", "pycurl")


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run doka to its end."""
    return run_warm([DOKA, *arguments], timeout=60, text=True, env={**os.environ, **environ})


def test_help_starts_quickly() -> None:
    """It costs less than half a second of CPU, the best of three runs."""
    costs = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([DOKA, "--help"], capture_output=True, timeout=60, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        costs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(costs) < HELP_CPU_SECONDS_MAX


def test_help_imports_no_heavy_client() -> None:
    """What a command needs is imported when it runs."""
    script = (
        "import sys; from doka.app.cli.main import main; main(['--help']); "
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == "[]\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"kafka: [\n", "is not YAML: "),
        (b"\xff\xfe", "is not UTF-8 text (line 1); save it as UTF-8"),
        (b"", "is empty"),
        (b"[]", "must be lines of `name: value` at its top"),
        (b"\0", "holds a character that YAML forbids (U+0000); remove it"),
    ],
)
@pytest.mark.parametrize("option", ["--config", "--legacy-config"])
def test_no_file_ends_in_a_traceback(tmp_path: Path, content: bytes, told: str, option: str) -> None:
    """One line that names the file, and exit code 2."""
    file = tmp_path / "doka.yaml"
    file.write_bytes(content)
    done = run("run", option, str(file))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"doka: {file}:")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_reader_that_goes_away_is_no_error_text() -> None:
    """`doka config schema | head -1` ends quietly, as other commands do."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [DOKA, "config", "schema"], stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_an_odd_terminal_gets_signs_it_knows() -> None:
    """An encoding without the signs of the help is no reason to fail."""
    done = run("--help", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Forwards records" in done.stdout


def test_without_a_terminal_there_is_no_colour() -> None:
    """Logs and pipes get plain text."""
    assert "\x1b" not in run("--help").stdout
    assert "\x1b" not in run("config", "show", "--config", str(EXAMPLES / "minimal.yaml")).stdout


def test_a_configuration_may_come_from_a_pipe() -> None:
    """Such as `doka config convert old.yaml | doka config show --config /dev/stdin`."""
    text = (EXAMPLES / "minimal.yaml").read_text()
    done = subprocess.run(
        [DOKA, "config", "show", "--config", "/dev/stdin"],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "group_id: doka-orders\n" in done.stdout


def closed(*arguments: str, without: str) -> subprocess.CompletedProcess[str]:
    """Run doka by a shell that closes or fills one of its streams, such as `>&-`."""
    line = f'exec "$0" "$@" {without}'
    return subprocess.run(
        ["/bin/sh", "-c", line, DOKA, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


MINIMAL = str(EXAMPLES / "minimal.yaml")
SPEAKING = [
    ("--help",),
    ("--version",),
    ("version",),
    ("config", "schema"),
    ("config", "show", "--config", MINIMAL),
    ("config", "convert", str(EXAMPLES / "legacy" / "dev.yaml"), "--allow-plaintext"),
    ("simulate", "schema"),
    ("simulate", "fuzz", "--seeds", "1"),
    ("check", "--config", MINIMAL),
    ("demo", "--records", "100"),
]


@pytest.mark.parametrize("arguments", SPEAKING, ids=" ".join)
def test_a_full_disk_is_one_line(arguments: tuple[str, ...]) -> None:
    """Where the output cannot be written, each command says so in one line and ends with 1."""
    with (
        Path("/dev/full").open("wb") as full,
        WarmProcess([DOKA, *arguments], stdout=full, stderr=subprocess.PIPE, text=True) as done,
    ):
        _, err = done.communicate(timeout=60)
    assert (1, "doka: stdout cannot be written to (No space left on device)\n") == (done.returncode, err)


@pytest.mark.parametrize("arguments", [*SPEAKING, ("run", "--config", MINIMAL)], ids=" ".join)
def test_a_closed_stdout_is_one_line(arguments: tuple[str, ...]) -> None:
    """Without a stdout no command begins: a socket would get its number, and lines of the log would go to Kafka."""
    done = closed(*arguments, without=">&-")
    assert (1, "doka: stdout is closed; open it, or send it to /dev/null\n") == (done.returncode, done.stderr)


@pytest.mark.parametrize("without", ["2>&-", "2>/dev/full", "<&-"])
def test_what_else_is_closed_changes_no_result(without: str) -> None:
    """Without stderr or stdin the result and the exit code are the same, the code of a mistake too."""
    shown = run("config", "show", "--config", MINIMAL)
    done = closed("config", "show", "--config", MINIMAL, without=without)
    assert (0, shown.stdout, "") == (done.returncode, done.stdout, done.stderr)
    assert 2 == closed("run", "--config", "nowhere.yaml", without=without).returncode
    assert 2 == closed("fly", without=without).returncode


def test_nothing_to_write_on_at_all_is_an_exit_code() -> None:
    """With both outputs full the exit code says it alone."""
    assert 1 == closed("config", "schema", without=">/dev/full 2>/dev/full").returncode
