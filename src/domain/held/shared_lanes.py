"""The order of a partition where records of one key may share a request: a lane lets go all that waits in it.

Theory of operation. A key has at most one request on its way. What comes meanwhile waits, and leaves together:

    lane not there      ->  free: what comes of it goes at once
    lane -> None        ->  busy with one record, nobody waits
    lane -> SharedLane  ->  busy with `out` records; `waiting` holds the later ones in offset order

A lane is free when all that it let go is settled. What was let go and finds no room in the request of the others of
its lane is taken back: it waits until they are settled.
The common case (one record of a key) is that of `KeyLanes`, in C loops.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence

from doka.domain.held.lanes import Columns, Lanes, Run
from doka.domain.limits import PUT_RECORDS_MAX


class SharedLane:
    """One key of one partition of which more than one record is here."""

    __slots__ = ("doubts", "out", "waiting")

    def __init__(self, out: int, waiting: list[int]) -> None:
        self.out = out
        self.waiting = waiting
        self.doubts: dict[int, bool] | None = None
        """Records that may be in the stream already, by offset; True: an order that they broke, or may have, is told."""

    def __repr__(self) -> str:
        return f"SharedLane({self.out} out, {len(self.waiting)} wait)"


_FREE = SharedLane(0, [])  # stands for a lane that is not there


class SharedLanes(Lanes):
    """Order per key: the records of a key that are on their way are all there is of it in any request."""

    __slots__ = ("_busy",)

    def __init__(self) -> None:
        self._busy: dict[str, SharedLane | None] = {}

    def __len__(self) -> int:
        return len(self._busy)

    def admit(self, chunk: Columns, runs: list[Run]) -> Sequence[int]:
        """Take a chunk; give the places of records that leave by themselves, and add to `runs` those that leave together."""
        busy = self._busy
        keys = chunk.keys
        fresh = dict.fromkeys(keys)
        if len(fresh) == chunk.count and busy.keys().isdisjoint(fresh):
            busy.update(fresh)
            return range(chunk.count)
        alone: dict[str, int] = {}  # key -> offset of the first of a lane that was free
        new: list[tuple[str, SharedLane]] = []
        lane_of = busy.get
        for key, offset in zip(keys, chunk.offsets, strict=True):
            lane = lane_of(key, _FREE)
            if lane is None:
                lane = busy[key] = SharedLane(1, [offset])
                new.append((key, lane))
            elif lane is not _FREE:
                lane.waiting.append(offset)
            else:
                busy[key] = None
                alone[key] = offset
        for key, lane in new:
            first = alone.pop(key, None)
            if first is not None:  # it was free, so all of it leaves
                lane.waiting.insert(0, first)
                self._let_go(key, lane, runs)
        return chunk.places_of(alone.values())

    def release(self, keys: Sequence[str], runs: list[Run]) -> list[int]:
        """Note that records in these lanes are settled; give the offsets of those that may leave now by themselves.

        Those that leave together are added to `runs`.
        """
        busy = self._busy
        if not any(map(busy.__getitem__, keys)):
            deque(map(busy.__delitem__, keys), 0)
            return []
        freed: list[int] = []
        for key, settled in Counter(keys).items():
            lane = busy[key]
            if lane is None:
                del busy[key]
                continue
            lane.out -= settled
            if lane.out:
                continue
            waiting = lane.waiting
            if len(waiting) > 1:
                self._let_go(key, lane, runs)
            elif waiting:
                busy[key] = None
                freed += waiting
            else:
                del busy[key]
        return freed

    def _let_go(self, key: str, lane: SharedLane, runs: list[Run]) -> None:
        """Let what waits leave, as far as one request could hold it."""
        run = lane.waiting[:PUT_RECORDS_MAX]
        del lane.waiting[:PUT_RECORDS_MAX]
        lane.out = len(run)
        if lane.doubts:
            lane.doubts = {offset: told for offset, told in lane.doubts.items() if offset >= run[0]}
        runs.append((key, run))

    def let_fall(self, keys: Iterable[str]) -> None:
        """Count records that are forgotten as on their way no more: those of their run that stay may yet be taken back."""
        for key in keys:
            lane = self._busy[key]
            if lane is not None:
                lane.out -= 1

    def take_back(self, key: str, offsets: list[int]) -> None:
        """Let records that were let go, and did not leave, wait again, before all others of their lane."""
        lane = self._busy[key]
        assert lane is not None
        lane.out -= len(offsets)
        lane.waiting[:0] = offsets

    def doubts(self, key: str) -> dict[int, bool] | None:
        """Give what is told of the order of a lane, to be added to; None where just one record of it is here."""
        lane = self._busy[key]
        if lane is None:
            return None
        if lane.doubts is None:
            lane.doubts = {}
        return lane.doubts

    def forget_from(self, offset: int) -> None:
        """Forget the waiting records at or above `offset`; what is on its way keeps its lane."""
        for lane in self._busy.values():
            if lane is not None:
                lane.waiting = [waiting for waiting in lane.waiting if waiting < offset]

    def waiting(self) -> Iterator[int]:
        """Walk over the offsets of all records that wait, for checks."""
        for lane in self._busy.values():
            if lane is not None:
                yield from lane.waiting
