"""One worker as its supervisor has it: a process, a socket pair to it, and its stdout.

Spawned, never forked: librdkafka's threads and TLS sessions do not survive a fork, and a fork of a process with threads
may hang at its first lock. So a fresh interpreter starts, which opens its own clients.

Its stdout is a pipe to here, because only one writer can keep lines whole: two processes that write to one pipe cut into
each other's lines beyond 4,096 bytes, and into any line where the pipe is full.
What a worker has not ended with a line break when it dies is half a line, and is dropped.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import IO

import orjson

from doka.adapters.system.first_signals import STOP_SIGNALS
from doka.app.workers.frames import FrameKind, receive_frame, send_frame
from doka.app.workers.health import WorkerReport
from doka.app.workers.setup import Setup

MODULE = "doka.app.workers.worker"
WATCHED = "watched"
"""The word by which a worker learns, before anything else, that a SIGHUP is none of its business."""
LAST_WORDS_SECONDS = 1.0
"""How long what a dead worker has left in its pipes may take to be read; it is there already."""
LINE_BYTES_MAX = 1024 * 1024  # what comes without a line break is no line of ours


class WorkerProcess:
    """One process from its birth to its end; a worker that is started again is another one."""

    def __init__(
        self, setup: Setup, stdout: int, *, reported: Callable[[WorkerReport], None], line: Callable[[bytes], None]
    ) -> None:
        """Start it. Its reports and lines are given on, from threads of their own.

        `stdout` is the descriptor at which the worker writes its lines once there is no supervisor any more.

        Raises:
            OSError: the system gives no process, or no descriptor.
        """
        self._reported = reported
        self._line = line
        self._sock, theirs = socket.socketpair()
        try:
            # -P: what lies in the working directory is never imported, even if it is called app.
            command = [sys.executable, "-P", "-m", MODULE, str(theirs.fileno()), str(stdout), str(setup.worker)]
            command += [WATCHED] if setup.watched else []
            with _stops_held_back():
                self._child = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, pass_fds=(theirs.fileno(), stdout)
                )
        except OSError:
            self._sock.close()
            raise
        finally:
            theirs.close()
        self._pages: defaultdict[str, SimpleQueue[bytes]] = defaultdict(SimpleQueue)  # by their path
        self._asked: set[str] = set()
        assert self._child.stdout is not None  # narrows the type
        self._readers = [
            threading.Thread(target=self._read_frames, name=f"doka-worker-{setup.worker}", daemon=True),
            threading.Thread(
                target=self._read_lines, args=(self._child.stdout,), name=f"doka-lines-{setup.worker}", daemon=True
            ),
        ]
        with contextlib.suppress(OSError):  # it is dead already, and `poll` says of what
            send_frame(self._sock, FrameKind.SETUP, setup.packed())
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._child.pid

    def poll(self) -> int | None:
        """Give the exit code, negative for the signal that killed it; None while it runs."""
        return self._child.poll()

    def terminate(self) -> None:
        """Ask it to drain and end; nothing if it has ended."""
        self._child.terminate()

    def kill(self) -> None:
        """End it at once; nothing if it has ended."""
        self._child.kill()

    def ask(self, path: str) -> None:
        """Ask for what it has at a path; by one thread only, which then takes it by `page`."""
        while True:
            try:
                self._pages[path].get_nowait()
            except Empty:
                break
        if path not in self._asked:  # a worker that stands still must not be asked until its socket is full
            self._asked.add(path)
            try:
                send_frame(self._sock, FrameKind.ASK, path.encode())
            except OSError:
                self._pages[path].put(b"")

    def page(self, path: str, within: float) -> bytes | None:
        """Give what was asked for; None when it does not come within so many seconds."""
        try:
            return self._pages[path].get(timeout=max(within, 0.0)) or None
        except Empty:
            return None

    def close(self) -> None:
        """Let go of a process that has ended, once its last lines were read."""
        for reader in self._readers:
            reader.join(LAST_WORDS_SECONDS)
        self._sock.close()
        if self._child.stdout is not None and not self._readers[1].is_alive():
            self._child.stdout.close()

    def _read_frames(self) -> None:
        while (frame := receive_frame(self._sock)) is not None:
            kind, payload = frame
            if kind is FrameKind.PAGE:
                path, _, page = payload.partition(b"\0")
                self._asked.discard(path.decode())
                self._pages[path.decode()].put(page)
            elif kind is FrameKind.REPORT:
                told = orjson.loads(payload)
                self._reported(WorkerReport(told["stalled"], tuple(told["reasons"])))
        for asked in list(self._pages.values()):
            asked.put(b"")  # nothing comes any more

    def _read_lines(self, stdout: IO[bytes]) -> None:
        for line in _whole_lines(stdout.fileno()):
            self._line(line)


def _whole_lines(fd: int) -> Iterator[bytes]:
    """Give what is written to a pipe, line by line and without the line breaks, until its other end is closed."""
    rest = b""
    while received := os.read(fd, 64 * 1024):
        *lines, rest = (rest + received).split(b"\n")
        yield from lines
        if len(rest) > LINE_BYTES_MAX:
            yield rest
            rest = b""


@contextlib.contextmanager
def _stops_held_back() -> Iterator[None]:
    """Start a process that holds a stop back until it can heed it: its first half second knows no handlers yet."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
