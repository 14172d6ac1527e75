"""The lanes of aggregates: slices of the hash space, what waits in each, and when it may leave.

Theory of operation. A lane has at most one aggregate on its way; all that comes meanwhile waits, and leaves together.

    empty    nothing waits
    lingers  something waits for more, until it is `linger` old, fills an aggregate, or has to be gone
    ready    its turn comes with the next request
    out      an aggregate is in flight; the lane looks again when it is answered

What was refused goes again before everything else, as the same records (`again`), when its backoff is over.
Lanes belong to the route: records of one key of one partition are in order, and partitions share an aggregate.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from doka.domain.held.ledger import HeldChunk, OffsetLedger, Part, count, without_unsent
from doka.domain.limits import KEY_CACHE_BYTES
from doka.domain.rules import AggregationRules
from doka.domain.sending.aggregate import FRAME_BYTES_MAX
from doka.domain.sending.slices import Slices

_part = partial(tuple.__new__, Part)
_STRIDE = 256  # records of one part that are looked at together: a hot key's part may hold thousands


def _size(chunk: HeldChunk, places: Sequence[int]) -> int:
    """Give the bytes that records take in an aggregate, about."""
    return sum(map(len, map(chunk.values.__getitem__, places))) + len(places) * FRAME_BYTES_MAX


class WideLane:
    """One slice; `queue` holds what was never sent since it came, `again` what was and did not settle."""

    __slots__ = (
        "again", "bytes", "due_at", "hash_key", "hash_text", "not_before", "number", "out", "queue", "ready", "urgent",
    )  # fmt: skip

    def __init__(self, number: int, place: int) -> None:
        self.number = number
        self.hash_key = place
        self.hash_text = str(place)
        self.queue: list[Part] = []
        self.again: list[Part] = []
        self.bytes = 0  # that `queue` takes in an aggregate, but for its keys
        self.out = False
        self.ready = False
        self.urgent = False  # a drain waits for it
        self.not_before = 0  # backoff or pace; 0 where there is none
        self.due_at: int | None = None  # when it asked to be looked at

    @property
    def next_bytes(self) -> int:
        """How much wants to leave next, about."""
        return sum(_size(part.chunk, part.places) for part in self.again) or self.bytes

    @property
    def may_be_asked(self) -> bool:
        """Whether it has something that may leave before its time: it waits for more, not for a backoff or a pace."""
        return not self.out and not self.not_before and bool(self.again or self.queue)

    def __repr__(self) -> str:
        return f"WideLane({self.number}, {count(self.queue)} wait, {count(self.again)} again)"


class WideLanes:
    """A lane is ready, or has a time at which it is looked at, whenever something waits in it and nothing is out."""

    def __init__(self, rules: AggregationRules, key_cache_bytes: int = KEY_CACHE_BYTES) -> None:
        self.slices = Slices(rules.lanes, key_cache_bytes)
        self.waiting = 0  # records
        self.ready_since: int | None = None
        self._rules = rules
        self._lanes: dict[int, WideLane] = {}
        self._ready: deque[WideLane] = deque()
        self._times: list[tuple[int, int, WideLane]] = []
        self._order = 0

    def __iter__(self) -> Iterator[WideLane]:
        return iter(self._lanes.values())

    # --- in ------------------------------------------------------------------------------------------------------

    def admit(self, chunk: HeldChunk, places: Sequence[int], now: int) -> None:
        """Let records of a chunk wait in their lanes."""
        of: dict[int, list[int]] = {}
        waiting_in = of.get
        whole = len(places) == len(chunk.keys)  # not its `count`: a drain may have cut the chunk, and not its columns
        keys = chunk.keys if whole else [chunk.keys[place] for place in places]
        for place, number in zip(places, self.slices.of_all(keys), strict=True):
            waiting = waiting_in(number)
            if waiting is None:
                of[number] = [place]
            else:
                waiting.append(place)
        urgent, enough = chunk.owner.draining, self._rules.target_bytes
        sizes = list(map(len, chunk.values))
        each = sum(sizes) // len(sizes) + FRAME_BYTES_MAX
        uneven = max(sizes) * 4 > each * 5
        for number, found in of.items():
            lane = self._lanes.get(number) or self._open(number)
            lane.queue.append(_part((chunk, found, 0)))
            lane.bytes += _size(chunk, found) if uneven else each * len(found)
            lane.urgent |= urgent
            if not (lane.ready or lane.out) and (urgent or lane.due_at is None or lane.bytes >= enough):
                self.look(lane, now)
        self.waiting += len(places)

    def send_again(self, parts: Iterable[Part], not_before: int, now: int) -> None:
        """Let parts go before everything else in their lanes, not before that time."""
        for lane, of_lane in self.by_lane(parts).items():
            lane.again[:0] = of_lane
            lane.not_before = not_before
            self.waiting += count(of_lane)
            self.look(lane, now)

    def by_lane(self, parts: Iterable[Part]) -> dict[WideLane, list[Part]]:
        """Sort parts, each of one lane, by their lanes."""
        of: dict[WideLane, list[Part]] = {}
        for part in parts:
            of.setdefault(self.lane_of(part), []).append(part)
        return of

    def lane_of(self, part: Part) -> WideLane:
        """Give the lane of a part."""
        number = self.slices.of(part.chunk.keys[part.places[0]])
        return self._lanes.get(number) or self._open(number)

    def _open(self, number: int) -> WideLane:
        lane = self._lanes[number] = WideLane(number, self.slices.middle(number))
        return lane

    # --- when ----------------------------------------------------------------------------------------------------

    def look(self, lane: WideLane, now: int) -> None:
        """Make a lane ready, or note when it will be."""
        at = None if lane.out else self.due(lane)
        if at is None:
            return
        if at <= now:
            lane.not_before = 0
            if lane.ready:
                return
            lane.ready = True
            self._ready.append(lane)
            if self.ready_since is None:
                self.ready_since = now
        elif lane.due_at is None or at < lane.due_at or lane.due_at <= now:
            lane.due_at = at
            self._order += 1
            heapq.heappush(self._times, (at, self._order, lane))

    def due(self, lane: WideLane) -> int | None:
        """Give the time from which a lane may send; None when nothing waits in it."""
        if lane.again:
            return lane.not_before
        if not lane.queue:
            return None
        if lane.urgent or lane.bytes >= self._rules.target_bytes:
            return lane.not_before
        return max(lane.queue[0].chunk.arrived + self._rules.linger, lane.not_before)

    def wake(self, now: int, *, all_of_them: bool) -> None:
        """Look at the lanes whose time has come; `all_of_them` may leave now."""
        while self._times and self._times[0][0] <= now:
            at, _, lane = heapq.heappop(self._times)
            if lane.due_at == at:
                lane.due_at = None
                self.look(lane, now)
        if all_of_them:
            for lane in self:
                if (lane.again or lane.queue) and not lane.out and not lane.ready:
                    lane.not_before = 0
                    lane.urgent = True
                    self.look(lane, now)

    @property
    def next_wake(self) -> int | None:
        """When the next lane has to be looked at."""
        while self._times and self._times[0][2].due_at != self._times[0][0]:
            heapq.heappop(self._times)
        return self._times[0][0] if self._times else None

    # --- out -----------------------------------------------------------------------------------------------------

    @property
    def ready(self) -> int:
        """How many lanes are ready."""
        return len(self._ready)

    def next_ready(self, now: int) -> WideLane | None:
        """Take the lane that was ready first out of those that are."""
        while self._ready:
            lane = self._ready.popleft()
            lane.ready = False
            at = None if lane.out else self.due(lane)
            if at is not None and at <= now:
                return lane
            self.look(lane, now)  # what had made it ready is gone
        return None

    def postpone(self, lane: WideLane, until: int, now: int) -> None:
        """Keep a lane back, for its shard's pace."""
        lane.not_before = until
        self.look(lane, now)

    def take(self, lane: WideLane, bytes_max: int, records_max: int) -> list[Part]:
        """Take what may leave next: records of `again`, else of the queue, about `bytes_max` of data at most."""
        source = lane.again or lane.queue
        taken: list[Part] = []
        size = records = used = 0
        rest: Part | None = None
        for part in source:
            chunk, places, attempts = part
            if size >= bytes_max or records >= records_max:
                break
            used += 1
            if chunk.owner.gone:
                self.waiting -= len(places)
                continue
            if len(places) <= _STRIDE and records + len(places) <= records_max:  # most parts
                size += _size(chunk, places)
                records += len(places)
                taken.append(part)
                continue
            while places and size < bytes_max and records < records_max:
                some = places[: min(_STRIDE, records_max - records)]
                places = places[len(some) :]
                size += _size(chunk, some)
                records += len(some)
                taken.append(_part((chunk, some, attempts)))
            if places:
                rest = _part((chunk, places, attempts))
        source[:used] = () if rest is None else (rest,)
        lane.not_before = 0
        lane.due_at = None  # of a backoff or a pace that no longer holds: what comes now would wait for it
        self.waiting -= records
        if source is lane.queue:
            lane.bytes = max(0, lane.bytes - size) if lane.queue else 0
        if not lane.queue:
            lane.urgent = False
        return taken

    def give_back(self, lane: WideLane, parts: Sequence[Part], now: int, *, again: bool) -> None:
        """Take back the end of what was taken: it goes first the next time."""
        if not parts:
            return
        self.waiting += count(parts)
        if again:
            lane.again[:0] = parts
        else:
            lane.queue[:0] = parts
            lane.bytes += sum(_size(part.chunk, part.places) for part in parts)
        self.look(lane, now)

    # --- besides -------------------------------------------------------------------------------------------------

    def sift(self, lane: WideLane, parts: list[Part], again: list[Part]) -> None:
        """Leave only these in a lane."""
        self.waiting += count(parts) + count(again) - count(lane.queue) - count(lane.again)
        lane.queue, lane.again = parts, again
        if not parts:
            lane.bytes = 0

    def forget_unsent(self, ledger: OffsetLedger) -> None:
        """Forget what was never sent of a partition, or all of it when it is gone; what is left of it is urgent."""
        for lane in self:
            if any(part.chunk.owner is ledger for part in (*lane.again, *lane.queue)):
                self.sift(lane, without_unsent(lane.queue, ledger), without_unsent(lane.again, ledger))
                lane.urgent |= any(part.chunk.owner is ledger for part in lane.queue)
                self.look(lane, 0)
