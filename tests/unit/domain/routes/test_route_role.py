from __future__ import annotations

from doka.domain.commands import Command, RequestLease
from doka.domain.events import LeaseIssued, LeaseRefused, PutRefused
from doka.domain.facts import LeaseRejected, RouteBlocked, RouteOpened
from doka.domain.held.budget import Budget
from doka.domain.leases.keeper import LeaseKeeper
from doka.domain.partitions.partition import Partition
from doka.domain.routes.route import Role, Route
from doka.domain.rules import LimitRules, RoleRules, RotationPolicy
from doka.domain.turn import Turn
from tests.unit.domain.builders import ORDERS, SECOND, chunk, described, lease, leg_of, no_jitter, route_rules, told

NOW = 100 * SECOND


def role(*names: str, policy: RotationPolicy = RotationPolicy.BEFORE_EXPIRY) -> tuple[Role, list[Route]]:
    """Make a role, and its routes, which are open but for the lease."""
    keeper = LeaseKeeper(RoleRules("writer", policy=policy), 10 * SECOND, no_jitter)
    routes = [Route(route_rules(name), LimitRules(), Budget(10**9), keeper, no_jitter) for name in names]
    for route in routes:
        route.described(described(route.rules.name), NOW, Turn())
    return Role(keeper, routes), routes


def tend(made: Role, now: int = NOW) -> list[Command]:
    """Let a role see to its lease; give what follows."""
    return told(made.tend, now)


def test_asks_for_a_lease_once() -> None:
    """Without a lease one is asked for, and not again before the answer."""
    made, _ = role("orders")
    assert ([RequestLease("writer")], []) == (tend(made), tend(made))


def test_without_a_lease_every_route_of_it_is_blocked_and_told_once() -> None:
    """A refusal blocks all routes with its code; the next look says nothing new."""
    made, _ = role("orders", "clicks")
    tend(made)
    made.refused(LeaseRefused("writer", "AccessDenied", "no"), NOW, Turn())
    blocked = [RouteBlocked(name, "lease_refused:AccessDenied", "no") for name in ("orders", "clicks")]
    assert (blocked, []) == (tend(made), tend(made))


def test_a_lease_opens_what_its_want_had_blocked_and_nothing_else() -> None:
    """A route that is blocked for a reason of its own stays blocked."""
    made, routes = role("orders", "clicks")
    tend(made)
    made.refused(LeaseRefused("writer", "AccessDenied", "no"), NOW, Turn())
    tend(made)
    routes[1].standing.block("ResourceNotFoundException", "gone", NOW, Turn())
    facts = told(made.issued, LeaseIssued(lease(1, at=NOW)), NOW + SECOND)
    assert [RouteOpened("orders", SECOND)] == [fact for fact in facts if isinstance(fact, RouteOpened)]
    assert (None, "ResourceNotFoundException") == (routes[0].blocked, routes[1].blocked)


def test_many_answers_that_name_a_dead_lease_reject_it_once() -> None:
    """One renewal, however many routes and requests say that the lease has expired."""
    made, routes = role("orders", "clicks")
    tend(made)
    made.issued(LeaseIssued(lease(1, at=NOW)), NOW, Turn())
    for route in routes:
        ledger = leg_of(Partition(ORDERS, 0, [route])).ledger
        for put in (1, 2):
            route.admit(ledger, chunk([f"k{put}"], start=put), NOW, Turn())
            assert route.next_put(put, 1, NOW, Turn()) is not None
    facts = [
        fact
        for route in routes
        for put in (1, 2)
        for fact in told(route.refused, PutRefused(put, "ExpiredTokenException"), NOW + SECOND)
    ]
    expected = [LeaseRejected("writer", 1, "ExpiredTokenException", SECOND)]
    assert expected == [fact for fact in facts if isinstance(fact, LeaseRejected)]
    assert ([RequestLease("writer")], []) == (tend(made, NOW + SECOND), tend(made, NOW + SECOND))


def test_a_route_that_is_blocked_for_its_lease_asks_for_one_at_once() -> None:
    """With rotation on demand a blocked route needs a lease to probe with, from the moment at which it is blocked."""
    made, _ = role("orders", policy=RotationPolicy.ON_DEMAND)
    tend(made)
    for serial in (1, 2, 3):
        made.issued(LeaseIssued(lease(serial, at=NOW, life=0)), NOW, Turn())
    message = "3 leases in a row were rejected before anything landed"
    assert [RouteBlocked("orders", "lease_rejected", message), RequestLease("writer")] == tend(made, NOW + 10 * SECOND)


def test_a_lease_is_wanted_from_when_it_is_due_until_there_is_another() -> None:
    """Asked for or not, refused or not; a fresh one wants no other."""
    made, _ = role("orders")
    assert made.status(NOW).wanted
    tend(made)
    assert made.status(NOW).wanted  # on its way
    made.issued(LeaseIssued(lease(1, at=NOW)), NOW, Turn())
    tend(made)
    assert not made.status(NOW).wanted
    due = NOW + 3_000 * SECOND  # ten minutes before its end
    tend(made, due)
    made.refused(LeaseRefused("writer", "AccessDenied", "no"), due, Turn())
    assert made.status(due).wanted


def test_on_demand_a_lease_is_wanted_while_something_waits_to_be_signed() -> None:
    """The first one is; after its end nobody misses it, until a record does."""
    made, (route,) = role("orders", policy=RotationPolicy.ON_DEMAND)
    assert made.status(NOW).wanted
    tend(made)
    made.issued(LeaseIssued(lease(1, at=NOW)), NOW, Turn())
    ended = NOW + 3_600 * SECOND
    tend(made, ended)
    assert not made.status(ended).wanted
    route.admit(leg_of(Partition(ORDERS, 0, [route])).ledger, chunk("a"), ended, Turn())
    assert made.status(ended).wanted
