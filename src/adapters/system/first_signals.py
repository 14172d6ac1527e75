"""What a stop does while there is nothing yet that could drain: it ends the process at once.

In a container doka is process 1, and the kernel drops a signal for which process 1 has no handler. It takes a second to
import the clients; a stop in that second would be lost, and the service would run on until it is killed.
So this is the first thing that `doka run` does, and it imports nothing of ours: it must cost no time.
"""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
"""All that ask for a stop. The default action of each would end the process without a drain."""
_STDERR = 2


def heeded() -> tuple[signal.Signals, ...]:
    """Give the stop signals that this process heeds: not a SIGHUP that its starter ignores, as `nohup` does."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return tuple(number for number in STOP_SIGNALS if not (ignored and number is signal.SIGHUP))


def leave_on_stop(*, hangup_stops: bool = True) -> None:
    """From now on a stop ends this process with exit code 0, until somebody installs handlers who can drain.

    Where a SIGHUP asks for a configuration to be read again it is none: what it asks for is about to happen.
    """
    for number in heeded():
        asks_for_more = number is signal.SIGHUP and not hangup_stops
        signal.signal(number, change_nothing if asks_for_more else leave)


def leave(number: int, _frame: FrameType | None) -> None:
    """End the process, which owns nothing yet, and say so: a handler."""
    with contextlib.suppress(OSError):
        os.write(_STDERR, f"doka: stopped by {signal.Signals(number).name} before anything was started\n".encode())
    os._exit(0)


def change_nothing(_number: int, _frame: FrameType | None) -> None:
    """Let a stop pass that comes when all is over: a handler. SIG_IGN would be inherited by what is started next."""


def hold_back() -> None:
    """Keep later stops from this process for the rest of its life.

    The interpreter gives signals their default action back while it goes down, and a late one would then be the death of
    a process that had ended well.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
