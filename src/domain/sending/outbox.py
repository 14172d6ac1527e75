"""What a route has let go: records that are ready, records that wait for another try, requests in flight.

The atom is a part: a held chunk and the places in it.
A request takes whole parts, or their beginnings, until it is full; its answer settles each part by one subtraction
and hands the freed lanes' next records back, as parts again.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from operator import itemgetter
from typing import ClassVar

from doka.domain.errors import invariant
from doka.domain.events import PutAnswered, StreamDescribed
from doka.domain.held.budget import Budget
from doka.domain.held.ledger import HeldChunk
from doka.domain.held.parts import Part, Refused, split, without_unsent
from doka.domain.limits import PARTITION_KEY_BYTES_MAX
from doka.domain.partitions.partition import Partition
from doka.domain.poison.quarantine import Poison
from doka.domain.rules import LimitRules
from doka.domain.sending.pacing import Pacer

_part = partial(tuple.__new__, Part)  # twice as quick as calling it: on a busy topic there is a part for every record
_ATTEMPTS = itemgetter(2)


@dataclass(frozen=True, slots=True, eq=False)
class Flight:
    """One request in flight, and whose records it carries, in the order of its entries."""

    put: int
    parts: Sequence[Part]
    keys: Sequence[str]
    values: Sequence[bytes]
    lease: int
    sent_at: int
    attempts: int
    entry_bytes: int
    """Of the data of all entries."""
    hash_keys: Sequence[str] | None = None
    """The explicit hash key of each entry; None: each is placed by its key."""
    shares: bool = field(default=False, kw_only=True)
    """Whether it holds several records of one key."""

    @property
    def records(self) -> int:
        """How many records it carries."""
        return len(self.keys)

    def landed(self, failed: Mapping[int, str]) -> tuple[int, int]:
        """Give how many records landed, and the bytes of their data, where these entries `failed`."""
        return len(self.keys) - len(failed), self.entry_bytes - sum(len(self.values[i]) for i in failed)


class Outbox:
    """Every record in here is in exactly one place: ready, delayed, in flight, or parked as poison."""

    tells_records_apart: ClassVar = True
    several_of_a_key: ClassVar = False

    def __init__(self, limits: LimitRules, budget: Budget) -> None:
        self.flights: dict[int, Flight] = {}
        self.waiting = 0  # records that are ready
        self.ready_since: int | None = None
        self.pacer = Pacer()
        self._met_poison: list[Poison] = []
        self._limits = limits
        self._budget = budget
        self._ready: deque[Part] = deque()
        self._delayed: list[tuple[int, int, Part]] = []
        self._order = 0

    # --- in ------------------------------------------------------------------------------------------------------

    def admit(self, chunk: HeldChunk, now: int) -> None:
        """Take a chunk that its partition's ledger holds; the records whose lanes are free become ready."""
        free = chunk.owner.lanes.admit(chunk)
        if free:
            self._let_go(chunk, free, now)

    def delay(self, parts: Iterable[Part], until: int) -> None:
        """Keep parts for another try at `until`; their lanes stay busy."""
        for part in parts:
            self._order += 1
            heapq.heappush(self._delayed, (until, self._order, part))

    def put_back(self, parts: Iterable[Part], now: int) -> None:
        """Make parts ready again, before everything else."""
        for part in reversed(list(parts)):
            self._ready.appendleft(part)
            self.waiting += len(part.places)
        if self.waiting and self.ready_since is None:
            self.ready_since = now

    def wake(self, now: int, *, all_of_them: bool = False) -> None:
        """Make the delayed parts ready whose time has come."""
        due: list[Part] = []
        while self._delayed and (all_of_them or self._delayed[0][0] <= now):
            due.append(heapq.heappop(self._delayed)[2])
        if due:
            self.put_back((part for part in due if not part.chunk.owner.gone), now)

    def learn(self, event: StreamDescribed) -> None:
        """Take the stream's shards."""
        self.pacer.learn(event.shards)

    @property
    def ready(self) -> bool:
        """Whether something is to leave."""
        return self.waiting > 0

    @property
    def next_wake(self) -> int | None:
        """When the first delayed part is due."""
        return self._delayed[0][0] if self._delayed else None

    @property
    def full(self) -> bool:
        """Whether what is ready fills a request."""
        return self.waiting >= self._limits.request_records

    @property
    def empty(self) -> bool:
        """Whether nothing is ready or delayed."""
        return not self.waiting and not self._delayed

    # --- out -----------------------------------------------------------------------------------------------------

    def pack(self, put: int, lease: int, now: int) -> Flight | None:
        """Fill one request from what is ready, and note it as in flight; None when nothing is ready."""
        parts = self.take(self._limits.request_records)
        if self.pacer.active:
            parts = self._at_their_pace(parts, now)
        flight = None
        if parts:
            flight, rest = self.pack_parts(parts, put, lease, now)
            self.put_back(rest, now)
        self.ready_since = now if self.waiting else None
        return flight

    def pack_parts(self, parts: Sequence[Part], put: int, lease: int, now: int) -> tuple[Flight, Sequence[Part]]:
        """Make one request of just these parts, and note it as in flight; gives also what does not fit its bytes."""
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
        for chunk, places, _ in parts:
            owner, above = chunk.owner, chunk.offsets[places[-1]] + 1
            owner.sent_to = max(owner.sent_to, above)
        flight = Flight(put, parts, keys, values, lease, now, max(map(_ATTEMPTS, parts)) + 1, size)
        self.flights[put] = flight
        return flight, rest

    def _at_their_pace(self, parts: Sequence[Part], now: int) -> list[Part]:
        """Keep back the records of slowed shards whose time has not come; only while something is throttled."""
        leaving: list[Part] = []
        for part in parts:
            chunk = part.chunk
            now_places: list[int] = []
            later: dict[int, list[int]] = {}
            for place in part.places:
                key = chunk.keys[place]
                at = self.pacer.leaves_at(key, len(chunk.values[place]) + len(key), now)
                (now_places if at <= now else later.setdefault(at, [])).append(place)
            if now_places:
                leaving.append(part._replace(places=now_places))
            for at, places in later.items():
                self.delay([part._replace(places=places)], at)
        return leaving

    def take_for_control(self, room: int) -> list[Part]:
        """Take at most `room` records out of what is ready, and never more than a request may hold."""
        return self.take(min(room, self._limits.request_records))

    def take(self, room: int) -> list[Part]:
        """Take at most `room` records out of what is ready."""
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
        return taken

    def _how_many_fit(self, keys: Sequence[str], values: Sequence[bytes]) -> int:
        """Count the leading entries that fit the request's bytes; one always does."""
        sizes = accumulate(len(value) + len(key.encode()) for key, value in zip(keys, values, strict=True))
        return max(1, bisect_right(list(sizes), self._limits.request_bytes))

    # --- answered ------------------------------------------------------------------------------------------------

    def answered(self, put: int, now: int) -> Flight:  # noqa: ARG002 - the port's signature
        """Give the request that was answered; it is in flight no more."""
        return self.flights.pop(put)

    def settle(self, flight: Flight, failed: Mapping[int, str], now: int) -> Iterable[Partition]:
        """Settle what an answer accepted; `failed` is left to the caller. Gives the partitions that moved on."""
        if failed:
            beyond = max(failed) - len(flight.keys)
            invariant(
                beyond < 0, f"put {flight.put} of {len(flight.keys)} entries was refused {beyond + 1} beyond its last"
            )
        of: dict[Partition, tuple[list[str], dict[HeldChunk, int]]] = {}  # in the order of the request
        last = 0
        for chunk, places, _ in flight.parts:
            first, last = last, last + len(places)
            owner = chunk.owner
            if owner.gone:
                continue
            landed = flight.keys[first:last]
            if failed:
                landed = [key for place, key in enumerate(landed, first) if place not in failed]
                if not landed:
                    continue
            if owner not in of:
                of[owner] = ([], {})
            keys, chunks = of[owner]
            keys += landed
            chunks[chunk] = chunks.get(chunk, 0) + len(landed)
        for owner, (keys, chunks) in of.items():
            self._settled(owner, keys, chunks, now)
        return list(of)

    def failed_parts(self, flight: Flight, failed: Mapping[int, str]) -> list[tuple[Part, str]]:
        """Give the refused entries of an answer as parts, each with its code, in the order of the request."""
        found: list[tuple[Part, str]] = []
        first = 0
        for chunk, indices, attempts in flight.parts:
            by_code: dict[str, list[int]] = {}
            for place, index in enumerate(indices, first):
                if place in failed:
                    by_code.setdefault(failed[place], []).append(index)
            found += [(Part(chunk, some, attempts + 1), code) for code, some in by_code.items()]
            first += len(indices)
        return [(part, code) for part, code in found if not part.chunk.owner.gone]

    def failed_groups(self, flight: Flight, failed: Mapping[int, str]) -> list[Refused]:
        """Give what was refused, each record by itself, so that records of the same part and code are tried together."""
        return [((part,), (code,)) for part, code in self.failed_parts(flight, failed)]

    def order_breaks(self, flight: Flight, answer: PutAnswered | None) -> Mapping[str, int]:  # noqa: ARG002 - the port's signature
        """Count nothing: a key has one record in flight, or no order at all."""
        return {}

    def throttled(self, group: Iterable[Part], now: int) -> None:
        """Note that these records were throttled: their shards are slowed down."""
        for chunk, places, _ in group:
            for place in places:
                self.pacer.throttled(chunk.keys[place], now)

    def unsettled_parts(self, flight: Flight) -> list[Part]:
        """Give all records of a request that failed as a whole, with one more attempt, as far as they are owned."""
        return [part._replace(attempts=part.attempts + 1) for part in flight.parts if not part.chunk.owner.gone]

    def settle_poison(self, poison: Poison, now: int) -> None:
        """Settle a record that will not land: its letter was acknowledged, or it was dropped."""
        chunk, place = poison.chunk, poison.place
        chunk.owner.sent_to = max(chunk.owner.sent_to, chunk.offsets[place] + 1)
        self._settled(chunk.owner, [chunk.keys[place]], {chunk: 1}, now)

    def keep_lane(self, poison: Poison) -> None:
        """Let a record that the service calls poison keep its lane: it never left it."""

    def take_poison(self) -> list[Poison]:
        """Give the poison whose lanes became its own since the last call."""
        met, self._met_poison = self._met_poison, []
        return met

    def _settled(self, owner: Partition, keys: Sequence[str], chunks: Mapping[HeldChunk, int], now: int) -> None:
        """Subtract the settled records of a partition, and let those go that waited for them."""
        self._budget.release(owner, owner.ledger.settle_each(chunks))
        freed = owner.lanes.release(keys)
        for chunk, places in owner.ledger.find(freed):
            if chunk.poison is None:
                self._ready.append(_part((chunk, places, 0)))
                self.waiting += len(places)
            else:
                self._let_go(chunk, places, now)
        if self.waiting and self.ready_since is None:
            self.ready_since = now

    def _let_go(self, chunk: HeldChunk, places: Sequence[int], now: int) -> None:
        """Make records ready whose lanes are theirs, but for what can never land."""
        poison = chunk.poison
        if poison is None:
            self._append(chunk, places, now)
        else:
            self._append(chunk, [i for i in places if i not in poison], now)
            self._met_poison += [Poison(chunk, i, poison[i]) for i in places if i in poison]

    def _append(self, chunk: HeldChunk, indices: Sequence[int], now: int) -> None:
        if indices:
            self._ready.append(Part(chunk, indices))
            self.waiting += len(indices)
            if self.ready_since is None:
                self.ready_since = now

    def holds(self, partition: Partition) -> bool:
        """Say whether anything of a partition is ready, delayed or in flight (poison that is parked is not)."""
        return (
            any(part.chunk.owner is partition for flight in self.flights.values() for part in flight.parts)
            or any(part.chunk.owner is partition for part in self._ready)
            or any(part.chunk.owner is partition for _, _, part in self._delayed)
        )

    # --- forget --------------------------------------------------------------------------------------------------

    def forget_unsent(self, partition: Partition) -> None:
        """Forget the records of a partition that lie above everything that was sent of it, wherever they wait."""
        self._ready = deque(without_unsent(self._ready, partition))
        self.waiting = sum(len(part.places) for part in self._ready)
        if not self.waiting:
            self.ready_since = None
        self._delayed = [
            (until, order, kept)
            for until, order, part in self._delayed
            for kept in without_unsent((part,), partition)  # one that waits for its shard's pace was never sent
        ]
        heapq.heapify(self._delayed)
        self._met_poison = [poison for poison in self._met_poison if not poison.unsent_of(partition)]
