"""A route for tests, its requests answered by hand."""

from __future__ import annotations

from collections.abc import Mapping

from doka.domain.events import PutAnswered, PutRefused
from doka.domain.facts import Fact
from doka.domain.held.budget import Budget
from doka.domain.partitions.partition import Partition
from doka.domain.routes.route import Route
from doka.domain.rules import LimitRules
from doka.domain.sending.outbox import Flight
from tests.unit.domain.builders import ORDERS, SECOND, chunk, described, no_jitter, route_rules

DENIED = "AccessDeniedException"
EXPIRED = "ExpiredTokenException"
SLOW = "ProvisionedThroughputExceededException"


class Scene:
    """One route with one partition, its requests answered by hand."""

    def __init__(self, *, opened: bool = True, limits: LimitRules | None = None, **rules: object) -> None:
        of_limits = limits or LimitRules(request_records=4)
        self.budget = Budget(of_limits.held_bytes)
        self.route = Route(route_rules(**rules), of_limits, self.budget, no_jitter)
        self.partition = Partition(ORDERS, 0, self.route)
        self.now = 100 * SECOND
        self.put = 0
        self.lease = 1
        self.next = 0
        if opened:
            self.route.described(described(), self.now)

    @property
    def open(self) -> int:
        """Records that are not settled."""
        return self.partition.ledger.open

    def admit(self, keys: str | list[str]) -> None:
        """Let a chunk come in."""
        self.route.admit(self.partition, chunk(keys, start=self.next), self.now)
        self.next += len(keys)

    def send(self) -> Flight | None:
        """Send a request, if one wants to leave."""
        if not self.route.wants_to_send(self.now):
            return None
        self.put += 1
        return self.route.next_flight(self.put, self.lease, self.now)

    def sent(self, keys: str = "a") -> Flight:
        """Let a chunk come in and leave at once."""
        self.admit(keys)
        flight = self.send()
        assert flight is not None
        return flight

    def answered(self, flight: Flight, failed: Mapping[int, str] | None = None) -> list[Fact]:
        """Answer a request."""
        return self.route.answered(PutAnswered(flight.put, failed or {}), self.now)[0]

    def refused(self, flight: Flight, code: str) -> list[Fact]:
        """Refuse a request as a whole."""
        return self.route.refused(PutRefused(flight.put, code, "because"), self.now)

    def block(self, code: str = "ResourceNotFoundException") -> None:
        """Block the route by a refused request, which stays to be sent again."""
        self.refused(self.sent("z"), code)
        assert self.route.blocked == code

    def tend_poison(self) -> list[Fact]:
        """Let the policy have its way with what was met; give the facts."""
        return self.route.tend_poison(self.now, lambda: 1)[1]

    def probe_in(self) -> int:
        """Give the time in ns until the route probes."""
        wake = self.route.next_wake(self.now)
        assert wake is not None
        return wake - self.now
