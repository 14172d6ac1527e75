from __future__ import annotations

import gc
import re
import socket
import subprocess
import threading
import warnings
from pathlib import Path

import pytest

from tests.architecture.source_tree import ROOT
from tests.containers.engine import trouble


def told(monkeypatch: pytest.MonkeyPatch, host: str) -> str | None:
    """Ask for the engine at this address, with the garbage collected and every warning an error."""
    monkeypatch.setenv("DOCKER_HOST", host)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = trouble()
        gc.collect()
    return found


def test_no_socket_at_all_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where there is no engine, one line names the socket that is missing, and nothing is left open."""
    host = f"unix://{tmp_path}/none.sock"
    assert f"No such file or directory: {host}" == told(monkeypatch, host)


def test_a_socket_that_nobody_listens_at_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An engine that is switched off leaves its socket behind; that is told as well, and nothing is left open."""
    host = f"unix://{tmp_path}/left.sock"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(host.removeprefix("unix://"))
    assert f"Connection refused: {host}" == told(monkeypatch, host)


def test_a_closed_port_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine on the network that refuses is told in one line, with its address, and nothing is left open."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = told(monkeypatch, f"tcp://127.0.0.1:{port}")
    assert found is not None
    assert re.search(rf"127\.0\.0\.1.*{port}", found)


def test_who_listens_and_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What accepts and hangs up is no engine, and the sentence says what happened."""
    path = f"{tmp_path}/odd.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()

        def hang_up() -> None:
            for _ in range(2):  # the probe, and the question
                server.accept()[0].close()

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        found = told(monkeypatch, f"unix://{path}")
        thread.join(10)
    assert found is not None
    assert "aborted" in found


def test_a_host_that_is_no_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A DOCKER_HOST that means nothing is a reason like any other."""
    assert "Invalid bind address format: port is required: nonsense" == told(monkeypatch, "nonsense")


def test_the_suite_is_green_where_neither_engine_nor_browser_is() -> None:
    """On a bare machine each test that needs either skips with its reason in one line, and nothing fails or warns."""
    done = subprocess.run([ROOT / "scripts" / "bare"], capture_output=True, text=True, timeout=120, check=False)
    assert (0, "") == (done.returncode, done.stderr), done.stdout
    skips = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    reason = re.compile(
        r"SKIPPED \[\d+\] \S+: (no container engine answers: No such file or directory: unix:///nonexistent\.sock"
        r"|no browser is installed \(one of [\w, -]+\))"
    )
    assert skips
    assert [] == [line for line in skips if not reason.fullmatch(line)]
