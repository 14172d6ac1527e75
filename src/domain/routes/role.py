"""One role and the routes that share its lease.

Theory of operation. Whatever a stream says about a lease (it has expired, it is not recognised, it may be revoked) its
route tells the keeper; a lease that cannot be had blocks all routes of the role here, and one that is there again opens them.
"""

from __future__ import annotations

from collections.abc import Sequence

from doka.domain.commands import RequestLease
from doka.domain.events import LeaseIssued, LeaseRefused
from doka.domain.leases.keeper import LeaseKeeper
from doka.domain.routes.route import Route
from doka.domain.rules import RotationPolicy
from doka.domain.turn import Turn

_LEASE_REASONS = frozenset({"clock_skew", "lease_refused", "lease_ended", "lease_rejected"})


class Role:
    """A sick lease is a matter of this role's routes, and of no other."""

    def __init__(self, keeper: LeaseKeeper, routes: Sequence[Route]) -> None:
        """Keep the lease of these routes."""
        self.keeper = keeper
        self._routes = routes
        self._on_demand = keeper.rules.policy is RotationPolicy.ON_DEMAND

    def issued(self, event: LeaseIssued, now: int, turn: Turn) -> None:
        """Take a lease; routes that waited for one go on."""
        self.keeper.issued(event, now, turn)
        for route in self._routes:
            if (route.standing.reason or "").partition(":")[0] in _LEASE_REASONS:
                route.standing.lease_is_back(now, turn)

    def refused(self, event: LeaseRefused, now: int, turn: Turn) -> None:
        """Note that no lease was to be had."""
        self.keeper.refused(event, now, turn)

    def tend(self, now: int, turn: Turn) -> None:
        """Block the routes while no lease is to be had; ask for one when it is time."""
        trouble = self.keeper.trouble(now)
        if trouble is not None:
            for route in self._routes:
                if route.standing.reason != trouble[0]:
                    route.standing.block(*trouble, now, turn)
        # Only now: a route that was just blocked needs one. Only one that is renewed on demand may be missing.
        needed = not self._on_demand or any(route.needs_lease(now) for route in self._routes)
        if self.keeper.wants_lease(now, needed=needed):
            turn.commands.append(RequestLease(self.keeper.rules.name))
