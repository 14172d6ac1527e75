"""What ties a worker to its supervisor: it reports each second, gives its pages when asked, and ends when it is alone.

A supervisor that is killed says nothing; the end of the socket pair does, on every system and however it happened.
An orphan must not forward on: whoever starts the service again would have members that nobody stops or sees.
So it drains, as at a SIGTERM, and writes what it still has to say at the supervisor's own stdout.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Callable

import orjson

from doka.adapters.telemetry.health import Health
from doka.app.workers.frames import FrameKind, receive_frame, send_frame
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock

REPORT_NS = NS_PER_SECOND
STDOUT = 1


class SupervisorLink:
    """One thread beside the loop; it never touches a record and never waits for the loop."""

    def __init__(self, sock: socket.socket, clock: Clock, health: Health, alone: Callable[[], None]) -> None:
        """Take what answers for this worker, and what to call once the supervisor is gone."""
        self._sock = sock
        self._clock = clock
        self._health = health
        self._alone = alone
        self._thread = threading.Thread(target=self._run, name="doka-supervisor-link", daemon=True)

    def open(self) -> None:
        """Begin to report."""
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):  # a send finds the end before a read does
            self._talk()
        self._alone()

    def _talk(self) -> None:
        due = self._clock.now()
        while True:
            now = self._clock.now()
            if now >= due:
                due = now + REPORT_NS
                report = {"stalled": self._health.stalled(), "reasons": self._health.reasons()}
                send_frame(self._sock, FrameKind.REPORT, orjson.dumps(report))
            readable, _, _ = select.select([self._sock], [], [], max(due - now, 0) / NS_PER_SECOND)
            if readable:
                frame = receive_frame(self._sock)
                if frame is None:
                    return
                _, path = frame
                send_frame(self._sock, FrameKind.PAGE, path + b"\0" + self._page(path.decode()))

    def _page(self, path: str) -> bytes:
        try:
            answer = self._health.answer(path)
        except Exception:  # noqa: BLE001 - a page that cannot be made must not untie the worker
            return b""
        return b"" if answer is None else answer.body


def write_to(stdout: int) -> None:
    """Let this process write its lines to another descriptor from now on, in the middle of everything."""
    with contextlib.suppress(OSError):
        os.dup2(stdout, STDOUT)
