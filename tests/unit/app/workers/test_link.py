from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import NamedTuple

import orjson
import pytest

from doka.adapters.system.clock import SystemClock
from doka.adapters.telemetry.health import Health
from doka.app.workers.frames import FrameKind, receive_frame, send_frame
from doka.app.workers.link import SupervisorLink
from tests.unit.adapters.telemetry.given import hand_clock, status

PAGE = b"# HELP x y\n# TYPE x gauge\nx 1.0\n"


class Tied(NamedTuple):
    """The supervisor's end, the worker's health, and whether it was found to be alone."""

    sock: socket.socket
    health: Health
    alone: threading.Event


@pytest.fixture
def tied() -> Iterator[Tied]:
    """Give a worker that is tied to this test."""
    ours, theirs = socket.socketpair()
    ours.settimeout(10)
    health, alone = Health(SystemClock(), lambda: (PAGE, "text/plain")), threading.Event()
    with ours, theirs:
        SupervisorLink(theirs, SystemClock(), health, alone.set).open()
        yield Tied(ours, health, alone)
        ours.close()
        assert alone.wait(10)


def next_of(tied: Tied, kind: FrameKind) -> bytes:
    """Give the next frame of a kind; others are passed over."""
    while True:
        frame = receive_frame(tied.sock)
        assert frame is not None
        if frame[0] is kind:
            return frame[1]


def test_it_reports_by_itself_each_second(tied: Tied) -> None:
    """The first report says that it starts; a later one what was published since."""
    first = orjson.loads(next_of(tied, FrameKind.REPORT))
    assert {"stalled": None, "reasons": ["starting: no state was published yet"]} == first
    tied.health.publish(status(hand_clock()))
    assert {"stalled": None, "reasons": []} == orjson.loads(next_of(tied, FrameKind.REPORT))


def test_it_gives_its_metrics_when_asked_and_reports_on(tied: Tied) -> None:
    """Many questions do not keep it from reporting."""
    for _ in range(20):
        send_frame(tied.sock, FrameKind.ASK, b"/metrics")
        assert b"/metrics\0" + PAGE == next_of(tied, FrameKind.PAGE)
    assert next_of(tied, FrameKind.REPORT)


def test_a_page_that_cannot_be_made_is_empty() -> None:
    """An error of the metrics must not look like the end of the supervisor."""

    def fail() -> tuple[bytes, str]:
        raise ZeroDivisionError

    ours, theirs = socket.socketpair()
    ours.settimeout(10)
    alone = threading.Event()
    with ours, theirs:
        SupervisorLink(theirs, SystemClock(), Health(SystemClock(), fail), alone.set).open()
        send_frame(ours, FrameKind.ASK, b"/metrics")
        assert b"/metrics\0" == next_of(Tied(ours, Health(SystemClock(), fail), alone), FrameKind.PAGE)
        assert not alone.is_set()
        ours.close()
        assert alone.wait(10)


def test_the_end_of_the_supervisor_is_noticed(tied: Tied) -> None:
    """Closing the other end, as the kernel does for a process that is killed, is enough."""
    next_of(tied, FrameKind.REPORT)
    assert not tied.alone.is_set()
    tied.sock.close()
    assert tied.alone.wait(10)


def test_lines_go_to_the_other_descriptor_afterwards() -> None:
    """What is written at stdout before arrives at the supervisor's pipe, what is written after at its own stdout."""
    reading, writing = os.pipe()
    program = (
        "import os; from doka.app.workers.link import write_to; "
        f"os.write(1, b'before'); write_to({writing}); os.write(1, b'after')"
    )
    with os.fdopen(reading, "rb") as other:
        ran = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, pass_fds=(writing,), check=True)
        os.close(writing)
        assert (b"before", b"after") == (ran.stdout, other.read())
