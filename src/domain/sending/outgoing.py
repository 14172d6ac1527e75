"""What a route has let go, as the route sees it: one interface, whatever a request is made of.

`Outbox` sends each record by itself, `SharedOutbox` the waiting records of a key in one request, `AggregatedOutbox`
all waiting records of a slice of the hash space as one.
A route chooses once, when it is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from doka.domain.events import PutAnswered, StreamDescribed
from doka.domain.held.budget import Budget
from doka.domain.held.ledger import HeldChunk
from doka.domain.held.parts import Part, Refused
from doka.domain.partitions.partition import Partition
from doka.domain.poison.quarantine import Poison
from doka.domain.rules import LimitRules, RouteRules
from doka.domain.sending.aggregated_outbox import AggregatedOutbox
from doka.domain.sending.outbox import Flight, Outbox
from doka.domain.sending.pacing import Pacer
from doka.domain.sending.shared_outbox import SharedOutbox


class Outgoing(Protocol):
    """Every record in here is in exactly one place, and leaves it only by settling or with its partition."""

    @property
    def tells_records_apart(self) -> bool:
        """Whether a refused entry is a single record."""
        ...

    @property
    def several_of_a_key(self) -> bool:
        """Whether a request may hold several records of one key, in order."""
        ...

    @property
    def flights(self) -> Mapping[int, Flight]:
        """The requests in flight, by their numbers."""
        ...

    @property
    def waiting(self) -> int:
        """How many records could leave."""
        ...

    @property
    def ready(self) -> bool:
        """Whether something is to leave."""
        ...

    @property
    def ready_since(self) -> int | None:
        """When the first of what is ready became so; None when nothing is."""
        ...

    @property
    def full(self) -> bool:
        """Whether what is ready fills a request."""
        ...

    @property
    def empty(self) -> bool:
        """Whether nothing waits for its time to leave."""
        ...

    @property
    def next_wake(self) -> int | None:
        """When time alone makes something ready."""
        ...

    @property
    def pacer(self) -> Pacer:
        """The paces of the stream's shards."""
        ...

    def learn(self, event: StreamDescribed) -> None:
        """Take the stream's facts."""
        ...

    def admit(self, chunk: HeldChunk, now: int) -> None:
        """Take a chunk that its partition's ledger holds."""
        ...

    def wake(self, now: int, *, all_of_them: bool = False) -> None:
        """Make ready what waited for its time."""
        ...

    def pack(self, put: int, lease: int, now: int) -> Flight | None:
        """Fill one request from what is ready, and note it as in flight; None when nothing may leave."""
        ...

    def pack_parts(self, parts: Sequence[Part], put: int, lease: int, now: int) -> tuple[Flight, Sequence[Part]]:
        """Make one request of just these parts, and note it as in flight; gives also what does not fit."""
        ...

    def take_for_control(self, room: int) -> Sequence[Part]:
        """Take at most `room` records that may leave, and never more than a request may hold."""
        ...

    def answered(self, put: int, now: int) -> Flight:
        """Give the request that was answered; it is in flight no more."""
        ...

    def settle(self, flight: Flight, failed: Mapping[int, str], now: int) -> Iterable[Partition]:
        """Settle what an answer accepted; `failed` is left to the caller. Gives the partitions that moved on."""
        ...

    def failed_groups(self, flight: Flight, failed: Mapping[int, str]) -> list[Refused]:
        """Give the refused records of an answer: those that must be tried together, who is owned first, and why.

        Nothing is given of an entry of which nothing is owned; of another, also what went with its partition.
        """
        ...

    def order_breaks(self, flight: Flight, answer: PutAnswered | None) -> Mapping[str, int]:
        """Count the records that came behind a later one of their key, by cause; None: nobody knows what landed.

        To be asked before `settle`.
        """
        ...

    def unsettled_parts(self, flight: Flight) -> Sequence[Part]:
        """Give all records of a request that failed as a whole, with one more attempt, as far as they are owned."""
        ...

    def throttled(self, group: Sequence[Part], now: int) -> None:
        """Note that a group was throttled: its shards are slowed down."""
        ...

    def delay(self, parts: Iterable[Part], until: int) -> None:
        """Keep parts for another try at `until`; what is behind them waits."""
        ...

    def put_back(self, parts: Iterable[Part], now: int) -> None:
        """Make parts ready again, before everything else."""
        ...

    def keep_lane(self, poison: Poison) -> None:
        """Let the later records of its key wait for a record that the service calls poison."""
        ...

    def settle_poison(self, poison: Poison, now: int) -> None:
        """Settle a record that will not land: its letter was acknowledged, or it was dropped."""
        ...

    def take_poison(self) -> list[Poison]:
        """Give the poison that was met since the last call."""
        ...

    def holds(self, partition: Partition) -> bool:
        """Say whether anything of a partition is here (poison that is parked, and what waits behind it, is not)."""
        ...

    def forget_unsent(self, partition: Partition) -> None:
        """Forget the records of a partition that lie above everything that was sent of it, wherever they wait."""
        ...


def choose_outgoing(rules: RouteRules, limits: LimitRules, budget: Budget) -> Outgoing:
    """Make what fits a route's rules."""
    if rules.aggregation is not None:
        return AggregatedOutbox(rules.aggregation, limits, budget)
    return SharedOutbox(limits, budget) if rules.has_shared_lanes else Outbox(limits, budget)
