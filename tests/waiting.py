"""Waiting for a condition with a deadline: what tests do instead of sleeping for a time that they hope is enough."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 30.0
"""Only a test that fails waits for so long: it is for a machine of two cores on which others start a JVM."""


def eventually(
    condition: Callable[[], T], *, within: float = PATIENCE_SECONDS, what: str = "", every: float = 0.01
) -> T:
    """Call `condition` until it gives something true, and give that; asks again after `every` seconds.

    Raises AssertionError, naming `what`, when it was not true within so many seconds; the last answer is told.
    An exception of `condition` is not swallowed.
    """
    deadline = time.monotonic() + within
    while not (answer := condition()):
        if time.monotonic() >= deadline:
            message = f"not within {within:g} s: {what or 'the awaited condition'}; its last answer was {answer!r}"
            raise AssertionError(message)
        time.sleep(every)
    return answer
