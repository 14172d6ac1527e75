"""The order of a partition's records: which may leave now, which must wait for an earlier one.

Theory of operation. PutRecords answers 200 with some entries refused, while later entries of the same key landed:
that is how order is lost. So a lane (one partition key of one Kafka partition) has at most one record on its way.
It is busy from the moment its record is let go until that record is settled; meanwhile its later records queue up.

    lane not there  ->  free: the next record goes at once
    lane -> None    ->  busy, nobody waits
    lane -> queue   ->  busy, the queue holds the later records in offset order

The common case (no record waits) is nothing but dict operations in C loops.
Two partitions never share a lane: Kafka has no order between them, and a revoked partition then takes its lanes with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from domain.offset_ledger import HeldChunk

Waiter = tuple[HeldChunk, int]
"""A record by its place: a chunk and the index in its columns."""

_TRIM = 64


class Lanes(Protocol):
    """What decides the order of one partition."""

    def admit(self, chunk: HeldChunk) -> Sequence[int]:
        """Take a chunk; give the indices of the records that may leave now, ascending."""
        ...

    def release(self, keys: Sequence[str]) -> list[Waiter]:
        """Note that the records on their way in these lanes are settled; give those that may leave now."""
        ...

    def forget_from(self, offset: int) -> None:
        """Forget the waiting records at or above `offset`."""
        ...


class _Queue:
    """The records that wait in one lane; taken from the front without moving the rest."""

    __slots__ = ("items", "next")

    def __init__(self, first: Waiter) -> None:
        self.items = [first]
        self.next = 0

    def take(self) -> Waiter | None:
        items, at = self.items, self.next
        if at == len(items):
            return None
        if at >= _TRIM and at * 2 > len(items):
            del items[:at]
            at = 0
        self.next = at + 1
        return items[at]

    def forget_from(self, offset: int) -> None:
        self.items = [(chunk, i) for chunk, i in self.items[self.next :] if chunk.offsets[i] < offset]
        self.next = 0


class KeyLanes:
    """Strict order per key: at most one record of a key is on its way."""

    __slots__ = ("_busy",)

    def __init__(self) -> None:
        self._busy: dict[str, _Queue | None] = {}

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
        for i, key in enumerate(keys):
            if key not in busy:
                busy[key] = None
                free.append(i)
            elif (queue := busy[key]) is None:
                busy[key] = _Queue((chunk, i))
            else:
                queue.items.append((chunk, i))
        return free

    def release(self, keys: Sequence[str]) -> list[Waiter]:
        """Free these lanes, or hand each to the record that waited longest in it; give those records."""
        busy = self._busy
        queues = list(map(busy.pop, keys))
        if not any(queues):
            return []
        freed: list[Waiter] = []
        for key, queue in zip(keys, queues, strict=True):
            if queue is not None and (waiter := queue.take()) is not None:
                busy[key] = queue
                freed.append(waiter)
        return freed

    def forget_from(self, offset: int) -> None:
        """Forget the waiting records at or above `offset`; what is on its way keeps its lane."""
        for queue in self._busy.values():
            if queue is not None:
                queue.forget_from(offset)

    def waiting(self) -> Iterator[Waiter]:
        """Walk over all records that wait, for checks."""
        for queue in self._busy.values():
            if queue is not None:
                yield from queue.items[queue.next :]


class NoLanes:
    """`ordering: none`: every record may leave at once."""

    __slots__ = ()

    def admit(self, chunk: HeldChunk) -> Sequence[int]:
        """Let the whole chunk go."""
        return range(chunk.count)

    def release(self, keys: Sequence[str]) -> list[Waiter]:  # noqa: ARG002 - the port's signature
        """Nobody ever waits."""
        return []

    def forget_from(self, offset: int) -> None:  # the port's signature
        """Nobody ever waits."""
