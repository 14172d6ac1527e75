"""What a route remembers of failures: how many requests failed in a row, how long to wait, which lease is suspected."""

from __future__ import annotations

from doka.domain.backoff import Jitter, backoff
from doka.domain.limits import (
    BACKOFF_LAST_NS,
    PACED_BACKOFF_LAST_NS,
    RETRY_BACKOFF_LAST_NS,
    THROTTLE_BACKOFF_LAST_NS,
)
from doka.domain.verdicts import Verdict

_FAILURES_BEFORE_BLOCK = 5  # requests in a row of which nobody knows, or that never left
_LAST_BACKOFF = {
    Verdict.THROTTLED: THROTTLE_BACKOFF_LAST_NS,
    Verdict.RETRY: RETRY_BACKOFF_LAST_NS,
    Verdict.AMBIGUOUS: RETRY_BACKOFF_LAST_NS,
    Verdict.LANE: BACKOFF_LAST_NS,
}


class Setbacks:
    """One success ends all of it, but for what the lease has proved by it."""

    def __init__(self, jitter: Jitter) -> None:
        self.landed_with: int | None = None  # serial of the lease that landed the last request
        self._jitter = jitter
        self._failures = 0  # whole requests that failed in a row
        self._unknowns = 0  # of these, those of which nobody knows, or that never left
        self._denied_lease: int | None = None  # rejected for a denial; nothing has landed since

    def __bool__(self) -> bool:
        """Say whether the last whole request failed, and nothing landed since."""
        return self._failures > 0

    def failed(self, verdict: Verdict) -> bool:
        """Note a whole request that failed; say whether so many did that the route should block."""
        self._failures += 1
        self._unknowns += verdict is not Verdict.THROTTLED
        return self._unknowns >= _FAILURES_BEFORE_BLOCK

    def forget(self) -> None:
        """Begin anew: the stream was described."""
        self._failures = self._unknowns = 0

    def succeeded(self, lease: int) -> None:
        """Note that a request landed something."""
        self._failures = self._unknowns = 0
        self._denied_lease = None
        self.landed_with = lease

    def may_be_revoked(self, lease: int) -> bool:
        """Say whether a denial may be the lease's fault: a revoked session answers like a missing permission.

        Only a lease that landed something here is suspected, and once until something lands again; the other requests
        that it signed are answered alike. A denial of the next lease is the policy's.
        """
        return lease == self._denied_lease or (lease == self.landed_with and self._denied_lease is None)

    def denied(self, lease: int) -> None:
        """Note that a lease is rejected for a denial."""
        self._denied_lease = lease

    def wait(self, attempts: int, verdict: Verdict, *, paced: bool) -> int:
        """Say how long to wait before another try, in ns; `paced`: the stream's shards have their paces."""
        last = _LAST_BACKOFF.get(verdict, BACKOFF_LAST_NS)
        if verdict is Verdict.THROTTLED and paced:
            last = PACED_BACKOFF_LAST_NS
        return backoff(attempts, self._jitter, last=last)
