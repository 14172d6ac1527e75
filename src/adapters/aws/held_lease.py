"""The lease of one role for those who may wait for it: the domain's keeper, asked and fed on the threads that need a lease.

It keeps leases by the very rules by which the service does; only, where the loop goes on meanwhile, here one waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from doka.domain.audit.landed import StreamUnreadableError
from doka.domain.backoff import Jitter
from doka.domain.events import LeaseIssued, LeaseRefused
from doka.domain.lease import Lease
from doka.domain.leases.keeper import LeaseKeeper
from doka.domain.limits import BACKOFF_FIRST_NS, NS_PER_SECOND
from doka.domain.ports import Authority, Clock
from doka.domain.rules import RoleRules
from doka.domain.turn import Turn

Pause = Callable[[int], None]
"""Waits so many ns."""

PATIENCE_NS = 300 * NS_PER_SECOND
"""How long to ask on for what was to be had before; a first refusal is told at once, for a person waits for it."""


class HeldLease:
    """Gives a lease that may sign; from any thread, one question at a time."""

    def __init__(
        self,
        rules: RoleRules,
        authority: Authority,
        clock: Clock,
        jitter: Jitter,
        *,
        pause: Pause,
        request_timeout: int,
    ) -> None:
        """Keep the leases of a role by its rules, for requests that may take `request_timeout` ns."""
        self._keeper = LeaseKeeper(rules, request_timeout, jitter)
        self._authority = authority
        self._clock = clock
        self._pause = pause
        self._had_one = False
        self._lock = threading.Lock()

    def get(self) -> Lease:
        """Give the lease that signs now; waits while none is to be had for the moment.

        Raises StreamUnreadableError: the role gives none.
        """
        with self._lock:
            began = self._clock.now()
            while True:
                self._renew()
                now = self._clock.now()
                found = self._keeper.for_signing(now)
                if found is not None:
                    self._had_one = True
                    return found[0]
                refusal = self._refusal(now)
                if refusal is not None and (not self._had_one or now - began >= PATIENCE_NS):
                    raise StreamUnreadableError(refusal)
                self._pause(max((self._keeper.next_change(now) or now) - now, BACKOFF_FIRST_NS))

    def rejected(self, lease: Lease, code: str) -> None:
        """Take note that the service refused this lease: another is asked for, unless one is held by now."""
        with self._lock:
            self._keeper.rejected(lease.serial, code, self._clock.now(), Turn())

    def served(self, lease: Lease) -> None:
        """Take note that the service took what was signed with this lease."""
        with self._lock:
            self._keeper.landed(lease.serial)

    def _renew(self) -> None:
        if not self._keeper.wants_lease(self._clock.now(), needed=True):
            return
        event = self._authority.issue(self._keeper.rules.name)
        if isinstance(event, LeaseIssued):
            self._keeper.issued(event, self._clock.now(), Turn())
        elif isinstance(event, LeaseRefused):
            self._keeper.refused(event, self._clock.now(), Turn())

    def _refusal(self, now: int) -> LeaseRefused | None:
        """Say why there is no lease and none is at hand; None where another question may give one."""
        trouble = self._keeper.trouble(now)
        if self._keeper.refusal is not None or trouble is None:
            return self._keeper.refusal
        return LeaseRefused(self._keeper.rules.name, *trouble)


def pause_for(wait: int) -> None:
    """Wait so many ns; on the main thread, a signal's handler runs meanwhile."""
    threading.Event().wait(wait / NS_PER_SECOND)
