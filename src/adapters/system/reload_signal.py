"""SIGHUP as the wish that the configuration be read again, where somebody can do that; elsewhere it asks for a stop."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self


class ReloadSignal:
    """While it is entered, a SIGHUP calls `wished`, which must not wait; elsewhere nobody must heed it.

    One that the starter ignores, as `nohup` does, is left ignored.
    """

    def __init__(self, wished: Callable[[], object]) -> None:
        """Take what is called, inside the handler."""
        self._wished = wished
        self._before: Any = None

    def __enter__(self) -> Self:
        """Install the handler; only the main thread may."""
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            self._before = signal.signal(signal.SIGHUP, self._wish)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put back the handler that was there before."""
        if self._before is not None:
            signal.signal(signal.SIGHUP, self._before)
            self._before = None

    def _wish(self, _number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(Exception):  # nothing may leave a handler
            self._wished()
