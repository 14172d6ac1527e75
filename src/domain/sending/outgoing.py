"""What a route sees of what it has let go, whatever a request of it is made of.

`Outbox` sends each record by itself, `AggregatedOutbox` all waiting records of a slice of the hash space as one; a route
chooses once, when it is made. `Search` (search.py) is a sender in front of either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from doka.domain.events import StreamDescribed
from doka.domain.held.ledger import HeldChunk, OffsetLedger, Part
from doka.domain.poison.quarantine import Poison
from doka.domain.sending.pacing import Pacer
from doka.domain.sending.put import Put


class Sender(Protocol):
    """Says when a request may leave, packs it, and takes back what did not settle of it."""

    def leaves_at(self, now: int, *, idle: bool, probe: bool = False) -> int | None:
        """Give the moment from which a request may leave, 0 for at once; None while there is nothing to send.

        `idle`: no request of the route is in flight, so none waits to be filled. `probe`: what waits for its backoff need not.
        """
        ...

    def pack(self, number: int, lease: int, now: int) -> Put | None:
        """Fill one request from what may leave now; None when nothing may."""
        ...

    def delay(self, parts: Iterable[Part], until: int) -> None:
        """Keep records for another try at `until`; what is behind them waits."""
        ...

    def put_back(self, parts: Iterable[Part], now: int) -> None:
        """Make records ready again, before everything else."""
        ...

    def parts(self) -> Iterable[Part]:
        """Walk over all records that wait here for their turn or their time."""
        ...

    def forget_unsent(self, ledger: OffsetLedger) -> None:
        """Forget the records of a partition that nobody sent, wherever they wait; all of them when it is gone."""
        ...


class Outgoing(Sender, Protocol):
    """Every record in here is in exactly one place, and leaves it only by settling or with its partition."""

    pacer: Pacer
    """The paces of the stream's shards."""

    @property
    def waiting(self) -> int:
        """How many records could leave."""
        ...

    @property
    def lingers_until(self) -> int:
        """Before when nothing that comes now would leave, as long as it is few."""
        ...

    def learn(self, event: StreamDescribed) -> None:
        """Take the stream's facts."""
        ...

    def admit(self, chunk: HeldChunk, now: int) -> None:
        """Take a chunk that its partition's ledger holds."""
        ...

    def settle(
        self, put: Put, failed: Mapping[int, str], moved: dict[OffsetLedger, None], now: int
    ) -> Mapping[int, int]:
        """Settle what an answer accepted, and add to `moved` whose it was; what `failed` is left to the caller.

        Gives how many settled of each Kafka timestamp (ms), which is that of their chunk.
        """
        ...

    def unsettled(self, put: Put, now: int) -> Sequence[Part]:
        """Give all records of a request that failed as a whole, with one more attempt, as far as they are owned."""
        ...

    def poisoned(self, parts: Iterable[Part], code: str) -> None:
        """Hand records that the service calls poison to the quarantine; the later records of their keys wait."""
        ...

    def settle_poison(self, poison: Poison, now: int) -> None:
        """Settle a record that will not land: its letter was acknowledged, or it was dropped."""
        ...

    def free(self, poison: Poison, now: int) -> None:
        """Let a record go after all that was taken for poison and has kept its lane: its stream takes it by now."""
        ...

    # For a search.

    def pack_parts(self, parts: Sequence[Part], number: int, lease: int, now: int) -> tuple[Put, Sequence[Part]]:
        """Make one request of just these records; gives also what does not fit."""
        ...

    def take_for_control(self, room: int) -> Sequence[Part]:
        """Take at most `room` records that may leave, and never more than a request may hold."""
        ...
