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
from collections.abc import Iterator, Sequence
from typing import Protocol

from doka.domain.held.ledger import HeldChunk

Queue = list[int] | deque[int]  # of offsets: they are there anyway, and the garbage collector does not look at them
_LONG = 256  # records of one key that wait: from here on a list would move too many to give its first
_FREE: Queue = []  # stands for a lane that is not there


class Lanes(Protocol):
    """What decides the order of one partition."""

    def admit(self, chunk: HeldChunk) -> Sequence[int]:
        """Take a chunk; give the indices of the records that may leave now, ascending."""
        ...

    def release(self, keys: Sequence[str]) -> list[int]:
        """Note that the records on their way in these lanes are settled; give the offsets of those that may leave now."""
        ...

    def forget_from(self, offset: int) -> None:
        """Forget the waiting records at or above `offset`."""
        ...


class KeyLanes:
    """Strict order per key: at most one record of a key is on its way."""

    __slots__ = ("_busy",)

    def __init__(self) -> None:
        self._busy: dict[str, Queue | None] = {}

    def __len__(self) -> int:
        return len(self._busy)

    def admit(self, chunk: HeldChunk) -> Sequence[int]:
        """Take a chunk; give the indices of the records whose lane was free, and is now theirs."""
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

    def release(self, keys: Sequence[str]) -> list[int]:
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


class NoLanes:
    """`ordering: none`: every record may leave at once."""

    __slots__ = ()

    def admit(self, chunk: HeldChunk) -> Sequence[int]:
        """Let the whole chunk go."""
        return range(chunk.count)

    def release(self, keys: Sequence[str]) -> list[int]:  # noqa: ARG002 - the port's signature
        """Nobody ever waits."""
        return []

    def forget_from(self, offset: int) -> None:  # the port's signature
        """Nobody ever waits."""
