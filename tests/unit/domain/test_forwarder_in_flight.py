"""How many requests may be in flight, and how large together."""

from __future__ import annotations

import pytest

from doka.domain.errors import InvariantError
from doka.domain.forwarder import ENTRY_BYTES, InFlight
from doka.domain.held.budget import Budget
from doka.domain.routes.route import Route
from doka.domain.rules import LimitRules
from doka.domain.sending.put import Put
from tests.unit.domain.builders import keeper, no_jitter, route_rules

LIMITS = LimitRules(requests_in_flight=3, body_bytes=10_000)


def routes(*names: str) -> list[Route]:
    """Make routes with nothing in flight."""
    return [Route(route_rules(name), LIMITS, Budget(LIMITS.held_bytes), keeper(), no_jitter) for name in names]


def among(of: list[Route]) -> InFlight:
    """Count the requests of these routes."""
    return InFlight(LIMITS, {route.rules.name: route for route in of})


def request(number: int, *payloads: int) -> Put:
    """Make a request of records of so many bytes each."""
    size = sum(payloads)
    values = [b"x" * payload for payload in payloads]
    return Put(number, (), ["k"] * len(payloads), values, 1, 0, 1, size, len(payloads), size)


def send(in_flight: InFlight, of: Route, payload: int = 3) -> int:
    """Let a request of one record leave; give its number."""
    put = request(in_flight.next_number(), payload)
    of.puts[put.number] = put
    in_flight.add(put, of)
    return put.number


def answer(in_flight: InFlight, number: int) -> Route:
    """Let its answer come; give whose it is."""
    of = in_flight.answered(number)
    del of.puts[number]
    return of


def test_one_request_is_kept_in_reserve_for_each_route() -> None:
    """A busy route stops short of the limit by one for each idle one; an idle one may always send."""
    busy, idle = of = routes("busy", "idle")
    in_flight = among(of)
    first = send(in_flight, busy)
    assert in_flight.allow(busy)
    send(in_flight, busy)
    assert (False, True) == (in_flight.allow(busy), in_flight.allow(idle))
    send(in_flight, idle)
    assert 3 == in_flight.puts
    assert not in_flight.allow(idle)
    assert busy is answer(in_flight, first)
    assert in_flight.allow(busy)


def test_large_bodies_are_fewer() -> None:
    """At the limit of bytes only a route without any request in flight may send one."""
    busy, idle = of = routes("busy", "idle")
    in_flight = among(of)
    large = send(in_flight, busy, payload=7_500)
    assert (False, True) == (in_flight.allow(busy), in_flight.allow(idle))
    answer(in_flight, large)
    assert 0 == in_flight.body_bytes
    send(in_flight, busy)
    assert in_flight.allow(busy)  # it is the bytes that stopped it


def test_a_body_is_base64_with_names_around_it() -> None:
    """Payload counts four thirds, and each record what its entry adds."""
    (one,) = of = routes("one")
    in_flight = among(of)
    in_flight.add(request(1, 1_000, 2_000), one)
    assert 4_000 + 2 * ENTRY_BYTES == in_flight.body_bytes


def test_each_request_has_a_number_of_its_own() -> None:
    """They count up, and none comes again when its request was answered."""
    (one,) = of = routes("one")
    in_flight = among(of)
    numbers = [send(in_flight, one) for _ in range(2)]
    for number in numbers:
        answer(in_flight, number)
    assert [1, 2, 3] == [*numbers, in_flight.next_number()]


def test_a_second_answer_halts() -> None:
    """Whoever answers twice may have answered for another request."""
    (one,) = of = routes("one")
    in_flight = among(of)
    send(in_flight, one)
    answer(in_flight, 1)
    with pytest.raises(InvariantError, match="put 1 was answered twice"):
        in_flight.answered(1)
