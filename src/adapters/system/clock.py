"""The only file that reads time.

Everything else takes `domain.ports.Clock`, so that the simulator and the tests decide what time it is.
It must never be judged by: an expiry or a deadline on the wall clock would move with an operator's `date -s`.
"""

from __future__ import annotations

import time

_RUNS_THROUGH_SUSPEND = getattr(time, "CLOCK_BOOTTIME", None)
"""Linux only; elsewhere a suspended host makes leases look younger than they are, so the service must reject them."""


class SystemClock:
    """The clocks of this machine, as `domain.ports.Clock`.

    `now` never goes back, whatever happens to the wall clock.
    """

    def now(self) -> int:
        """Give nanoseconds since boot, suspend included (CLOCK_BOOTTIME; the monotonic clock where there is none)."""
        if _RUNS_THROUGH_SUSPEND is None:
            return time.monotonic_ns()
        return time.clock_gettime_ns(_RUNS_THROUGH_SUSPEND)

    def wall(self) -> float:
        """Give seconds since the epoch, for people and for lag."""
        return time.time()
