"""An AWS for the demo and the tests: moto in a process of its own, so that it takes no time from the loop.

moto checks no credentials and never expires a token: put `ExpiringGate` in front of it.
"""

from __future__ import annotations

import importlib.util
import select
import subprocess
import sys
import tempfile
from types import TracebackType
from typing import Self

from doka.adapters.embedded import moto_child
from doka.domain.errors import DokaError, UsageError

STOP_SECONDS = 5.0


class EmbeddedMoto:
    """One moto server on a free port of 127.0.0.1, from `start` to `close` or to the end of this process.

    The child is in a session of its own, so that Ctrl-C at a terminal reaches only this process and its drain still
    has a stream to drain into.
    """

    def __init__(self, start_seconds: float = 60.0) -> None:
        self._start_seconds = start_seconds
        self._child: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{moto_child.HOST}:{self._port}"

    @property
    def pid(self) -> int | None:
        """The process id of the child; None while it is not started."""
        return None if self._child is None else self._child.pid

    def start(self) -> None:
        """Start the child and wait until it listens.

        Raises:
            UsageError: moto is not installed.
            DokaError: it did not start; the text holds the end of what it said.
        """
        if importlib.util.find_spec("moto") is None:
            raise UsageError(
                "the embedded AWS needs moto; install doka with its demo extra: pip install 'doka-connector[demo]'"
            )
        with tempfile.TemporaryFile() as said:
            self._child = subprocess.Popen(
                [sys.executable, "-m", moto_child.__name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                start_new_session=True,
            )
            assert self._child.stdout is not None
            ready, _, _ = select.select([self._child.stdout], [], [], self._start_seconds)
            line = self._child.stdout.readline() if ready else b""
            if not line.strip():
                self.close()
                said.seek(0)
                words = said.read().decode(errors="replace").strip()[-500:]
                raise DokaError(f"moto did not start within {self._start_seconds:g} s: {words or 'it said nothing'}")
        self._port = int(line)

    def close(self) -> None:
        """Stop the child, by its own id, and wait until it is gone; once is enough, twice is fine."""
        child, self._child = self._child, None
        if child is None:
            return
        with child:  # closes both pipes, and so asks the child to end
            assert child.stdin is not None
            child.stdin.close()
            try:
                child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.close()
