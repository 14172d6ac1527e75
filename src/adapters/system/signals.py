"""The signals that ask for a stop, as an event.

A handler runs between two instructions of the loop's thread, perhaps inside a fetch, where an exception would destroy
records.
So it must never raise, never block and never do more than leave an event in the inbox.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Final, Self

from doka.adapters.system.clock import SystemClock
from doka.adapters.system.first_signals import change_nothing, heeded, leave
from doka.domain.events import StopRequested
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock, Inbox

ONE_PRESS_NS: Final = NS_PER_SECOND // 2
"""Within it a second SIGINT is the same press: a terminal sends one to each process of its group, and so may who forwards."""

_Handler = Callable[[int, FrameType | None], Any] | int | None


class StopSignals:
    """While it is entered, each stop signal leaves a `StopRequested` in the inbox; leaving restores what was there.

    SIGTERM, SIGINT (Ctrl-C), SIGHUP (the terminal is gone) and SIGUSR1 mean the same.
    A second one leaves a second event: the drain that the first one started goes on to its deadline, because cutting it
    short would only make duplicates. But a second SIGINT is somebody at the keyboard who does not want to wait: `insist`
    is called then, in the handler, and is to end the process. Within half a second it is the same press of the key.
    """

    def __init__(
        self,
        inbox: Inbox,
        insist: Callable[[], object] | None = None,
        clock: Clock | None = None,
        but_not: frozenset[signal.Signals] = frozenset(),
    ) -> None:
        """Take where the events go, and what a second SIGINT does; without that it is an event like the others.

        `but_not` are signals that mean something else to whoever enters this.
        """
        self._but_not = but_not
        self._inbox = inbox
        self._insist = insist
        self._clock = clock or SystemClock()
        self._interrupted_at: int | None = None
        self._before: dict[signal.Signals, _Handler] = {}

    def __enter__(self) -> Self:
        """Install the handlers; only the main thread may.

        Raises:
            ValueError: this is not the main thread.
        """
        for number in set(heeded()) - self._but_not:
            self._before[number] = signal.signal(number, self._leave_event)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put back the handlers that were there before."""
        for number, handler in self._before.items():
            if handler is leave:  # it would say that nothing was started, and hide the exit code of what was
                handler = change_nothing  # noqa: PLW2901 - what is put back in its place
            # None is a handler that was not installed from Python: it cannot be put back, so the default is.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before.clear()

    def _leave_event(self, number: int, _frame: FrameType | None) -> None:
        # Whatever an inbox may do wrong, nothing may leave this frame: it stands on top of an interrupted fetch.
        with contextlib.suppress(Exception):
            self._inbox.put(StopRequested(signal.Signals(number).name))
        if number == signal.SIGINT:
            now = self._clock.now()
            if self._interrupted_at is None:
                self._interrupted_at = now
            elif now - self._interrupted_at >= ONE_PRESS_NS and self._insist is not None:
                with contextlib.suppress(Exception):
                    self._insist()
