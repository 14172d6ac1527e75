"""What is started warm is what a start makes: only the imports are behind it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.containers.service import settings
from tests.waiting import eventually
from tests.warm import DOKA, Server, WarmProcess, run_warm

KEPT = {name: value for name, value in os.environ.items() if not name.startswith(("DOKA_", "AWS_", "OTEL_"))}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Give a configuration whose brokers and AWS answer nobody: a service of it runs, waits, and can be stopped."""
    file = tmp_path / "doka.yaml"
    file.write_text(yaml.safe_dump(settings("127.0.0.1:1", "http://127.0.0.1:1", {"a": "a"}, group_id="doka")))
    return file


@pytest.fixture
def service(config: Path) -> Iterator[WarmProcess]:
    """Give a service that serves."""
    command = [str(DOKA), "run", "--config", config.name]
    with WarmProcess(command, stdout=-1, stderr=-1, env=KEPT, cwd=config.parent, start_new_session=True) as process:
        assert process.stdout is not None
        try:
            assert next(line for line in process.stdout if b'"event":"started"' in line)
            yield process
        finally:
            process.kill()


def test_it_says_what_a_cold_one_says(config: Path) -> None:
    """Code, output and complaint are those of the command itself: of a good line, a bad line, and of no line."""
    for words in (["config", "show", "--config", config], ["config", "show", "--config", "none"], ["lag", "--x"], []):
        for variables in (KEPT, KEPT | {"DOKA_KAFKA__GROUP_ID": "another", "COLUMNS": "60"}):
            cold = subprocess.run([DOKA, *words], capture_output=True, timeout=60, check=False, env=variables)
            warm = run_warm([DOKA, *words], timeout=60, env=variables)
            assert (cold.returncode, cold.stdout, cold.stderr) == (warm.returncode, warm.stdout, warm.stderr)


def test_it_is_a_process_of_its_own(service: WarmProcess) -> None:
    """It leads its session, and holds nothing of the server's or of ours."""
    assert (service.pid, service.pid) == (os.getsid(service.pid), os.getpgid(service.pid))
    descriptors = Path(f"/proc/{service.pid}/fd")
    if descriptors.exists():
        theirs = {str(each.readlink()) for each in descriptors.iterdir()}
        server = Path(f"/proc/{Server.of_this_process().pid}/fd")
        kept = {link for each in server.iterdir() if (link := str(each.readlink())).startswith(("socket:", "pipe:"))}
        assert len(kept) >= 3  # where it is asked, where it wakes, where this one's end is awaited
        assert set() == theirs & kept


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -9), (signal.SIGABRT, -6)]
)
def test_it_heeds_signals_and_its_end_is_told(service: WarmProcess, number: signal.Signals, code: int) -> None:
    """It ends as a service does: an exit code, or the signal that ended it."""
    assert None is service.poll()
    with pytest.raises(subprocess.TimeoutExpired):
        service.wait(0.01)
    service.send_signal(number)
    assert code == service.wait(60)
    assert code == service.poll()
    service.kill()  # no more is there to be killed, and nobody else is


def test_one_that_nobody_awaits_is_buried(config: Path) -> None:
    """The server leaves no dead ones behind, whatever becomes of who asked."""
    process = WarmProcess([DOKA, "--version"], stdout=subprocess.DEVNULL, env=KEPT)
    pid = process.pid
    process.wait(60)
    eventually(lambda: not Path(f"/proc/{pid}").exists(), what="its burial")


def test_a_variable_of_the_tests_that_came_after_the_server_makes_a_cold_one_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What counts is what the server has read, not what the tests would hand on now."""
    assert Server.of_this_process().pid
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    with WarmProcess([DOKA, "--version"], stdout=subprocess.DEVNULL) as process:
        assert 0 == process.wait(60)
    assert process.is_cold


@pytest.mark.parametrize("variables", [{"PYTHONHASHSEED": "1"}, {"LC_ALL": "C.UTF-8"}, {"TZ": "Asia/Tokyo"}])
def test_what_the_interpreter_reads_at_its_start_makes_a_cold_one(variables: dict[str, str]) -> None:
    """A variable that a fork would come too late for is given to a process of its own: a child of this one."""
    with WarmProcess([DOKA, "--version"], stdout=subprocess.PIPE, env=KEPT | variables) as process:
        status, _ = process.communicate(timeout=60)
    assert 0 == process.returncode
    assert status.startswith(b"doka ")
    assert process.is_cold


def test_nothing_is_forked_beside_a_thread() -> None:
    """A library that starts one as it is imported would make every fork a lie: the server does not serve."""
    program = (
        "import threading; from tests import warm; warm.IMPORTED = (); "
        "threading.Thread(target=threading.Event().wait, daemon=True).start(); warm.main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert "2 threads run after the imports" in done.stderr
    assert 1 == done.returncode
