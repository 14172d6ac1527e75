"""What a route has let go where records of one key may share a request: `ordering: key_in_request`.

Theory of operation. Whatever a lane has let go is together, in order: in one request, or side by side among what is
ready or delayed, or in the search for poison. So a key never has two requests.

    let go     all that waits in a lane becomes ready, side by side
    cut        the end of a request, a shard's pace, or poison parts what was side by side: what is behind the cut is
               taken back into its lane, and waits until what is before it is settled
    refused    what was refused of a lane goes again together, in order, after one wait

Order then breaks only inside a request; `order_breaks.py` counts where it has.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from doka.domain.events import PutAnswered
from doka.domain.held.ledger import HeldChunk
from doka.domain.held.parts import Part, Refused
from doka.domain.held.shared_lanes import SharedLanes
from doka.domain.partitions.partition import Partition
from doka.domain.poison.quarantine import Poison
from doka.domain.sending.order_breaks import LaneOf, count_breaks
from doka.domain.sending.outbox import Flight, Outbox


class SharedOutbox(Outbox):
    """Every record in here is in exactly one place, and beside all others that its lane has let go."""

    tells_records_apart: ClassVar = False
    several_of_a_key: ClassVar = True

    # --- in ------------------------------------------------------------------------------------------------------

    def admit(self, chunk: HeldChunk, now: int) -> None:
        """Take a chunk that its partition's ledger holds; the records whose lanes are free become ready."""
        super().admit(chunk, now)
        self._let_runs_go(chunk.owner, now)

    def _settled(self, owner: Partition, keys: Sequence[str], chunks: Mapping[HeldChunk, int], now: int) -> None:
        super()._settled(owner, keys, chunks, now)
        self._let_runs_go(owner, now)

    def _let_runs_go(self, owner: Partition, now: int) -> None:
        """Make ready what its lanes let go together, up to what can never land; side by side, a part for each chunk."""
        chunk: HeldChunk | None = None
        together: list[int] = []  # places of that chunk
        for key, offsets in _lanes(owner).take_runs():
            if chunk is not None and chunk.offsets[0] <= offsets[0] and offsets[-1] < chunk.end:
                together += chunk.places_of(offsets)  # most of them
                continue
            for found, places in owner.ledger.find(offsets):
                if chunk is not None:
                    self._append(chunk, together, now)
                if found.poison is None:
                    chunk, together = found, list(places)
                    continue
                chunk = None
                if self._cut_at_poison(key, offsets, found, places, now):
                    break
        if chunk is not None:
            self._append(chunk, together, now)

    def _cut_at_poison(self, key: str, offsets: list[int], chunk: HeldChunk, places: list[int], now: int) -> bool:
        """Make ready what comes of a run before what can never land, and take the rest back; False: there is no such."""
        poison = chunk.poison or {}
        sound = next((i for i, place in enumerate(places) if place in poison), len(places))
        self._append(chunk, places[:sound], now)
        if sound == len(places):
            return False
        first, end = offsets[0], chunk.offsets[places[sound]]
        if end == first:  # its turn has come: it keeps the lane alone
            self._let_go(chunk, places[:1], now)
        _lanes(chunk.owner).take_back(key, [offset for offset in offsets if offset >= max(end, first + 1)])
        return True

    def put_back(self, parts: Iterable[Part], now: int) -> None:
        """Make parts ready again, before everything else, those of a lane side by side."""
        super().put_back(side_by_side(parts), now)

    def delay(self, parts: Iterable[Part], until: int) -> None:
        """Keep parts for another try at `until`, those of a lane side by side; their lanes stay busy."""
        super().delay(side_by_side(parts), until)

    # --- out -----------------------------------------------------------------------------------------------------

    def pack(self, put: int, lease: int, now: int) -> Flight | None:
        """Fill one request from what is ready; what it has no room for waits for what it holds of the same lane."""
        flight = super().pack(put, lease, now)
        if flight is not None:
            self._cut_behind(flight.parts[-1])
            if not self.waiting:
                self.ready_since = None
        return flight

    def pack_parts(self, parts: Sequence[Part], put: int, lease: int, now: int) -> tuple[Flight, Sequence[Part]]:
        """Make one request of just these parts, and note it as in flight; gives also what does not fit its bytes."""
        flight, rest = super().pack_parts(parts, put, lease, now)
        for chunk, places, _ in flight.parts:
            owner, above = chunk.owner, chunk.offsets[max(places)] + 1  # runs side by side do not ascend
            owner.sent_to = max(owner.sent_to, above)
        if len(set(flight.keys)) < len(flight.keys):
            flight = self.flights[put] = replace(flight, shares=True)
        return flight, rest

    def take(self, room: int) -> list[Part]:
        """Take at most `room` records out of what is ready; of the last lane, the others go back into it."""
        taken = super().take(room)
        if taken:
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
            _lanes(owner).take_back(key, behind)

    def _at_their_pace(self, parts: Sequence[Part], now: int) -> list[Part]:
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
            _lanes(lane[0]).take_back(lane[1], offsets)

    # --- answered ------------------------------------------------------------------------------------------------

    def failed_groups(self, flight: Flight, failed: Mapping[int, str]) -> list[Refused]:
        """Give the refused records of each lane, as far as they are owned, with one more attempt and their codes."""
        groups: dict[LaneOf, tuple[list[Part], list[str]]] = {}
        entry = 0
        for chunk, places, attempts in flight.parts:
            for place in places:
                if entry in failed and not chunk.owner.gone:
                    parts, codes = groups.setdefault((chunk.owner, flight.keys[entry]), ([], []))
                    parts.append(Part(chunk, (place,), attempts + 1))
                    codes.append(failed[entry])
                entry += 1
        return list(groups.values())

    def order_breaks(self, flight: Flight, answer: PutAnswered | None) -> Mapping[str, int]:
        """Count the records that came behind a later one of their key, by cause."""
        return count_breaks(flight, answer)

    def keep_lane(self, poison: Poison) -> None:
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
            _lanes(owner).take_back(key, behind)


def _lanes(owner: Partition) -> SharedLanes:
    lanes = owner.lanes
    assert isinstance(lanes, SharedLanes)
    return lanes


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
    for chunk, place, attempts in records:
        if parts and parts[-1].chunk is chunk and parts[-1].attempts == attempts:
            places = parts[-1].places
            assert isinstance(places, list)
            places.append(place)
        else:
            parts.append(Part(chunk, [place], attempts))
    return parts
