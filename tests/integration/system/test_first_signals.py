"""A stop at any moment of a process's life, in a PID namespace of its own too, where the kernel drops unheeded signals."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from doka.adapters.system.first_signals import STOP_SIGNALS
from tests.waiting import eventually

SECONDS_MAX = 20.0
"""For what takes well under a second when the machine has nothing else to do; without a handler it would be for ever."""
UNSHARE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")
CONFIGURATION = """\
kafka: {bootstrap_servers: ["127.0.0.1:1"], group_id: doka, security: {protocol: plaintext, allow_plaintext: true}}
aws: {region: eu-west-1}
routes: [{topics: [orders], stream: {name: orders}}]
http: {port: 0}
log: {format: json}
"""
ALONE = "as process 1"
AMONG_OTHERS = "as one of many"


@pytest.fixture(autouse=True)
def heard_hangups() -> Iterator[None]:
    """Let SIGHUP be heard: under nohup it is ignored, children inherit that, and doka leaves it so."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@dataclass(frozen=True, slots=True)
class Run:
    """A service that was started a moment ago."""

    started: subprocess.Popen[str]
    pid: int
    """Of the service itself, as this test sees it."""

    def catches(self, number: signal.Signals) -> bool:
        """Say whether a handler is there for this signal."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
        return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def _child_of(pid: int) -> int | None:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return int(children[0]) if children else None


@contextmanager
def _running(folder: Path, where: str, *options: str) -> Iterator[Run]:
    file = folder / "doka.yaml"
    file.write_text(CONFIGURATION, encoding="utf-8")
    inside = UNSHARE if where == ALONE else ()
    doka = [sys.executable, "-m", "doka.app", "run", "--config", str(file), *options]
    with subprocess.Popen([*inside, *doka], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        try:
            pid = eventually(lambda: _child_of(started.pid), what="process 1") if inside else started.pid
            assert pid is not None
            yield Run(started, pid)
        finally:
            started.kill()


@pytest.fixture(params=[AMONG_OTHERS, ALONE])
def where(request: pytest.FixtureRequest) -> str:
    """Give how the service is started; skip the namespace where the kernel gives none."""
    kind: str = request.param
    if kind == ALONE:
        if shutil.which(UNSHARE[0]) is None:
            pytest.skip("there is no unshare here to make a PID namespace with")
        tried = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True, check=False)
        if tried.returncode != 0:
            pytest.skip(f"this user may not make a PID namespace: {tried.stderr.strip()}")
    return kind


@pytest.mark.parametrize("after", [0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.2])
def test_a_stop_is_heeded_from_the_first_moment(tmp_path: Path, where: str, after: float) -> None:
    """SIGTERM so many seconds after the first handler is there ends the service with 0, whatever it is doing then."""
    with _running(tmp_path, where) as run:
        eventually(lambda: run.catches(signal.SIGTERM), what="the first handler")
        with pytest.raises(subprocess.TimeoutExpired):
            run.started.wait(after)  # no condition, but the moment of the stop
        os.kill(run.pid, signal.SIGTERM)
        out, err = run.started.communicate(timeout=SECONDS_MAX)
    assert 0 == run.started.returncode, err
    assert "stopped by SIGTERM" in out + err
    assert "Traceback" not in err


@pytest.mark.parametrize("number", STOP_SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("moment", ["while it starts", "while it serves"])
def test_every_stop_signal_stops(tmp_path: Path, number: signal.Signals, moment: str) -> None:
    """SIGHUP and SIGUSR1 end the service as SIGTERM and Ctrl-C do, with 0, before it serves and after."""
    with _running(tmp_path, AMONG_OTHERS) as run:
        eventually(lambda: run.catches(STOP_SIGNALS[-1]), what="the last of the first handlers")
        told = ""
        if moment == "while it serves":
            assert run.started.stdout is not None
            told = run.started.stdout.readline()
            assert '"event":"started"' in told
        os.kill(run.pid, number)
        out, err = run.started.communicate(timeout=SECONDS_MAX)
    assert 0 == run.started.returncode, err
    assert f"stopped by {number.name}" in out + err


def test_nothing_heavy_is_imported_before_the_first_handler() -> None:
    """Where the command begins, nothing but the standard library's smallest and the first handlers are loaded."""
    script = (
        "import sys; before = set(sys.modules); import doka.app.__main__;"
        "new = set(sys.modules) - before - {'collections.abc'};"  # by then not there from Python 3.14 on
        "print(*sorted(name for name in new if '.' in name))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    expected = "doka.adapters doka.adapters.system doka.adapters.system.first_signals doka.app doka.app.__main__"
    assert expected.split() == done.stdout.split()


@pytest.mark.parametrize("after", [0.0, 0.3, 0.8])
def test_workers_heed_a_stop_while_they_start(tmp_path: Path, where: str, after: float) -> None:
    """A supervisor that is stopped while its workers begin ends with 0, and leaves no worker behind."""
    with _running(tmp_path, where, "--workers", "2") as run:
        assert run.started.stdout is not None
        first = next(line for line in run.started.stdout if '"event":"worker_started"' in line)
        assert first
        reader = threading.Thread(target=run.started.stdout.read)
        reader.start()
        with pytest.raises(subprocess.TimeoutExpired):
            run.started.wait(after)
        os.kill(run.pid, signal.SIGTERM)
        assert 0 == run.started.wait(SECONDS_MAX)
        reader.join(SECONDS_MAX)  # the workers hold the other end
        assert not reader.is_alive()


def test_a_hangup_that_asks_for_a_reload_does_not_end_what_has_just_begun(tmp_path: Path) -> None:
    """It asks for what is about to happen: with --watch it passes, and a stop after it ends the process as ever."""
    program = (
        "import os, signal, sys\n"
        "from doka.adapters.system.first_signals import leave_on_stop\n"
        "leave_on_stop(hangup_stops=False)\n"
        "os.kill(os.getpid(), signal.SIGHUP)\n"
        "print('still here', flush=True)\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (0, "still here\n") == (done.returncode, done.stdout)
    assert "stopped by SIGTERM" in done.stderr
