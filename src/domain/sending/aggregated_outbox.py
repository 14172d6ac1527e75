"""What a route has let go, where many records travel as one Kinesis record.

Each entry of a request is all that a lane lets go at once, encoded as one aggregate under the lane's explicit hash key;
the next of that lane leaves when it has settled. A refused entry goes again as the same records.
A record that is too large for an aggregate travels as it is, in its lane's turn and with its lane's hash key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import ClassVar, NamedTuple

from doka.domain.errors import invariant
from doka.domain.events import PutAnswered, StreamDescribed
from doka.domain.held.budget import Budget
from doka.domain.held.ledger import HeldChunk
from doka.domain.held.parts import Part, Refused, count, split
from doka.domain.limits import FETCH_RECORDS_MAX, RECORD_BYTES_DEFAULT
from doka.domain.partitions.partition import Partition
from doka.domain.poison.parking import Parking
from doka.domain.poison.quarantine import Poison
from doka.domain.rules import AggregationRules, LimitRules
from doka.domain.sending.aggregate import FIXED_BYTES, encode, how_many_fit
from doka.domain.sending.outbox import Flight
from doka.domain.sending.pacing import Pacer
from doka.domain.sending.wide_lanes import Lane, WideLanes

OUTER_KEY = "a"
"""Partition key of the outer record, as the Kinesis Producer Library has it: the explicit hash key places it."""

_FULL_LANES = 8  # a request is worth sending while others are in flight: its own cost is shared by so many aggregates
_FEW = 20  # aggregates that a shard takes in a second: one refused of two within a moment is not half of them
_ATTEMPTS = itemgetter(2)


@dataclass(frozen=True, slots=True, eq=False)
class AggregatedFlight(Flight):
    """One request in flight, of which each entry carries the records of one lane."""

    lanes: Sequence[Lane] = ()
    groups: Sequence[Sequence[Part]] = ()
    """The records of each entry."""
    sizes: Sequence[tuple[int, int]] = ()
    """How many records each entry carries, and the bytes of their data."""

    @property
    def records(self) -> int:
        """How many records it carries."""
        return sum(records for records, _ in self.sizes)

    def landed(self, failed: Mapping[int, str]) -> tuple[int, int]:
        """Give how many records landed, and the bytes of their data, where these entries `failed`."""
        landed = [size for i, size in enumerate(self.sizes) if i not in failed]
        return sum(records for records, _ in landed), sum(payload for _, payload in landed)


class _Entry(NamedTuple):
    lane: Lane
    parts: Sequence[Part]
    key: str
    value: bytes
    records: int
    payload: int


class AggregatedOutbox:
    """Every record in here is in exactly one place: its lane, a request in flight, or behind poison of its key."""

    tells_records_apart: ClassVar = False
    several_of_a_key: ClassVar = True

    def __init__(self, rules: AggregationRules, limits: LimitRules, budget: Budget) -> None:
        self.flights: dict[int, Flight] = {}
        self.pacer = Pacer(_FEW)
        self.lanes = WideLanes(rules, limits.key_cache_bytes)
        self.parking = Parking()
        self._rules = rules
        self._limits = limits
        self._budget = budget
        self._met_poison: list[Poison] = []
        self._bytes_max = 0  # of an aggregate
        self._hold_to(RECORD_BYTES_DEFAULT)

    def learn(self, event: StreamDescribed) -> None:
        """Take the stream's shards and its record limit."""
        self.pacer.learn(event.shards)
        self._hold_to(event.record_bytes_max)

    def _hold_to(self, record_bytes_max: int) -> None:
        self._bytes_max = min(
            self._rules.target_bytes, record_bytes_max - len(OUTER_KEY), self._limits.request_bytes - FIXED_BYTES
        )

    # --- in ------------------------------------------------------------------------------------------------------

    def admit(self, chunk: HeldChunk, now: int) -> None:
        """Take a chunk that its partition's ledger holds into its lanes."""
        self._admit(chunk, range(chunk.count), now)

    def _admit(self, chunk: HeldChunk, places: Sequence[int], now: int) -> None:
        passing, met = self.parking.sift(chunk, places)
        self._met_poison += met
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

    def wake(self, now: int, *, all_of_them: bool = False) -> None:
        """Make the lanes ready whose time has come."""
        self.lanes.wake(now, all_of_them=all_of_them)

    @property
    def waiting(self) -> int:
        """How many records wait in lanes."""
        return self.lanes.waiting

    @property
    def ready(self) -> bool:
        """Whether a lane is ready."""
        return self.lanes.ready > 0

    @property
    def ready_since(self) -> int | None:
        """When the first lane became ready."""
        return self.lanes.ready_since

    @property
    def next_wake(self) -> int | None:
        """When the next lane will be."""
        return self.lanes.next_wake

    @property
    def full(self) -> bool:
        """Whether so many lanes are ready that a request is worth it."""
        return self.lanes.ready >= min(_FULL_LANES, self._limits.request_records)

    @property
    def empty(self) -> bool:
        """Whether no lane has anything that waits."""
        return not self.lanes.waiting

    # --- out -----------------------------------------------------------------------------------------------------

    def pack(self, put: int, lease: int, now: int) -> Flight | None:
        """Fill one request with the aggregates of lanes that are ready; None when none may leave."""
        entries: list[_Entry] = []
        room = self._limits.request_bytes
        while len(entries) < self._limits.request_records:
            lane = self.lanes.next_ready(now)
            if lane is None:
                break
            if self.pacer.active:
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
            if entries and len(entry.value) + len(entry.key) + len(lane.hash_text) > room:
                self.lanes.give_back(lane, parts, now, again=again)
                break
            self.lanes.give_back(lane, rest, now, again=again)
            room -= len(entry.value) + len(entry.key) + len(lane.hash_text)
            lane.out = True
            entries.append(entry)
        self.lanes.ready_since = now if self.lanes.ready else None
        return self._fly(entries, put, lease, now) if entries else None

    def pack_parts(self, parts: Sequence[Part], put: int, lease: int, now: int) -> tuple[Flight, Sequence[Part]]:
        """Make one request of just these parts, and note it as in flight; gives also what does not fit."""
        entries: list[_Entry] = []
        left: list[Part] = []
        room = self._limits.request_bytes
        for lane, of_lane in self.lanes.by_lane(parts).items():
            if len(entries) < self._limits.request_records:
                entry, rest = self._fill(lane, of_lane)
                room -= len(entry.value) + len(entry.key) + len(lane.hash_text)
                if room >= 0 or not entries:
                    entries.append(entry)
                    left += rest
                    lane.out = True
                    continue
            left += of_lane
        return self._fly(entries, put, lease, now), left

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

    def _fill(self, lane: Lane, parts: Sequence[Part]) -> tuple[_Entry, Sequence[Part]]:
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
        if not fits:
            return _Entry(lane, parts, keys[0], values[0], 1, payload), rest
        value = encode(keys, values, lane.hash_text)
        return _Entry(lane, parts, OUTER_KEY, value, len(keys), payload), rest

    def _fly(self, entries: Sequence[_Entry], put: int, lease: int, now: int) -> Flight:
        parts: list[Part] = []
        for entry in entries:
            parts += entry.parts
        for chunk, places, _ in parts:
            owner, above = chunk.owner, chunk.offsets[places[-1]] + 1
            owner.sent_to = max(owner.sent_to, above)
        flight = self.flights[put] = AggregatedFlight(
            put,
            parts,
            [entry.key for entry in entries],
            [entry.value for entry in entries],
            lease,
            now,
            max(map(_ATTEMPTS, parts)) + 1,
            sum(len(entry.value) for entry in entries),
            [entry.lane.hash_text for entry in entries],
            [entry.lane for entry in entries],
            [entry.parts for entry in entries],
            [(entry.records, entry.payload) for entry in entries],
        )
        return flight

    # --- answered ------------------------------------------------------------------------------------------------

    def answered(self, put: int, now: int) -> Flight:
        """Give the request that was answered; its lanes are free, unless what it carried comes back to them."""
        flight = self.flights.pop(put)
        assert isinstance(flight, AggregatedFlight)
        for lane in flight.lanes:
            lane.out = False
            self.lanes.look(lane, now)
        return flight

    def settle(self, flight: Flight, failed: Mapping[int, str], now: int) -> Iterable[Partition]:  # noqa: ARG002 - the port's signature
        """Settle what an answer accepted; `failed` is left to the caller. Gives the partitions that moved on."""
        assert isinstance(flight, AggregatedFlight)
        if failed:
            beyond = max(failed) - len(flight.keys)
            invariant(
                beyond < 0, f"put {flight.put} of {len(flight.keys)} entries was refused {beyond + 1} beyond its last"
            )
        of: dict[Partition, dict[HeldChunk, int]] = {}
        for i, group in enumerate(flight.groups):
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
        for owner, chunks in of.items():
            self._budget.release(owner, owner.ledger.settle_each(chunks))
        return list(of)

    def failed_groups(self, flight: Flight, failed: Mapping[int, str]) -> list[Refused]:
        """Give the records of each refused entry, with one more attempt, and its code; those that are owned first.

        What went with its partition is named beside what is left of its entry, and goes no further: a search must not take the
        one that is left of many for the one that was refused.
        """
        assert isinstance(flight, AggregatedFlight)
        found: list[Refused] = []
        for i, code in failed.items():
            owned = _tried(flight.groups[i])
            if owned:
                parts = [*owned, *(part for part in flight.groups[i] if part.chunk.owner.gone)]
                found.append((parts, [code] * len(parts)))
        return found

    def order_breaks(self, flight: Flight, answer: PutAnswered | None) -> Mapping[str, int]:  # noqa: ARG002 - the port's signature
        """Count nothing: a lane has one aggregate in flight, which lands as a whole."""
        return {}

    def unsettled_parts(self, flight: Flight) -> Sequence[Part]:
        """Give all records of a request that failed as a whole, with one more attempt, as far as they are owned."""
        return _tried(flight.parts)

    def throttled(self, group: Sequence[Part], now: int) -> None:
        """Note that an aggregate was throttled: its shard is slowed down."""
        self.pacer.throttled(self.lanes.lane_of(group[0]).hash_key, now)

    # --- poison --------------------------------------------------------------------------------------------------

    def keep_lane(self, poison: Poison) -> None:
        """Let what is behind a record that the service calls poison wait for it, and the rest of its lane go on."""
        self.parking.park(poison)
        for lane in self.lanes:
            again = self.parking.sift_parts(lane.again)  # first: it is older
            self.lanes.sift(lane, self.parking.sift_parts(lane.queue), again)

    def settle_poison(self, poison: Poison, now: int) -> None:
        """Settle a record that will not land, and let go what waited for it."""
        chunk, place = poison.chunk, poison.place
        owner = chunk.owner
        owner.sent_to = max(owner.sent_to, chunk.offsets[place] + 1)
        released = self.parking.release(poison)  # before its keys go with its chunk
        self._budget.release(owner, owner.ledger.settle_each({chunk: 1}))
        for part in released:
            self._admit(part.chunk, part.places, now)

    def take_poison(self) -> list[Poison]:
        """Give the poison that was met since the last call."""
        met, self._met_poison = self._met_poison, []
        return met

    # --- besides -------------------------------------------------------------------------------------------------

    def holds(self, partition: Partition) -> bool:
        """Say whether anything of a partition is in a lane or in flight (poison, and what is behind it, is not)."""
        in_flight = any(part.chunk.owner is partition for flight in self.flights.values() for part in flight.parts)
        return in_flight or self.lanes.holds(partition)

    def forget_unsent(self, partition: Partition) -> None:
        """Forget the records of a partition that lie above everything that was sent of it, wherever they wait."""
        self.lanes.forget_unsent(partition)
        self.parking.forget_unsent(partition)
        self._met_poison = [poison for poison in self._met_poison if not poison.unsent_of(partition)]


def _tried(parts: Iterable[Part]) -> list[Part]:
    """Count one more attempt of records, as far as they are owned."""
    return [part._replace(attempts=part.attempts + 1) for part in parts if not part.chunk.owner.gone]
