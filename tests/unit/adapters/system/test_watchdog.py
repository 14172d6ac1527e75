from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from doka.adapters.system.watchdog import leave_now, run_within
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND

HANGS = """
import sys, threading
from doka.adapters.system.watchdog import leave_now, run_within

def late():
    print("the coordinator is frozen", flush=True)
    if "{words}" == "hang":
        threading.Event().wait()
    if "{words}" == "raise":
        raise OSError("stdout is gone")

try:
    run_within(threading.Event().wait, {deadline}, late)
finally:
    print("cleaned up", flush=True)
"""


class Left:
    """Takes the place of os._exit; notes the exit codes."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.called = threading.Event()

    def await_call(self) -> None:
        """Hang until the process would have ended."""
        assert self.called.wait(10)

    def __call__(self, code: int) -> None:
        """Note that the process would have ended here."""
        self.codes.append(code)
        self.called.set()


def never() -> None:
    """Fail the test: this must not be reached."""
    raise AssertionError("late was called")


def test_an_action_in_time_changes_nothing() -> None:
    """The action ran once, nobody was called late, nobody left."""
    left, ran = Left(), []
    run_within(lambda: ran.append(1), 10 * NS_PER_SECOND, never, left)
    assert (ran, left.codes) == ([1], [])


def test_what_the_action_raises_comes_out_and_ends_the_watch() -> None:
    """An error of the action is the caller's, and no watchdog thread stays behind it."""

    def fail() -> None:
        raise RuntimeError("no such group")

    left = Left()
    with pytest.raises(RuntimeError, match="no such group"):
        run_within(fail, 10 * NS_PER_SECOND, never, left)
    assert left.codes == []
    assert [thread.name for thread in threading.enumerate() if thread.name == "doka-watchdog"] == []


def test_past_the_deadline_it_says_why_and_leaves_with_1() -> None:
    """First the reason, then the exit code, while the action still hangs."""
    left, told = Left(), []
    run_within(left.await_call, 20 * NS_PER_MS, lambda: told.append(list(left.codes)), left)
    assert (told, left.codes) == ([[]], [1])


def test_a_deadline_that_is_over_leaves_at_once() -> None:
    """A negative rest of the drain is treated as no time at all."""
    left = Left()
    run_within(left.await_call, -5 * NS_PER_SECOND, lambda: None, left)
    assert left.codes == [1]


@pytest.mark.parametrize("words", ["end", "hang", "raise"])
def test_a_real_process_that_hangs_leaves_with_1(words: str) -> None:
    """It prints why and exits 1 soon after the deadline, with no clean-up, even when printing hangs or fails."""
    program = HANGS.format(deadline=100 * NS_PER_MS, words=words)
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "the coordinator is frozen\n", "")
    assert time.monotonic() - started < 10


def test_leaving_now_says_why_first() -> None:
    """The reason is given, then the process leaves with 1; words that fail change nothing of that."""
    left, told = Left(), []
    leave_now(lambda: told.append(list(left.codes)), left)
    leave_now(never, left)
    assert (told, left.codes) == ([[]], [1, 1])
