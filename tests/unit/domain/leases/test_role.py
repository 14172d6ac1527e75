from __future__ import annotations

from doka.domain.commands import RequestLease
from doka.domain.events import LeaseIssued, LeaseRefused
from doka.domain.facts import LeaseRejected, RouteBlocked, RouteOpened
from doka.domain.held.budget import Budget
from doka.domain.leases.role import Role
from doka.domain.routes.route import Route
from doka.domain.rules import LimitRules, RoleRules, RotationPolicy
from tests.unit.domain.builders import SECOND, described, lease, no_jitter, route_rules

NOW = 100 * SECOND


def routes(*names: str) -> list[Route]:
    """Make open routes of one role."""
    made = [Route(route_rules(name), LimitRules(), Budget(10**9), no_jitter) for name in names]
    for route in made:
        route.described(described(route.rules.name), NOW)
    return made


def role(of: list[Route]) -> Role:
    """Make the role of these routes."""
    return Role(RoleRules("writer"), of, 10 * SECOND, no_jitter)


def test_asks_for_a_lease_once() -> None:
    """Without a lease one is asked for, and not again before the answer."""
    made = role(routes("orders"))
    assert ([RequestLease("writer")], []) == (made.tend(NOW), made.tend(NOW))


def test_without_a_lease_every_route_of_it_is_blocked_and_told_once() -> None:
    """A refusal blocks all routes with its code; the next look says nothing new."""
    shared = routes("orders", "clicks")
    made = role(shared)
    made.tend(NOW)
    made.refused(LeaseRefused("writer", "AccessDenied", "no"), NOW)
    blocked = [RouteBlocked(name, "lease_refused:AccessDenied", "no") for name in ("orders", "clicks")]
    assert (blocked, []) == (made.tend(NOW), made.tend(NOW))


def test_a_lease_opens_what_its_want_had_blocked_and_nothing_else() -> None:
    """A route that is blocked for a reason of its own stays blocked."""
    shared = routes("orders", "clicks")
    made = role(shared)
    made.tend(NOW)
    made.refused(LeaseRefused("writer", "AccessDenied", "no"), NOW)
    made.tend(NOW)
    shared[1].standing.block("ResourceNotFoundException", "gone", NOW)
    facts = made.issued(LeaseIssued(lease(1, at=NOW)), NOW + SECOND)
    assert [RouteOpened("orders", SECOND)] == [fact for fact in facts if isinstance(fact, RouteOpened)]
    assert (None, "ResourceNotFoundException") == (shared[0].blocked, shared[1].blocked)


def test_many_answers_that_name_a_dead_lease_reject_it_once() -> None:
    """One renewal, however many routes and requests say that the lease has expired."""
    shared = routes("orders", "clicks")
    made = role(shared)
    made.tend(NOW)
    made.issued(LeaseIssued(lease(1, at=NOW)), NOW)
    told = []
    for route in (*shared, *shared):
        route.lease_to_reject = (1, "ExpiredTokenException")
        told += made.heard(route, NOW + SECOND)
    assert [LeaseRejected("writer", 1, "ExpiredTokenException", SECOND)] == told
    assert ([RequestLease("writer")], []) == (made.tend(NOW + SECOND), made.tend(NOW + SECOND))


def test_a_route_that_is_blocked_for_its_lease_asks_for_one_at_once() -> None:
    """With rotation on demand a blocked route needs a lease to probe with, from the moment at which it is blocked."""
    made = Role(RoleRules("writer", policy=RotationPolicy.ON_DEMAND), routes("orders"), 10 * SECOND, no_jitter)
    made.tend(NOW)
    for serial in (1, 2, 3):
        made.issued(LeaseIssued(lease(serial, at=NOW, life=0)), NOW)
    message = "3 leases in a row were rejected before anything landed"
    assert [RouteBlocked("orders", "lease_rejected", message), RequestLease("writer")] == made.tend(NOW + 10 * SECOND)
