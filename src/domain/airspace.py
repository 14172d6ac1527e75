"""The requests in flight of all routes together: how many there may be, and how much memory their bodies take.

Theory of operation. A route without a request in flight may always send one, so none waits for another for ever.
What is left of the limits is for whoever has work. The last request may reach beyond the limit of bytes, since it is
packed after it was allowed; one request is never larger than what the service takes.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from doka.domain.errors import InvariantError
from doka.domain.rules import LimitRules

if TYPE_CHECKING:
    from doka.domain.routes.route import Route
    from doka.domain.sending.outbox import Flight

ENTRY_BYTES = 100
"""Of a body, around each record's payload: the names of the members, and a partition key of common length."""


class Airspace:
    """Each request is in here from the decision to send it until its one answer."""

    def __init__(self, limits: LimitRules) -> None:
        self.in_flight = 0
        self.body_bytes = 0
        self._limits = limits
        self._route_of: dict[int, Route] = {}
        self._bytes_of: dict[int, int] = {}

    def may_fly(self, route: Route, routes: Collection[Route]) -> bool:
        """Say whether `route`, one of `routes`, may send another request."""
        if not route.outbox.flights:
            return True
        if self.body_bytes >= self._limits.body_bytes:
            return False
        idle = sum(not other.outbox.flights for other in routes)
        return self.in_flight + idle < self._limits.requests_in_flight

    def took_off(self, flight: Flight, route: Route) -> None:
        """Count a request that is about to be sent."""
        size = body_size(flight)
        self._route_of[flight.put] = route
        self._bytes_of[flight.put] = size
        self.in_flight += 1
        self.body_bytes += size

    def landed(self, put: int) -> Route:
        """Give the route of a request that was answered. Raises InvariantError for a second answer."""
        route = self._route_of.pop(put, None)
        if route is None:
            raise InvariantError(f"put {put} was answered twice, or never sent")
        self.in_flight -= 1
        self.body_bytes -= self._bytes_of.pop(put)
        return route


def body_size(flight: Flight) -> int:
    """Give about how many bytes the body of a request has: its payload in base64, and what stands around it."""
    return flight.entry_bytes * 4 // 3 + len(flight.values) * ENTRY_BYTES
