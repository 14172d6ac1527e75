"""What waits behind poison, key by key, where a lane is wider than a key.

A poison record holds up the later records of its own key, and nobody else: the rest of its lane goes on without it, and
so do the earlier records of the key, which may still be on their way when the poison is met.
A key may have several: the first holds up all that is behind it.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence

from doka.domain.held.ledger import HeldChunk, OffsetLedger, Part, without_unsent
from doka.domain.poison.quarantine import Poison


class _Key:
    """One key of one partition."""

    __slots__ = ("poison", "waiting")

    def __init__(self) -> None:
        self.poison: list[int] = []  # offsets, ascending
        self.waiting: list[Part] = []  # single records behind the first of them, by their offsets


def _offset(part: Part) -> int:
    return part.chunk.offsets[part.places[0]]


class Parking:
    """For each key with un-settled poison: the records behind the first of it, in order."""

    def __init__(self) -> None:
        self._keys: dict[OffsetLedger, dict[str, _Key]] = {}

    def sift(self, chunk: HeldChunk, places: Sequence[int]) -> tuple[Sequence[int], list[Poison]]:
        """Give which of these records may go on, and the poison that was met among them; the others wait here."""
        poison = chunk.poison
        keys = self._keys.get(chunk.owner)
        if not poison and not keys:
            return places, []
        passing: list[int] = []
        met: list[Poison] = []
        for place in places:
            if self._waits(chunk, place):
                self._let_wait(Part(chunk, (place,)))
            elif poison and place in poison:
                met.append(Poison(chunk, place, poison[place]))
                self.park(met[-1])
            else:
                passing.append(place)
        return passing, met

    def park(self, poison: Poison) -> None:
        """Let the later records of a key wait."""
        key = self._keys.setdefault(poison.chunk.owner, {}).setdefault(poison.chunk.keys[poison.place], _Key())
        insort(key.poison, poison.offset)

    def sift_parts(self, parts: Iterable[Part]) -> list[Part]:
        """Give what may go on of records that were let go before; those of partitions that are gone do not."""
        passing: list[Part] = []
        for part in parts:
            chunk, places, attempts = part
            if chunk.owner.gone:
                continue
            if chunk.owner not in self._keys:
                passing.append(part)
                continue
            stay = [place for place in places if self._waits(chunk, place)]
            for place in stay:
                self._let_wait(Part(chunk, (place,), attempts))
            if len(stay) < len(places):
                gone = set(stay)
                passing.append(part if not stay else part._replace(places=[p for p in places if p not in gone]))
        return passing

    def release(self, poison: Poison) -> list[Part]:
        """Give what waited behind a poison record that has settled, as far as no other holds it up."""
        keys = self._keys.get(poison.chunk.owner, {})
        name = poison.chunk.keys[poison.place]
        key = keys.get(name)
        if key is None:
            return []
        key.poison.remove(poison.offset)
        if key.poison:
            released = bisect_right(key.waiting, key.poison[0], key=_offset)
            parts, key.waiting = key.waiting[:released], key.waiting[released:]
            return parts
        del keys[name]
        if not keys:
            del self._keys[poison.chunk.owner]
        return key.waiting

    def forget_unsent(self, ledger: OffsetLedger) -> None:
        """Forget what was never sent of a partition that drains, or all of one that is gone."""
        if ledger.gone:
            self._keys.pop(ledger, None)
            return
        for key in self._keys.get(ledger, {}).values():
            key.waiting = without_unsent(key.waiting, ledger)

    def waiting(self) -> Iterable[Part]:
        """Walk over all that waits, for checks."""
        return (part for keys in self._keys.values() for key in keys.values() for part in key.waiting)

    def _waits(self, chunk: HeldChunk, place: int) -> bool:
        """Say whether a record is behind poison of its key."""
        key = self._keys.get(chunk.owner, {}).get(chunk.keys[place])
        return key is not None and key.poison[0] < chunk.offsets[place]

    def _let_wait(self, part: Part) -> None:
        insort(self._keys[part.chunk.owner][part.chunk.keys[part.places[0]]].waiting, part, key=_offset)

    def __len__(self) -> int:
        return sum(1 for _ in self.waiting())
