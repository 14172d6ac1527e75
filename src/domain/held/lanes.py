"""The order of a partition's records: which may leave now, which must wait for an earlier one.

Theory of operation. PutRecords answers 200 with some entries refused, while later entries of the same key landed:
that is how order is lost. So a lane (one partition key of one Kafka partition) has at most one record on its way.
It is busy from the moment its record is let go until that record is settled; meanwhile its later records queue up.

    lane not there  ->  free: the next record goes at once
    lane -> None    ->  busy, nobody waits
    lane -> queue   ->  busy, the queue holds the later records in offset order, one at least

The common case (no record waits) is nothing but dict operations in C loops. Queues are lists, which are small and, while
they are short, give their first as quickly as anything; a long one is a deque.
Two partitions never share a lane: Kafka has no order between them, and a revoked partition then takes its lanes with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from doka.domain.errors import InvariantError

Queue = list[int] | deque[int]  # of offsets: they are there anyway, and the garbage collector does not look at them
_LONG = 256  # records of one key that wait: from here on a list would move too many to give its first
_FREE: Queue = []  # stands for a lane that is not there


class Columns(Protocol):
    """As much of a held chunk as decides its order."""

    @property
    def count(self) -> int:
        """How many records there are."""
        ...

    @property
    def offsets(self) -> Sequence[int]:
        """Their offsets."""
        ...

    @property
    def keys(self) -> Sequence[str]:
        """Their partition keys."""
        ...

    def places_of(self, offsets: Iterable[int]) -> list[int]:
        """Give the places of records by their offsets."""
        ...


Run = tuple[str, list[int]]
"""A key and the offsets of its records that leave together, ascending; two at least."""


class Lanes:
    """What decides the order of one partition; as it stands here, none: every record may leave at once."""

    __slots__ = ()

    def admit(self, chunk: Columns, runs: list[Run]) -> Sequence[int]:  # noqa: ARG002 - nothing here leaves together
        """Take a chunk; give the places of the records that may leave now by themselves, ascending.

        Those of a key that leave together are added to `runs`.
        """
        return range(chunk.count)

    def release(self, keys: Sequence[str], runs: list[Run]) -> list[int]:  # noqa: ARG002 - nobody waits here
        """Note that the records on their way in these lanes are settled; give the offsets of those that may leave now.

        Those of a key that leave together are added to `runs`.
        """
        return []

    def forget_from(self, offset: int) -> None:
        """Forget the waiting records at or above `offset`; what is on its way keeps its lane."""

    def let_fall(self, keys: Iterable[str]) -> None:
        """Note, by their keys, that records that were let go are forgotten: nothing of their lanes waits that is not, too."""

    def take_back(self, key: str, offsets: list[int]) -> None:  # noqa: ARG002 - nothing here leaves together
        """Let records that were let go together, and did not leave, wait again, before all others of their lane."""
        raise InvariantError(f"{offsets} were let go one by one, and come back together")

    def doubts(self, key: str) -> dict[int, bool] | None:  # noqa: ARG002 - nothing here leaves together
        """Give what is told of the order of a lane, to be added to; None where just one record of it is here."""
        return None

    def waiting(self) -> Iterator[int]:
        """Walk over the offsets of all records that wait, for checks."""
        return iter(())


class KeyLanes(Lanes):
    """Strict order per key: at most one record of a key is on its way."""

    __slots__ = ("_busy",)

    def __init__(self) -> None:
        self._busy: dict[str, Queue | None] = {}

    def __len__(self) -> int:
        return len(self._busy)

    def admit(self, chunk: Columns, runs: list[Run]) -> Sequence[int]:  # noqa: ARG002 - each leaves by itself
        """Take a chunk; give the places of the records whose lane was free, and is now theirs."""
        busy = self._busy
        keys = chunk.keys
        fresh = dict.fromkeys(keys)
        if len(fresh) == chunk.count and busy.keys().isdisjoint(fresh):
            busy.update(fresh)
            return range(chunk.count)
        free: list[int] = []
        lane = busy.get
        for place, offset, key in zip(range(chunk.count), chunk.offsets, keys, strict=True):
            queue = lane(key, _FREE)
            if queue is None:
                busy[key] = [offset]
            elif queue is _FREE:
                busy[key] = None
                free.append(place)
            else:
                queue.append(offset)
                if len(queue) == _LONG:
                    busy[key] = deque(queue)
        return free

    def release(self, keys: Sequence[str], runs: list[Run]) -> list[int]:  # noqa: ARG002 - each leaves by itself
        """Free these lanes, or hand each to the record that waited longest in it; give the offsets of those."""
        busy = self._busy
        queues = list(map(busy.__getitem__, keys))
        if not any(queues):
            deque(map(busy.__delitem__, keys), 0)
            return []
        freed: list[int] = []
        for key, queue in zip(keys, queues, strict=True):
            if queue is None:
                del busy[key]
                continue
            freed.append(queue.pop(0) if isinstance(queue, list) else queue.popleft())
            if not queue:
                busy[key] = None
        return freed

    def forget_from(self, offset: int) -> None:
        """Forget the waiting records at or above `offset`; what is on its way keeps its lane."""
        for key, queue in self._busy.items():
            if queue is not None:
                self._busy[key] = [waiting for waiting in queue if waiting < offset] or None

    def waiting(self) -> Iterator[int]:
        """Walk over the offsets of all records that wait, for checks."""
        for queue in self._busy.values():
            if queue is not None:
                yield from queue
