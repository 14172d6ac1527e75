"""How long something takes, on a machine that others use as well: any single try may be held up, what waits always is."""

from __future__ import annotations

import time
from collections.abc import Callable


def seconds_of(act: Callable[[], object]) -> float:
    """Give how long it takes once."""
    began = time.monotonic()
    act()
    return time.monotonic() - began


def quickest(act: Callable[[], object], tries: int = 10) -> float:
    """Give the least of several tries, in seconds: what it cannot take less than."""
    return min(seconds_of(act) for _ in range(tries))
