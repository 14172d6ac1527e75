"""A route for tests, its requests answered by hand."""

from __future__ import annotations

from collections.abc import Mapping

from doka.domain.commands import Command
from doka.domain.events import LeaseIssued, PutAmbiguous, PutAnswered, PutRefused, PutUnsent
from doka.domain.held.budget import Budget
from doka.domain.partitions.partition import Partition
from doka.domain.routes.route import Route
from doka.domain.rules import LimitRules
from doka.domain.sending.put import Put
from doka.domain.turn import Turn
from tests.unit.domain.builders import (
    ORDERS,
    SECOND,
    chunk,
    described,
    keeper,
    lease,
    leg_of,
    no_jitter,
    route_rules,
    told,
)

DENIED = "AccessDeniedException"
EXPIRED = "ExpiredTokenException"
SLOW = "ProvisionedThroughputExceededException"


class Scene:
    """One route with one partition, its requests answered by hand."""

    def __init__(self, *, opened: bool = True, limits: LimitRules | None = None, **rules: object) -> None:
        of_limits = limits or LimitRules(request_records=4, linger=0)  # time stands still between puts
        self.budget = Budget(of_limits.held_bytes)
        self.keeper = keeper()
        self.route = Route(route_rules(**rules), of_limits, self.budget, self.keeper, no_jitter)
        self.leg = leg_of(Partition(ORDERS, 0, [self.route]))
        self.now = 100 * SECOND
        self.put = 0
        self.lease = 1
        self.next = 0
        if opened:
            self.route.described(described(), self.now, Turn())

    @property
    def open(self) -> int:
        """Records that are not settled."""
        return self.leg.ledger.open

    def lend(self, serial: int) -> None:
        """Let the role have a lease, which signs from now on."""
        self.keeper.issued(LeaseIssued(lease(serial, at=self.now)), self.now, Turn())
        self.lease = serial

    def admit(self, keys: str | list[str]) -> None:
        """Let a chunk come in."""
        self.route.admit(self.leg.ledger, chunk(keys, start=self.next), self.now, Turn())
        self.next += len(keys)

    def send(self) -> Put | None:
        """Send a request, if one wants to leave."""
        if not self.route.wants_to_send(self.now):
            return None
        self.put += 1
        return self.route.next_put(self.put, self.lease, self.now, Turn())

    def sent(self, keys: str = "a") -> Put:
        """Let a chunk come in and leave at once."""
        self.admit(keys)
        put = self.send()
        assert put is not None
        return put

    def answered(self, put: Put, failed: Mapping[int, str] | None = None) -> list[Command]:
        """Answer a request."""
        return told(self.route.answered, PutAnswered(put.number, failed or {}), self.now)

    def refused(self, put: Put, code: str) -> list[Command]:
        """Refuse a request as a whole."""
        return told(self.route.refused, PutRefused(put.number, code, "because"), self.now)

    def unknown(self, event: PutAmbiguous | PutUnsent) -> list[Command]:
        """Let nobody know what became of a request, or say that it never left."""
        return told(self.route.unknown, event, self.now)

    def block(self, code: str = "ResourceNotFoundException") -> None:
        """Block the route by a refused request, which stays to be sent again."""
        self.refused(self.sent("z"), code)
        assert self.route.blocked == code

    def lose(self) -> None:
        """Let the partition belong to somebody else, as the intake does."""
        self.leg.ledger.gone = True
        self.route.forget_unsent(self.leg.ledger)

    def tend_poison(self) -> list[Command]:
        """Let the policy have its way with what was met; give letters and facts."""
        turn = Turn()
        self.route.tend_poison(self.now, turn, lambda: 1)
        return turn.commands

    def probe_in(self) -> int:
        """Give the time in ns until the route probes."""
        wake = self.route.next_wake(self.now)
        assert wake is not None
        return wake - self.now
