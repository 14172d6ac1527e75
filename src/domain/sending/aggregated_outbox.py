"""What a route has let go, where many records travel as one Kinesis record.

Each entry of a request is all that a lane lets go at once, encoded as one aggregate under the lane's explicit hash key;
the next of that lane leaves when it has settled. A refused entry goes again as the same records.
A record that is too large for an aggregate travels as it is, in its lane's turn and with its lane's hash key; but one whose
value is an aggregate itself is wrapped as long as the stream takes it so, since a consumer would unfold it in its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

from doka.domain.events import StreamDescribed
from doka.domain.held.budget import Budget
from doka.domain.held.ledger import HeldChunk, OffsetLedger, Part, add_by_timestamp, count, note_sent, split
from doka.domain.limits import FETCH_RECORDS_MAX, PARTIAL_PUT_WAIT_NS, RECORD_BYTES_DEFAULT
from doka.domain.poison.parking import Parking
from doka.domain.poison.quarantine import Poison, Quarantine
from doka.domain.rules import AggregationRules, LimitRules
from doka.domain.sending.aggregate import FIXED_BYTES, MAGIC, encode, how_many_fit
from doka.domain.sending.pacing import Pacer
from doka.domain.sending.put import Put
from doka.domain.sending.wide_lanes import WideLane, WideLanes

OUTER_KEY = "a"
"""Partition key of the outer record, as the Kinesis Producer Library has it: the explicit hash key places it."""

_FULL_LANES = 8  # a request is worth sending while others are in flight: its own cost is shared by so many aggregates
_FEW = 20  # aggregates that a shard takes in a second: one refused of two within a moment is not half of them
_ATTEMPTS = itemgetter(2)


class _Entry(NamedTuple):
    lane: WideLane
    parts: Sequence[Part]
    key: str
    value: bytes
    records: int
    payload: int

    @property
    def size(self) -> int:
        """Its bytes in a request: data, partition key, and the hash key of its lane."""
        return len(self.value) + len(self.key.encode()) + len(self.lane.hash_text)


class AggregatedOutbox:
    """Every record in here is in exactly one place: its lane, a request in flight, or behind poison of its key."""

    def __init__(self, rules: AggregationRules, limits: LimitRules, budget: Budget, quarantine: Quarantine) -> None:
        """Hold what may leave; what can never land goes to `quarantine`."""
        self.pacer = Pacer(_FEW)
        self.lanes = WideLanes(rules, limits.key_cache_bytes)
        self.parking = Parking()
        self._rules = rules
        self._limits = limits
        self._budget = budget
        self._quarantine = quarantine
        self._out: dict[int, Sequence[WideLane]] = {}  # the lanes that have an aggregate in a request, by its number
        self._bytes_max = 0  # of an aggregate
        self._wrapped_bytes_max = 0  # of an aggregate of one, whose value is one
        self._hold_to(RECORD_BYTES_DEFAULT)

    def learn(self, event: StreamDescribed) -> None:
        """Take the stream's shards and its record limit."""
        self.pacer.learn(event.shards, event.open_shards)
        self._hold_to(event.record_bytes_max)

    def _hold_to(self, record_bytes_max: int) -> None:
        self._wrapped_bytes_max = min(record_bytes_max - len(OUTER_KEY), self._limits.request_bytes - FIXED_BYTES)
        self._bytes_max = min(self._rules.target_bytes, self._wrapped_bytes_max)

    # --- in ------------------------------------------------------------------------------------------------------

    def admit(self, chunk: HeldChunk, now: int) -> None:
        """Take a chunk that its partition's ledger holds into its lanes."""
        self._admit(chunk, range(chunk.count), now)

    def _admit(self, chunk: HeldChunk, places: Sequence[int], now: int) -> None:
        passing, met = self.parking.sift(chunk, places)
        self._quarantine.take(met)
        if passing:
            self.lanes.admit(chunk, passing, now)

    def delay(self, parts: Iterable[Part], until: int) -> None:
        """Keep parts for another try at `until`; their lanes wait."""
        self.lanes.send_again(self.parking.sift_parts(parts), until, 0)

    def put_back(self, parts: Iterable[Part], now: int) -> None:
        """Make parts ready again, before everything else in their lanes; whatever else may go on is looked at too."""
        self.lanes.send_again(self.parking.sift_parts(parts), 0, now)
        for lane in self.lanes:
            self.lanes.look(lane, now)

    @property
    def waiting(self) -> int:
        """How many records wait in lanes."""
        return self.lanes.waiting

    @property
    def lingers_until(self) -> int:
        """Before when nothing that comes now would leave: not known, for what fills a lane leaves at once."""
        return 0

    # --- out -----------------------------------------------------------------------------------------------------

    def leaves_at(self, now: int, *, idle: bool, probe: bool = False) -> int | None:
        """Give the moment from which a request may leave, 0 for at once; lanes are ready when their time has come.

        A request of few aggregates waits a moment to be filled, unless it is `idle`: nothing of the route is in flight.
        """
        lanes = self.lanes
        lanes.wake(now, all_of_them=probe)
        if not lanes.waiting:  # what was ready may have gone with its partition
            return None
        if not lanes.ready:
            return lanes.next_wake
        if idle or lanes.ready >= min(_FULL_LANES, self._limits.request_records):
            return 0
        at, other = (lanes.ready_since or 0) + PARTIAL_PUT_WAIT_NS, lanes.next_wake
        return at if other is None else min(at, other)

    def pack(self, number: int, lease: int, now: int) -> Put | None:
        """Fill one request with the aggregates of lanes that are ready; None when none may leave."""
        entries: list[_Entry] = []
        room = self._limits.request_bytes
        while len(entries) < self._limits.request_records:
            lane = self.lanes.next_ready(now)
            if lane is None:
                break
            if self.pacer.paces:
                at = self.pacer.leaves_at(lane.hash_key, min(lane.next_bytes, self._bytes_max), now)
                if at > now:
                    self.lanes.postpone(lane, at, now)
                    continue
            again = bool(lane.again)
            parts = self.lanes.take(lane, self._bytes_max, FETCH_RECORDS_MAX)
            if not parts:
                self.lanes.look(lane, now)
                continue
            entry, rest = self._fill(lane, parts)
            if entries and entry.size > room:
                self.lanes.give_back(lane, parts, now, again=again)
                break
            self.lanes.give_back(lane, rest, now, again=again)
            room -= entry.size
            lane.out = True
            entries.append(entry)
        self.lanes.ready_since = now if self.lanes.ready else None
        return self._made(entries, number, lease, now) if entries else None

    def pack_parts(self, parts: Sequence[Part], number: int, lease: int, now: int) -> tuple[Put, Sequence[Part]]:
        """Make one request of just these parts; gives also what does not fit."""
        entries: list[_Entry] = []
        left: list[Part] = []
        room = self._limits.request_bytes
        for lane, of_lane in self.lanes.by_lane(parts).items():
            if len(entries) < self._limits.request_records:
                entry, rest = self._fill(lane, of_lane)
                room -= entry.size
                if room >= 0 or not entries:
                    entries.append(entry)
                    left += rest
                    lane.out = True
                    continue
            left += of_lane
        return self._made(entries, number, lease, now), left

    def take_for_control(self, room: int) -> Sequence[Part]:
        """Take at most `room` records out of lanes of which nothing is on its way, no more than a request may hold."""
        taken: list[Part] = []
        lanes = 0
        for lane in self.lanes:
            if room and lanes < self._limits.request_records and lane.may_be_asked:
                found = self.lanes.take(lane, self._bytes_max, room)
                lanes += bool(found)
                room -= count(found)
                taken += found
        return taken

    def _fill(self, lane: WideLane, parts: Sequence[Part]) -> tuple[_Entry, Sequence[Part]]:
        """Make one entry of the beginning of these parts; gives also what does not fit."""
        keys: list[str] = []
        values: list[bytes] = []
        for chunk, places, _ in parts:
            keys += map(chunk.keys.__getitem__, places)
            values += map(chunk.values.__getitem__, places)
        fits = how_many_fit(keys, values, self._bytes_max)
        rest: Sequence[Part] = ()
        if fits < len(keys):
            parts, rest = split(parts, max(fits, 1))
            del keys[max(fits, 1) :], values[max(fits, 1) :]
        payload = sum(map(len, values))
        if not fits and not (values[0].startswith(MAGIC) and how_many_fit(keys, values, self._wrapped_bytes_max)):
            return _Entry(lane, parts, keys[0], values[0], 1, payload), rest
        value = encode(keys, values, lane.hash_text)
        return _Entry(lane, parts, OUTER_KEY, value, len(keys), payload), rest

    def _made(self, entries: Sequence[_Entry], number: int, lease: int, now: int) -> Put:
        parts = [part for entry in entries for part in entry.parts]
        note_sent(parts)
        self._out[number] = [entry.lane for entry in entries]
        return Put(
            number=number,
            parts=parts,
            keys=[entry.key for entry in entries],
            values=[entry.value for entry in entries],
            lease=lease,
            sent_at=now,
            attempts=max(map(_ATTEMPTS, parts)) + 1,
            entry_bytes=sum(len(entry.value) for entry in entries),
            records=sum(entry.records for entry in entries),
            payload_bytes=sum(entry.payload for entry in entries),
            hash_keys=[entry.lane.hash_text for entry in entries],
            groups=[entry.parts for entry in entries],
        )

    # --- answered ------------------------------------------------------------------------------------------------

    def settle(
        self, put: Put, failed: Mapping[int, str], moved: dict[OffsetLedger, None], now: int
    ) -> Mapping[int, int]:
        """Settle what an answer accepted, and add to `moved` whose it was; what `failed` is left to the caller.

        Gives how many settled of each Kafka timestamp (ms), which is that of their chunk.
        """
        self._free_lanes(put, now)
        if failed:
            put.must_have(failed)
        of: dict[OffsetLedger, dict[HeldChunk, int]] = {}
        for i, group in enumerate(put.groups or ()):
            if i in failed:
                continue
            for chunk, places, _ in group:
                owner = chunk.owner
                if owner.gone:
                    continue
                if owner not in of:
                    of[owner] = {}
                chunks = of[owner]
                chunks[chunk] = chunks.get(chunk, 0) + len(places)
        by_timestamp: dict[int, int] = {}
        for owner, chunks in of.items():
            moved[owner] = None
            add_by_timestamp(chunks, by_timestamp)
            self._budget.release(owner, owner.settle_each(chunks))
        return by_timestamp

    def unsettled(self, put: Put, now: int) -> list[Part]:
        """Give all records of a request that failed as a whole, with one more attempt, as far as they are owned."""
        self._free_lanes(put, now)
        return put.again()

    def _free_lanes(self, put: Put, now: int) -> None:
        """Let lanes look again whose aggregates were answered; what these carried comes back to them, or is settled."""
        for lane in self._out.pop(put.number):
            lane.out = False
            self.lanes.look(lane, now)

    # --- poison --------------------------------------------------------------------------------------------------

    def poisoned(self, parts: Iterable[Part], code: str) -> None:
        """Hand records that the service calls poison to the quarantine.

        What is behind one of them waits for it, and the rest of its lane goes on.
        """
        for part in parts:
            for poison in (Poison(part.chunk, place, code, part.attempts) for place in part.places):
                self.parking.park(poison)
                for lane in self.lanes:
                    again = self.parking.sift_parts(lane.again)  # first: it is older
                    self.lanes.sift(lane, self.parking.sift_parts(lane.queue), again)
                self._quarantine.take((poison,))

    def settle_poison(self, poison: Poison, now: int) -> None:
        """Settle a record that will not land, and let go what waited for it."""
        chunk, place = poison.chunk, poison.place
        owner = chunk.owner
        owner.note_sent(chunk.offsets[place])
        released = self.parking.release(poison)  # before its keys go with its chunk
        self._budget.release(owner, owner.settle_each({chunk: 1}))
        for part in released:
            self._admit(part.chunk, part.places, now)

    def free(self, poison: Poison, now: int) -> None:
        """Let a record go after all that was taken for poison, and what waited for it behind it: its stream takes it by now."""
        chunk, place = poison.chunk, poison.place
        if chunk.owner.gone:
            return
        (chunk.poison or {}).pop(place, None)
        released = self.parking.release(poison)
        for part in (Part(chunk, (place,)), *released):  # behind earlier records of its key that wait in the lane
            self._admit(part.chunk, part.places, now)

    # --- besides -------------------------------------------------------------------------------------------------

    def parts(self) -> Iterator[Part]:
        """Walk over all records that wait here for their turn or their time; what is behind poison does not."""
        for lane in self.lanes:
            yield from lane.again
            yield from lane.queue

    def forget_unsent(self, ledger: OffsetLedger) -> None:
        """Forget the records of a partition that lie above everything that was sent of it, wherever they wait."""
        self.lanes.forget_unsent(ledger)
        self.parking.forget_unsent(ledger)
