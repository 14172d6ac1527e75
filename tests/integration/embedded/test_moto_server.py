from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest

from doka.adapters.embedded import moto_child
from doka.adapters.embedded.moto_server import EmbeddedMoto
from doka.domain.errors import DokaError, UsageError
from tests.integration.embedded.clients import assume
from tests.waiting import eventually

PARENT = """
import sys
from doka.adapters.embedded.moto_server import EmbeddedMoto
moto = EmbeddedMoto()
moto.start()
print(moto.pid, flush=True)
sys.stdin.read()
"""


def alive(pid: int) -> bool:
    """Tell whether a process runs (a zombie does not)."""
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - a pseudo-file
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_it_answers_as_soon_as_it_is_started_and_not_after_it_is_closed() -> None:
    """The first question after `start` is answered; after `close` the process is gone and nobody listens."""
    moto = EmbeddedMoto()
    moto.start()
    pid = moto.pid
    assert pid is not None
    assert assume(moto.url)["AssumedRoleUser"]["Arn"].startswith("arn:aws:sts::210987654321:")
    moto.close()
    moto.close()
    assert not alive(pid)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(moto.url.rpartition(":")[2])), timeout=5)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_dies_with_its_parent(number: signal.Signals) -> None:
    """However the parent ends, the child is gone soon afterwards."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        parent.send_signal(number)
    eventually(lambda: not alive(child), within=10, what="the end of the child")


def test_ctrl_c_at_the_terminal_does_not_reach_it(moto: EmbeddedMoto) -> None:
    """It is in a process group of its own, so that the drain that Ctrl-C starts still has its stream."""
    assert moto.pid is not None
    assert os.getpgid(moto.pid) != os.getpgid(0)


def test_a_start_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that ends at once is an error with its last words, and leaves no process."""
    monkeypatch.setattr(moto_child, "__name__", "no_such_module_anywhere")
    moto = EmbeddedMoto()
    with pytest.raises(DokaError, match="No module named no_such_module_anywhere"):
        moto.start()
    assert None is moto.pid


def test_without_moto_it_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the demo extra is not installed, the error says how to install it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="doka-connector\\[demo\\]"):
        EmbeddedMoto().start()


def test_only_the_child_imports_moto() -> None:
    """The gate and the server can be imported without moto, flask or werkzeug being loaded."""
    program = (
        "import sys, doka.adapters.embedded.gate, doka.adapters.embedded.moto_server, doka.adapters.embedded.streams\n"
        "print(sorted({'moto', 'flask', 'werkzeug'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
