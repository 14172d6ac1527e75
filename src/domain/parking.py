"""What waits behind poison, key by key, where a lane is wider than a key.

A poison record holds up the later records of its own key, and nobody else: the rest of its lane goes on without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from domain.offset_ledger import HeldChunk
from domain.outbox import Part, without_unsent
from domain.partition import Partition
from domain.quarantine import Poison


class Parking:
    """For each key of a partition whose first un-settled record is poison: the records behind it, in order."""

    def __init__(self) -> None:
        self._behind: dict[Partition, dict[str, list[Part]]] = {}

    def sift(self, chunk: HeldChunk, places: Sequence[int]) -> tuple[Sequence[int], list[Poison]]:
        """Give which of these records may go on, and the poison that was met among them; the others wait here."""
        poison = chunk.poison
        keys = self._behind.get(chunk.owner)
        if not poison and not keys:
            return places, []
        if keys is None:
            keys = self._behind[chunk.owner] = {}
        passing: list[int] = []
        met: list[Poison] = []
        for place in places:
            waiting = keys.get(chunk.keys[place])
            if waiting is not None:
                waiting.append(Part(chunk, (place,)))
            elif poison and place in poison:
                keys[chunk.keys[place]] = []
                met.append(Poison(chunk, place, poison[place]))
            else:
                passing.append(place)
        return passing, met

    def park(self, poison: Poison) -> None:
        """Let the later records of a key wait."""
        self._behind.setdefault(poison.chunk.owner, {}).setdefault(poison.chunk.keys[poison.place], [])

    def sift_parts(self, parts: Iterable[Part]) -> list[Part]:
        """Give what may go on of records that were let go before."""
        passing: list[Part] = []
        for chunk, places, attempts in parts:
            keys = self._behind.get(chunk.owner, {})
            stay = {place: None for place in places if chunk.keys[place] in keys}
            for place in stay:
                keys[chunk.keys[place]].append(Part(chunk, (place,), attempts))
            if len(stay) < len(places):
                passing.append(Part(chunk, [p for p in places if p not in stay] if stay else places, attempts))
        return passing

    def release(self, poison: Poison) -> list[Part]:
        """Give what waited behind a poison record that has settled."""
        keys = self._behind.get(poison.chunk.owner, {})
        released = keys.pop(poison.chunk.keys[poison.place], [])
        if not keys:
            self._behind.pop(poison.chunk.owner, None)
        return released

    def forget_unsent(self, partition: Partition) -> None:
        """Forget what was never sent of a partition that drains, or all of one that is gone."""
        if partition.gone:
            self._behind.pop(partition, None)
            return
        for key, waiting in self._behind.get(partition, {}).items():
            self._behind[partition][key] = without_unsent(waiting, partition)

    def __len__(self) -> int:
        return sum(len(part.places) for keys in self._behind.values() for waiting in keys.values() for part in waiting)
