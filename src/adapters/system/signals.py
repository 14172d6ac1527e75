"""SIGTERM and SIGINT, as an event.

A handler runs between two instructions of the loop's thread, perhaps inside a fetch, where an exception would destroy
records.
So it must never raise, never block and never do more than leave an event in the inbox.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

from doka.domain.events import StopRequested
from doka.domain.ports import Inbox

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_Handler = Callable[[int, FrameType | None], Any] | int | None


class StopSignals:
    """While it is entered, SIGTERM and SIGINT leave a `StopRequested` in the inbox; leaving restores what was there.

    A second signal leaves a second event and nothing else: the drain that the first one started goes on to its
    deadline, because cutting it short would only make duplicates.
    Who really wants the process gone at once has SIGKILL, which loses nothing either.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._before: dict[signal.Signals, _Handler] = {}

    def __enter__(self) -> Self:
        """Install the handlers; only the main thread may.

        Raises:
            ValueError: this is not the main thread.
        """
        for number in STOP_SIGNALS:
            self._before[number] = signal.signal(number, self._leave_event)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put back the handlers that were there before."""
        for number, handler in self._before.items():
            # None is a handler that was not installed from Python: it cannot be put back, so the default is.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before.clear()

    def _leave_event(self, number: int, _frame: FrameType | None) -> None:
        # Whatever an inbox may do wrong, nothing may leave this frame: it stands on top of an interrupted fetch.
        with contextlib.suppress(Exception):
            self._inbox.put(StopRequested(signal.Signals(number).name))
