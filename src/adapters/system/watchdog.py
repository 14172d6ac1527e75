"""A deadline for what may hang for ever.

Leaving a Kafka group has no time bound while its coordinator is frozen (330 s and more, measured), and nothing can
interrupt it from inside.
So the process says why and leaves; it must never leave before the deadline, and never stay after it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from doka.domain.limits import NS_PER_SECOND

EXIT_LATE = 1
LAST_WORDS_SECONDS = 1.0
"""How long `late` may take: a log to a pipe that nobody reads blocks for ever, and the process must go all the same."""


def run_within(
    action: Callable[[], None],
    deadline: int,
    late: Callable[[], None],
    leave: Callable[[int], object] = os._exit,
) -> None:
    """Run `action` on this thread; if it has not returned after `deadline` ns, call `late` and leave the process.

    `late` says why, on a thread of its own, and gets a second for it; what it raises is ignored.
    `leave` ends the process with exit code 1 at once: no `finally`, no `atexit`, no thread is waited for, because any
    of them could hang just as well.
    What `action` raises comes out of here, and the watchdog is gone then.
    """
    returned = threading.Event()

    def watch() -> None:
        if returned.wait(max(deadline, 0) / NS_PER_SECOND):
            return
        leave_now(
            late, leave
        )  # even if `action` has returned meanwhile: the reason was given, and the exit code agrees

    watcher = threading.Thread(target=watch, name="doka-watchdog", daemon=True)
    watcher.start()
    try:
        action()
    finally:
        returned.set()
        watcher.join()


def leave_now(why: Callable[[], None], leave: Callable[[int], object] = os._exit) -> None:
    """Call `why`, which gets a second on a thread of its own, and leave the process with exit code 1.

    It takes no lock, so a signal handler may call it: where `why` waits for what the handler has interrupted, the process
    goes without its words.
    """
    speaker = threading.Thread(target=_say, args=(why,), name="doka-last-words", daemon=True)
    speaker.start()
    speaker.join(LAST_WORDS_SECONDS)
    leave(EXIT_LATE)


def _say(late: Callable[[], None]) -> None:
    try:
        late()
    except Exception:  # noqa: BLE001 - the words are lost, the exit code is not
        return
