"""How many requests may be in flight, and how large together."""

from __future__ import annotations

import pytest
from doka.domain.airspace import ENTRY_BYTES, Airspace, body_size

from doka.domain.errors import InvariantError
from doka.domain.held.budget import Budget
from doka.domain.routes.route import Route
from doka.domain.rules import LimitRules
from doka.domain.sending.outbox import Flight
from tests.unit.domain.builders import no_jitter, route_rules

LIMITS = LimitRules(requests_in_flight=3, body_bytes=10_000)


def route() -> Route:
    """Make a route with nothing in flight."""
    return Route(route_rules(), LIMITS, Budget(LIMITS.held_bytes), no_jitter)


def send(airspace: Airspace, of: Route, put: int, payload: int = 3) -> Flight:
    """Let a request of one record take off."""
    flight = Flight(put, (), ["k"], [b"x" * payload], 1, 0, 1, payload)
    of.outbox.flights[put] = flight  # type: ignore[index]  # in place of packing one
    airspace.took_off(flight, of)
    return flight


def land(airspace: Airspace, of: Route, put: int) -> None:
    """Let its answer come."""
    del of.outbox.flights[put]  # type: ignore[attr-defined]  # in place of an answer
    assert of is airspace.landed(put)


def test_one_request_is_kept_in_reserve_for_each_route() -> None:
    """A busy route stops short of the limit by one for each idle one; an idle one may always send."""
    airspace, busy, idle = Airspace(LIMITS), route(), route()
    send(airspace, busy, 1)
    assert airspace.may_fly(busy, [busy, idle])
    send(airspace, busy, 2)
    assert (False, True) == (airspace.may_fly(busy, [busy, idle]), airspace.may_fly(idle, [busy, idle]))
    send(airspace, idle, 3)
    assert 3 == airspace.in_flight
    assert not airspace.may_fly(idle, [busy, idle])
    land(airspace, busy, 1)
    assert airspace.may_fly(busy, [busy, idle])


def test_large_bodies_are_fewer() -> None:
    """At the limit of bytes only a route without any request in flight may send one."""
    airspace, busy, idle = Airspace(LIMITS), route(), route()
    send(airspace, busy, 1, payload=7_500)
    assert (False, True) == (airspace.may_fly(busy, [busy]), airspace.may_fly(idle, [busy, idle]))
    land(airspace, busy, 1)
    assert (True, 0) == (airspace.may_fly(busy, [busy]), airspace.body_bytes)


def test_a_body_is_base64_with_names_around_it() -> None:
    """Payload counts four thirds, and each record what its entry adds."""
    assert 4_000 + 2 * ENTRY_BYTES == body_size(Flight(1, (), ["a", "b"], [b"x" * 1_000, b"y" * 2_000], 1, 0, 1, 3_000))


def test_a_second_answer_halts() -> None:
    """Whoever answers twice may have answered for another request."""
    airspace, one = Airspace(LIMITS), route()
    send(airspace, one, 1)
    land(airspace, one, 1)
    with pytest.raises(InvariantError, match="put 1 was answered twice"):
        airspace.landed(1)
