from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import orjson
import pytest

from doka.app.workers.frames import FrameKind, receive_frame, send_frame
from doka.app.workers.process import _stops_held_back
from doka.app.workers.setup import Setup
from doka.app.workers.worker import ALONE


def started(theirs: socket.socket, stdout: int) -> subprocess.Popen[bytes]:
    """Start a worker by hand, as its supervisor does: with stops held back."""
    command = [sys.executable, "-P", "-m", "doka.app.workers.worker", str(theirs.fileno()), str(stdout), "1"]
    with _stops_held_back():
        return subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=(theirs.fileno(), stdout))


@pytest.mark.parametrize("said", [b"", b"\x01\x00\x00"], ids=["nothing", "half a setup"])
def test_a_supervisor_that_is_gone_before_it_spoke_leaves_nobody(said: bytes) -> None:
    """A worker without a setup has nothing to run, and ends."""
    ours, theirs = socket.socketpair()
    with theirs:
        ours.sendall(said)
        child = started(theirs, 1)
    ours.close()
    assert b"" == child.communicate(timeout=30)[0]
    assert 0 == child.returncode


def test_a_worker_that_is_left_alone_drains_and_says_so(setup: Setup) -> None:
    """However the supervisor went, the end of the socket pair stops the worker; its last lines go to the other stdout."""
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe()
    with theirs:
        child = started(theirs, writing)
    os.close(writing)
    send_frame(ours, FrameKind.SETUP, setup.packed())
    while (frame := receive_frame(ours)) is not None and frame[0] is not FrameKind.REPORT:
        pass
    assert frame is not None
    assert child.stdout is not None
    first = child.stdout.readline()  # a worker may report before it has written, and left alone it writes elsewhere
    ours.close()
    with os.fdopen(reading, "rb") as other:
        child.communicate(timeout=30)
        last = other.read()
    assert 0 == child.returncode
    assert "started" == orjson.loads(first)["event"]
    assert f"stopped by {ALONE}" == orjson.loads(last.splitlines()[-1])["reason"]


def test_a_second_signal_changes_nothing_to_the_very_end(setup: Setup) -> None:
    """Signals that come while it stops, however many, neither kill it nor change its exit code."""
    ours, theirs = socket.socketpair()
    with theirs:
        child = started(theirs, 1)
    with ours:
        send_frame(ours, FrameKind.SETUP, setup.packed())
        while child.poll() is None:
            child.send_signal(signal.SIGTERM)
            child.send_signal(signal.SIGINT)
        child.communicate(timeout=30)
    assert 0 == child.returncode
