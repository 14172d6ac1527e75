"""What a route has let go: records that are ready, and records that wait for another try.

The atom is a part: a held chunk and the places in it.
A request takes whole parts, or their beginnings, until it is full; its answer settles each part by one subtraction
and hands the freed lanes' next records back, as parts again.

Where records of a key may share a request (`ordering: key_in_request`), whatever a lane has let go is together, in order:
in one request, or side by side among what is ready or delayed, or in the search for poison. So a key never has two requests.

    let go     all that waits in a lane becomes ready, side by side
    cut        the end of a request, a shard's pace, or poison parts what was side by side: what is behind the cut is
               taken back into its lane, and waits until what is before it is settled
    refused    what was refused of a lane goes again together, in order, after one wait

Order then breaks only inside a request; `order_breaks.py` counts where it has.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate
from operator import itemgetter

from doka.domain.events import StreamDescribed
from doka.domain.held.budget import Budget
from doka.domain.held.lanes import Run
from doka.domain.held.ledger import (
    HeldChunk,
    OffsetLedger,
    Part,
    add_by_timestamp,
    note_sent,
    split,
    without_unsent,
)
from doka.domain.limits import PARTIAL_PUT_WAIT_NS, PARTITION_KEY_BYTES_MAX
from doka.domain.poison.quarantine import Poison, Quarantine
from doka.domain.rules import LimitRules
from doka.domain.sending.pacing import Pacer
from doka.domain.sending.put import LaneOf, Put

_part = partial(tuple.__new__, Part)  # twice as quick as calling it: on a busy topic there is a part for every record
_ATTEMPTS = itemgetter(2)


class Outbox:
    """Every record in here is in exactly one place: ready, or delayed; and beside all others that its lane has let go."""

    def __init__(self, limits: LimitRules, budget: Budget, quarantine: Quarantine, *, shares: bool = False) -> None:
        """Hold what may leave; what can never land goes to `quarantine`. `shares`: lanes let go several records of a key."""
        self.waiting = 0  # records that are ready
        self.pacer = Pacer(key_cache_bytes=limits.key_cache_bytes)
        self._shares = shares
        self._limits = limits
        self._budget = budget
        self._quarantine = quarantine
        self._ready: deque[Part] = deque()
        self._ready_since: int | None = None
        self._left_at = -limits.linger  # the last request
        self._waited = False  # whether something that is ready has waited already: in its lane, or for another try
        self._delayed: list[tuple[int, int, Part]] = []
        self._order = 0

    def learn(self, event: StreamDescribed) -> None:
        """Take the stream's shards."""
        self.pacer.learn(event.shards, event.open_shards)

    # --- in ------------------------------------------------------------------------------------------------------

    def admit(self, chunk: HeldChunk, now: int) -> None:
        """Take a chunk that its partition's ledger holds; the records whose lanes are free become ready."""
        runs: list[Run] = []
        alone = chunk.owner.lanes.admit(chunk, runs)
        if alone:
            self._let_go(chunk, alone, now)
        if runs:
            self._let_runs_go(chunk.owner, runs, now)

    def _let_go(self, chunk: HeldChunk, places: Sequence[int], now: int) -> None:
        """Make records ready whose lanes are theirs, but for what can never land."""
        poison = chunk.poison
        if poison is not None:
            self._quarantine.take([Poison(chunk, i, poison[i]) for i in places if i in poison])
            places = [i for i in places if i not in poison]
        if places:
            self._ready.append(_part((chunk, places, 0)))
            self.waiting += len(places)
            if self._ready_since is None:
                self._ready_since = now

    def _let_runs_go(self, ledger: OffsetLedger, runs: Sequence[Run], now: int) -> None:
        """Make ready what its lanes let go together, up to what can never land; side by side, a part for each chunk."""
        chunk: HeldChunk | None = None
        together: list[int] = []  # places of that chunk
        for key, offsets in runs:
            if chunk is not None and chunk.offsets[0] <= offsets[0] and offsets[-1] < chunk.end:
                together += chunk.places_of(offsets)  # most of them
                continue
            for found, places in ledger.find(offsets):
                if chunk is not None:
                    self._let_go(chunk, together, now)
                if found.poison is None:
                    chunk, together = found, list(places)
                    continue
                chunk = None
                if self._cut_at_poison(key, offsets, found, places, now):
                    break
        if chunk is not None:
            self._let_go(chunk, together, now)

    def _cut_at_poison(self, key: str, offsets: list[int], chunk: HeldChunk, places: list[int], now: int) -> bool:
        """Make ready what comes of a run before what can never land, and take the rest back; False: there is no such."""
        poison = chunk.poison or {}
        sound = next((i for i, place in enumerate(places) if place in poison), len(places))
        self._let_go(chunk, places[:sound], now)
        if sound == len(places):
            return False
        first, end = offsets[0], chunk.offsets[places[sound]]
        if end == first:  # its turn has come: it keeps the lane alone
            self._let_go(chunk, places[:1], now)
        chunk.owner.lanes.take_back(key, [offset for offset in offsets if offset >= max(end, first + 1)])
        return True

    def delay(self, parts: Iterable[Part], until: int) -> None:
        """Keep parts for another try at `until`, those of a shared lane side by side; their lanes stay busy."""
        for part in side_by_side(parts) if self._shares else parts:
            self._order += 1
            heapq.heappush(self._delayed, (until, self._order, part))

    def put_back(self, parts: Iterable[Part], now: int) -> None:
        """Make parts ready again, before everything else, those of a shared lane side by side."""
        for part in reversed(side_by_side(parts) if self._shares else list(parts)):
            self._ready.appendleft(part)
            self.waiting += len(part.places)
        if self.waiting:
            self._waited = True
            if self._ready_since is None:
                self._ready_since = now

    # --- out -----------------------------------------------------------------------------------------------------

    @property
    def lingers_until(self) -> int:
        """Before when nothing that comes now would leave, as long as it is few."""
        return self._left_at + self._limits.linger

    def leaves_at(self, now: int, *, idle: bool, probe: bool = False) -> int | None:
        """Give the moment from which a request may leave, 0 for at once; what is delayed is ready when its time has come.

        A request that is not full waits a moment to be filled: it leaves when the last one has left for that long, answered
        or not, since what is here may have waited outside until then. Where nothing of the route is in flight (`idle`), it
        leaves at once with what has waited already: for what it waits in lanes, only an answer lets more of it go.
        """
        delayed = self._delayed
        if delayed and (probe or delayed[0][0] <= now):
            due: list[Part] = []
            while delayed and (probe or delayed[0][0] <= now):
                due.append(heapq.heappop(delayed)[2])
            self.put_back((part for part in due if not part.chunk.owner.gone), now)
        if not self.waiting:
            return delayed[0][0] if delayed else None
        linger = self._limits.linger
        if probe or self.waiting >= self._limits.request_records or (idle and (self._waited or not linger)):
            return 0
        at = self._left_at + linger if linger else (self._ready_since or 0) + PARTIAL_PUT_WAIT_NS
        return min(at, delayed[0][0]) if delayed else at

    def pack(self, number: int, lease: int, now: int) -> Put | None:
        """Fill one request from what is ready; None when nothing is.

        What it has no room for of a shared lane waits for what it holds of it.
        """
        put = None
        parts: Sequence[Part] = self._take(self._limits.request_records)
        if self.pacer.paces:
            parts = self._lanes_at_their_pace(parts, now) if self._shares else self._at_their_pace(parts, now)
        if parts:
            put, rest = self.pack_parts(parts, number, lease, now)
            if rest:
                self.put_back(rest, now)
                if self._shares:
                    self._cut_behind(put.parts[-1])
            self._left_at = now
        self._ready_since = now if self.waiting else None
        self._waited = self._waited and self.waiting > 0
        return put

    def pack_parts(self, parts: Sequence[Part], number: int, lease: int, now: int) -> tuple[Put, Sequence[Part]]:
        """Make one request of just these parts; gives also what does not fit its bytes."""
        keys: list[str] = []
        values: list[bytes] = []
        for chunk, places, _ in parts:
            if len(places) == 1:  # most parts, where many records of few keys wait
                keys.append(chunk.keys[places[0]])
                values.append(chunk.values[places[0]])
            elif isinstance(places, range):
                keys += chunk.keys[places.start : places.stop]
                values += chunk.values[places.start : places.stop]
            else:
                keys += map(chunk.keys.__getitem__, places)
                values += map(chunk.values.__getitem__, places)
        size = sum(map(len, values))
        rest: Sequence[Part] = ()
        if size + len(keys) * PARTITION_KEY_BYTES_MAX > self._limits.request_bytes:
            fits = self._how_many_fit(keys, values)
            parts, rest = split(parts, fits)
            del keys[fits:], values[fits:]
            size = sum(map(len, values))
        note_sent(parts)
        shares = self._shares and len(set(keys)) < len(keys)
        put = Put(
            number=number,
            parts=parts,
            keys=keys,
            values=values,
            lease=lease,
            sent_at=now,
            attempts=max(map(_ATTEMPTS, parts)) + 1,
            entry_bytes=size,
            records=len(keys),
            payload_bytes=size,
            shares=shares,
        )
        return put, rest

    def _how_many_fit(self, keys: Sequence[str], values: Sequence[bytes]) -> int:
        """Count the leading entries that fit the request's bytes; one always does."""
        sizes = accumulate(len(value) + len(key.encode()) for key, value in zip(keys, values, strict=True))
        return max(1, bisect_right(list(sizes), self._limits.request_bytes))

    def take_for_control(self, room: int) -> list[Part]:
        """Take at most `room` records out of what is ready, and never more than a request may hold."""
        return self._take(min(room, self._limits.request_records))

    def _take(self, room: int) -> list[Part]:
        """Take at most `room` records out of what is ready; of the last shared lane, the others go back into it."""
        ready, taken, left = self._ready, list[Part](), room
        while left and ready:
            part = ready.popleft()
            chunk, places, attempts = part
            size = len(places)
            if chunk.owner.gone:
                self.waiting -= size
                continue
            if size > left:
                ready.appendleft(_part((chunk, places[left:], attempts)))
                part = _part((chunk, places[:left], attempts))
                size = left
            taken.append(part)
            left -= size
        self.waiting -= room - left
        if taken and self._shares:
            self._cut_behind(taken[-1])
        return taken

    def _cut_behind(self, last: Part) -> None:
        """Take back what is ready behind these records of the same lane."""
        ready, owner, key = self._ready, last.chunk.owner, last.chunk.keys[last.places[-1]]
        behind: list[int] = []
        while ready and ready[0].chunk.owner is owner:
            chunk, places, attempts = ready[0]
            of_key = next((i for i, place in enumerate(places) if chunk.keys[place] != key), len(places))
            behind += map(chunk.offsets.__getitem__, places[:of_key])
            if of_key < len(places):
                if of_key:
                    ready[0] = Part(chunk, places[of_key:], attempts)
                break
            ready.popleft()
        if behind:
            self.waiting -= len(behind)
            owner.lanes.take_back(key, behind)

    def _at_their_pace(self, parts: Sequence[Part], now: int) -> list[Part]:
        """Keep back the records of slowed shards whose time has not come; only while something is throttled."""
        leaving: list[Part] = []
        leaves_at, delay = self.pacer.leaves_at, self.delay
        for part in parts:
            chunk, places, attempts = part
            # Most, behind a slowed shard: each was refused by itself, and is looked at again and again.
            if len(places) == 1:
                key = chunk.keys[places[0]]
                at = leaves_at(key, len(chunk.values[places[0]]) + len(key), now)
                if at <= now:
                    leaving.append(part)
                else:
                    delay((part,), at)
                continue
            now_places: list[int] = []
            later: dict[int, list[int]] = {}
            for place in places:
                key = chunk.keys[place]
                at = leaves_at(key, len(chunk.values[place]) + len(key), now)
                (now_places if at <= now else later.setdefault(at, [])).append(place)
            if now_places:
                leaving.append(_part((chunk, now_places, attempts)))
            for at, kept in later.items():
                delay((_part((chunk, kept, attempts)),), at)
        return leaving

    def _lanes_at_their_pace(self, parts: Sequence[Part], now: int) -> list[Part]:
        """Keep back the records of slowed shards whose time has not come; in a lane, all behind the first of them."""
        leaving: list[tuple[HeldChunk, int, int]] = []
        later: list[tuple[int, HeldChunk, int, int]] = []
        begun: LaneOf | None = None  # the lane of which something leaves
        kept: LaneOf | None = None  # the lane of which something was kept back
        until, behind = now, list[int]()
        for chunk, places, attempts in parts:
            for place in places:
                key = chunk.keys[place]
                lane = (chunk.owner, key)
                if lane != kept:
                    self._take_back(kept, behind)
                    until = self.pacer.leaves_at(key, len(chunk.values[place]) + len(key), now)
                    kept, behind = (None if until <= now else lane), []
                if until <= now:
                    begun = lane
                    leaving.append((chunk, place, attempts))
                elif lane == begun:
                    behind.append(chunk.offsets[place])
                else:
                    later.append((until, chunk, place, attempts))
        self._take_back(kept, behind)
        for moment in dict.fromkeys(each[0] for each in later):
            self.delay([Part(chunk, (place,), tries) for at, chunk, place, tries in later if at == moment], moment)
        return joined(leaving)

    @staticmethod
    def _take_back(lane: LaneOf | None, offsets: list[int]) -> None:
        if lane is not None and offsets:
            lane[0].lanes.take_back(lane[1], offsets)

    # --- answered ------------------------------------------------------------------------------------------------

    def settle(
        self, put: Put, failed: Mapping[int, str], moved: dict[OffsetLedger, None], now: int
    ) -> Mapping[int, int]:
        """Settle what an answer accepted, and add to `moved` whose it was; what `failed` is left to the caller.

        Gives how many settled of each Kafka timestamp (ms), which is that of their chunk.
        """
        if failed:
            put.must_have(failed)
        of: dict[OffsetLedger, tuple[list[str], dict[HeldChunk, int]]] = {}  # in the order of the request
        last = 0
        for chunk, places, _ in put.parts:
            first, last = last, last + len(places)
            owner = chunk.owner
            if owner.gone:
                continue
            landed = put.keys[first:last]
            if failed:
                landed = [key for place, key in enumerate(landed, first) if place not in failed]
                if not landed:
                    continue
            if owner not in of:
                of[owner] = ([], {})
            keys, chunks = of[owner]
            keys += landed
            chunks[chunk] = chunks.get(chunk, 0) + len(landed)
        by_timestamp: dict[int, int] = {}
        for owner, (keys, chunks) in of.items():
            moved[owner] = None
            add_by_timestamp(chunks, by_timestamp)
            self._settled(owner, keys, chunks, now)
        return by_timestamp

    def _settled(self, ledger: OffsetLedger, keys: Sequence[str], chunks: Mapping[HeldChunk, int], now: int) -> None:
        """Subtract the settled records of a partition, and let those go that waited for them."""
        self._budget.release(ledger, ledger.settle_each(chunks))
        runs: list[Run] = []
        freed = ledger.lanes.release(keys, runs)
        if freed:
            for chunk, places in ledger.find(freed):
                if chunk.poison is None:
                    self._ready.append(_part((chunk, places, 0)))
                    self.waiting += len(places)
                else:
                    self._let_go(chunk, places, now)
        if runs:
            self._let_runs_go(ledger, runs, now)
        if freed or runs:
            self._waited = self.waiting > 0
        if self.waiting and self._ready_since is None:
            self._ready_since = now

    def unsettled(self, put: Put, now: int) -> list[Part]:  # noqa: ARG002 - the port's signature
        """Give all records of a request that failed as a whole, with one more attempt, as far as they are owned."""
        return put.again()

    # --- poison --------------------------------------------------------------------------------------------------

    def poisoned(self, parts: Iterable[Part], code: str) -> None:
        """Hand records that the service calls poison to the quarantine; they keep their lanes."""
        for part in parts:
            for poison in (Poison(part.chunk, place, code, part.attempts) for place in part.places):
                if self._shares:
                    self._keep_lane(poison)
                self._quarantine.take((poison,))

    def _keep_lane(self, poison: Poison) -> None:
        """Let the later records of its key, which went with a record that can never land, wait behind it."""
        owner, key = poison.chunk.owner, poison.chunk.keys[poison.place]
        behind: list[int] = []
        kept: list[Part] = []
        for part in self._ready:
            chunk, places, _ = part
            staying = places
            if chunk.owner is owner:
                staying = [i for i in places if chunk.keys[i] != key or chunk.offsets[i] < poison.offset]
                behind += [chunk.offsets[i] for i in places if i not in staying]
            if staying:
                kept.append(part if len(staying) == len(places) else part._replace(places=staying))
        if behind:
            self._ready = deque(kept)
            self.waiting -= len(behind)
            owner.lanes.take_back(key, behind)

    def settle_poison(self, poison: Poison, now: int) -> None:
        """Settle a record that will not land: its letter was acknowledged, or it was dropped."""
        chunk, place = poison.chunk, poison.place
        chunk.owner.note_sent(chunk.offsets[place])
        self._settled(chunk.owner, [chunk.keys[place]], {chunk: 1}, now)

    def free(self, poison: Poison, now: int) -> None:
        """Let a record go after all that was taken for poison and has kept its lane: its stream takes it by now."""
        chunk, place = poison.chunk, poison.place
        if not chunk.owner.gone:
            (chunk.poison or {}).pop(place, None)
            self.put_back([Part(chunk, (place,), poison.attempts)], now)

    # --- besides -------------------------------------------------------------------------------------------------

    def parts(self) -> Iterator[Part]:
        """Walk over all records that wait here for their turn or their time."""
        yield from self._ready
        for _, _, part in self._delayed:
            yield part

    def forget_unsent(self, ledger: OffsetLedger) -> None:
        """Forget the records of a partition that lie above everything that was sent of it, wherever they wait."""
        self._ready = deque(without_unsent(self._ready, ledger))
        self.waiting = sum(len(part.places) for part in self._ready)
        if not self.waiting:
            self._ready_since = None
        self._delayed = [
            (until, order, kept)
            for until, order, part in self._delayed
            for kept in without_unsent((part,), ledger)  # one that waits for its shard's pace was never sent
        ]
        heapq.heapify(self._delayed)


def side_by_side(parts: Iterable[Part]) -> list[Part]:
    """Order records so that those of one lane are neighbours and ascend; lanes stay in the order of their first."""
    of_lane: dict[LaneOf, list[tuple[HeldChunk, int, int]]] = {}
    for chunk, places, attempts in parts:
        for place in places:
            of_lane.setdefault((chunk.owner, chunk.keys[place]), []).append((chunk, place, attempts))
    for some in of_lane.values():
        some.sort(key=_offset)
    return joined(record for some in of_lane.values() for record in some)


def _offset(record: tuple[HeldChunk, int, int]) -> int:
    chunk, place, _ = record
    return chunk.offsets[place]


def joined(records: Iterable[tuple[HeldChunk, int, int]]) -> list[Part]:
    """Make parts of records, each with its chunk and its attempts, in their order: neighbours of one chunk together."""
    parts: list[Part] = []
    last: tuple[HeldChunk, int] | None = None
    places: list[int] = []  # of the last part
    for chunk, place, attempts in records:
        if last == (chunk, attempts):
            places.append(place)
        else:
            last, places = (chunk, attempts), [place]
            parts.append(Part(chunk, places, attempts))
    return parts
