"""How long to wait before the next try: exponential, with full jitter, the chance injected.

Full jitter (a uniform draw from zero to the ceiling) spreads many clients best:
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

from collections.abc import Callable

from doka.domain.limits import BACKOFF_FIRST_NS, BACKOFF_LAST_NS

Jitter = Callable[[], float]
"""Gives a number in [0, 1)."""

_DOUBLINGS_MAX = 32


def backoff(attempt: int, jitter: Jitter, *, first: int = BACKOFF_FIRST_NS, last: int = BACKOFF_LAST_NS) -> int:
    """Give the wait in ns before try number `attempt` + 1 (the first failed try is attempt 1).

    At least a twentieth of the ceiling, so that a lucky draw does not hammer.
    """
    ceiling = min(last, first << min(max(attempt - 1, 0), _DOUBLINGS_MAX))
    return ceiling // 20 + int(jitter() * (ceiling - ceiling // 20))
