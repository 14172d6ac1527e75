"""One role and the routes that share its lease.

Theory of operation. Whatever a stream says about a lease (it has expired, it is not recognised, it may be revoked)
reaches the keeper here, once, however many answers say it; a lease that cannot be had blocks all routes of the role,
and one that is there again opens them.
"""

from __future__ import annotations

from collections.abc import Sequence

from doka.domain.backoff import Jitter
from doka.domain.commands import Command, RequestLease
from doka.domain.events import LeaseIssued, LeaseRefused
from doka.domain.facts import Fact
from doka.domain.leases.keeper import LeaseKeeper
from doka.domain.routes.route import Route
from doka.domain.rules import RoleRules, RotationPolicy

_LEASE_REASONS = frozenset({"clock_skew", "lease_refused", "lease_ended", "lease_rejected"})


class Role:
    """A sick lease is a matter of this role's routes, and of no other."""

    def __init__(self, rules: RoleRules, routes: Sequence[Route], request_timeout: int, jitter: Jitter) -> None:
        """Keep the lease of these routes, for requests that may take `request_timeout` ns."""
        self.name = rules.name
        self.keeper = LeaseKeeper(rules, request_timeout, jitter)
        self._routes = routes
        self._on_demand = rules.policy is RotationPolicy.ON_DEMAND

    def issued(self, event: LeaseIssued, now: int) -> list[Fact]:
        """Take a lease; routes that waited for one go on."""
        facts: list[Fact] = [self.keeper.issued(event, now)]
        for route in self._routes:
            if (route.standing.reason or "").partition(":")[0] in _LEASE_REASONS:
                facts += route.standing.lease_is_back(now)
        return facts

    def refused(self, event: LeaseRefused, now: int) -> list[Fact]:
        """Note that no lease was to be had."""
        return [self.keeper.refused(event, now)]

    def heard(self, route: Route, now: int) -> list[Fact]:
        """Take what the last answer of a route says about the lease that signed its question."""
        if route.lease_to_reject is not None:
            (serial, code), route.lease_to_reject = route.lease_to_reject, None
            rejected = self.keeper.rejected(serial, code, now)
            return [] if rejected is None else [rejected]
        if route.lease_to_renew is not None:
            serial, route.lease_to_renew = route.lease_to_renew, None
            self.keeper.doubted(serial, now)
        elif route.landed_with is not None:
            self.keeper.landed(route.landed_with)
        return []

    @property
    def _needs_lease(self) -> bool:
        """Whether a lease must be there; only one that is renewed on demand may be missing."""
        return not self._on_demand or any(route.needs_lease for route in self._routes)

    def tend(self, now: int) -> list[Command]:
        """Block the routes while no lease is to be had; ask for one when it is time."""
        commands: list[Command] = []
        trouble = self.keeper.trouble(now)
        if trouble is not None:
            for route in self._routes:
                if route.standing.reason != trouble[0]:
                    commands += route.standing.block(*trouble, now)
        if self.keeper.wants_lease(now, needed=self._needs_lease):  # only now: a route that was just blocked needs one
            commands.append(RequestLease(self.name))
        return commands
