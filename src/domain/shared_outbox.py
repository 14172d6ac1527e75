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

from domain.events import PutAnswered
from domain.offset_ledger import HeldChunk
from domain.order_breaks import LaneOf, count_breaks, lane_of, runs_of
from domain.outbox import Flight, Outbox, Part, Refused
from domain.partition import Partition
from domain.quarantine import Poison
from domain.shared_lanes import SharedLanes


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
        """Make ready what its lanes let go together, up to what can never land."""
        lanes = _lanes(owner)
        for key, offsets in lanes.take_runs():
            for chunk, places in owner.ledger.find(offsets):
                sound = places if chunk.poison is None else _before(chunk.poison, places)
                self._append(chunk, sound, now)
                if len(sound) < len(places):
                    first, end = offsets[0], chunk.offsets[places[len(sound)]]
                    if end == first:  # its turn has come: it keeps the lane alone
                        self._let_go(chunk, places[:1], now)
                    lanes.take_back(key, [offset for offset in offsets if offset >= max(end, first + 1)])
                    break

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
        if len(set(flight.keys)) < len(flight.keys):
            flight = self.flights[put] = replace(flight, runs=runs_of(flight.parts))
        return flight, rest

    def take(self, room: int) -> list[Part]:
        """Take at most `room` records out of what is ready; of the last lane, the others go back into it."""
        taken = super().take(room)
        if taken:
            self._cut_behind(taken[-1])
        return taken

    def _cut_behind(self, last: Part) -> None:
        """Take back what is ready behind these records of the same lane."""
        ready, lane = self._ready, lane_of(last)
        behind: list[Part] = []
        while lane is not None and ready and lane_of(ready[0]) == lane:
            behind.append(ready.popleft())
        if behind and lane is not None:
            self.waiting -= _take_back(lane, behind)

    def _at_their_pace(self, parts: Sequence[Part], now: int) -> list[Part]:
        """Keep back the records of slowed shards whose time has not come; in a lane, all behind the first of them."""
        leaving: list[Part] = []
        for lane, of_lane in _grouped(parts):
            if lane is None:
                leaving += super()._at_their_pace(of_lane, now)
                continue
            at = now
            first: list[Part] = []
            behind: list[Part] = []
            for part in of_lane:
                fit = 0
                while at <= now and fit < len(part.places):
                    size = len(part.chunk.values[part.places[fit]]) + len(lane[1])
                    at = self.pacer.leaves_at(lane[1], size, now)
                    fit += at <= now
                first += [part._replace(places=part.places[:fit])] if fit else []
                behind += [part._replace(places=part.places[fit:])] if fit < len(part.places) else []
            leaving += first
            if not first:
                self.delay(behind, at)
            elif behind:
                _take_back(lane, behind)
        return leaving

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
        lane = (poison.chunk.owner, poison.chunk.keys[poison.place])
        behind = [part for part in self._ready if lane_of(part) == lane and _first(part) > poison.offset]
        if behind:
            self._ready = deque(part for part in self._ready if part not in behind)
            self.waiting -= _take_back(lane, behind)


def _lanes(owner: Partition) -> SharedLanes:
    lanes = owner.lanes
    assert isinstance(lanes, SharedLanes)
    return lanes


def _before(poison: Mapping[int, str], places: Sequence[int]) -> Sequence[int]:
    """Give the places before the first of a record that can never land."""
    return next((places[:i] for i, place in enumerate(places) if place in poison), places)


def _first(part: Part) -> int:
    """Give the lowest offset of a part."""
    return part.chunk.offsets[part.places[0]]


def _take_back(lane: LaneOf, parts: Iterable[Part]) -> int:
    """Give records of a lane back to it; says how many."""
    owner, key = lane
    offsets = [chunk.offsets[place] for chunk, places, _ in parts for place in places]
    _lanes(owner).take_back(key, offsets)
    return len(offsets)


def _grouped(parts: Iterable[Part]) -> list[tuple[LaneOf | None, list[Part]]]:
    """Put together the neighbours of one lane; a part of many lanes stands by itself, without one."""
    groups: list[tuple[LaneOf | None, list[Part]]] = []
    for part in parts:
        lane = lane_of(part)
        if lane is not None and groups and groups[-1][0] == lane:
            groups[-1][1].append(part)
        else:
            groups.append((lane, [part]))
    return groups


def side_by_side(parts: Iterable[Part]) -> list[Part]:
    """Order parts so that those of one lane are neighbours and ascend; lanes stay in the order of their first."""
    groups = _grouped(parts)
    of_lane: dict[object, list[Part]] = {}
    for at, (lane, some) in enumerate(groups):
        of_lane.setdefault(at if lane is None else lane, []).extend(some)
    return [part for some in of_lane.values() for part in sorted(some, key=_first)]
