"""Writes log lines beside the loop, so that a stdout that hangs or is gone can neither block nor end the service.

Why a thread and a queue: a pipe whose reader stopped, a terminal under Ctrl-S or a full disk blocks `write` for as long
as it likes; making stdout non-blocking would change it for every process that shares it; and asking `poll` first does
not help where several processes write to one pipe.
So the loop only puts a line into a bounded queue. When the queue is full the newest lines are dropped and counted,
and a line says how many once stdout takes lines again. Data goes on: a service must not stop because nobody reads.

Why `os.write` on the descriptor: a thread that hangs inside Python's own buffered stdout holds its lock, and the
interpreter then dies of that at exit.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from queue import SimpleQueue

QUEUED_LINES_MAX = 10_000
WRITABLE_WAIT_SECONDS = 1.0


class LineWriter:
    """Lines leave in the order in which they came, each whole; `write` never blocks and never raises."""

    def __init__(self, fd: int, dropped: Callable[[], None] = lambda: None, limit: int = QUEUED_LINES_MAX) -> None:
        """Write to the descriptor `fd`, which stays open; `dropped` is called for each line that nobody will read."""
        self._fd = fd
        self._dropped = dropped
        self._limit = limit
        self._queue: SimpleQueue[bytes | threading.Event | None] = SimpleQueue()  # put() is re-entrant and never waits
        self._thread: threading.Thread | None = None
        self._refused = 0  # lines that found the queue full; counted by those who write
        self._failed = 0  # lines that stdout refused; counted by the thread
        self._told = 0  # how many of both the log itself has told
        self.notice: Callable[[int], bytes] = _plain_notice
        """Makes the line that tells how many are missing, in the format of the others."""

    def open(self) -> None:
        """Start to write; lines that came before are written now."""
        if self._thread is None:
            # A daemon: a write that hangs must not keep the process from ending.
            self._thread = threading.Thread(target=self._run, name="doka-log", daemon=True)
            self._thread.start()

    def write(self, line: bytes) -> None:
        """Take one line, without its end; from any thread and any signal handler."""
        if self._queue.qsize() >= self._limit:
            self._refused += 1
            self._dropped()
        else:
            self._queue.put(line)

    def flush(self, within: float) -> bool:
        """Wait until all lines so far were written, at most `within` seconds; False: they were not."""
        if self._thread is None or not self._thread.is_alive():
            return self._queue.empty()
        written = threading.Event()
        self._queue.put(written)
        return written.wait(within)

    def close(self, within: float) -> bool:
        """Write what is there, at most `within` seconds, and stop; False: lines are left. `open` starts anew."""
        thread, self._thread = self._thread, None
        if thread is None:
            return self._queue.empty()
        self._queue.put(None)
        thread.join(within)
        return not thread.is_alive()

    def _run(self) -> None:
        while True:
            item = self._queue.get()
            if isinstance(item, bytes) and not self._written(item):
                self._failed += 1
                self._dropped()
            if item is None or self._queue.qsize() <= self._limit // 2:
                self._tell_what_is_missing()
            if item is None:
                return
            if isinstance(item, threading.Event):
                item.set()

    def _tell_what_is_missing(self) -> None:
        missing = self._refused + self._failed - self._told
        if missing and self._written(self.notice(missing)):
            self._told += missing

    def _written(self, line: bytes) -> bool:
        """Write it whole; False when stdout is gone or full, which the next line tries anew."""
        rest = line + b"\n"
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:  # somebody who shares stdout made it non-blocking
                select.select([], [self._fd], [], WRITABLE_WAIT_SECONDS)
            except OSError:
                return False
        return True


def _plain_notice(missing: int) -> bytes:
    return b"%d log lines were dropped because stdout did not take them" % missing
