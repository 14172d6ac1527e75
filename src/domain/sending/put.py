"""One PutRecords request, from its packing to its answer, and whose records it carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from doka.domain.errors import invariant
from doka.domain.held.ledger import OffsetLedger, Part, count
from doka.domain.records import TopicPartition

LaneOf = tuple[OffsetLedger, str]
"""A lane of a partition by its ledger and its key."""


class Refusal(NamedTuple):
    """Refused records that must be tried together; as far as they are owned, with one more attempt."""

    parts: Sequence[Part]
    codes: Sequence[str]
    """Why, of each part."""
    apart: bool
    """Whether each of these records was refused by itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Put:
    """One request in flight, with its records in the order of its entries."""

    number: int
    parts: Sequence[Part]
    keys: Sequence[str]
    values: Sequence[bytes]
    lease: int
    sent_at: int
    attempts: int
    entry_bytes: int
    """Of the data of all entries."""
    records: int
    payload_bytes: int
    """Of the data of all records."""
    hash_keys: Sequence[str] | None = None
    """The explicit hash key of each entry; None: each is placed by its key."""
    shares: bool = False
    """Whether it holds several records of a key side by side, as entries of their own."""
    groups: Sequence[Sequence[Part]] | None = None
    """The records of each entry, where an entry is an aggregate; None: each entry is one record."""

    def hashed(self, entry: int) -> str | int:
        """Give what places an entry: its partition key, or its explicit hash key as a number."""
        return self.keys[entry] if self.hash_keys is None else int(self.hash_keys[entry])

    def must_have(self, failed: Mapping[int, str]) -> None:
        """Raise InvariantError where an entry is refused that it does not have."""
        beyond = max(failed) - len(self.keys)
        invariant(beyond < 0, f"put {self.number} of {len(self.keys)} entries was refused {beyond + 1} beyond its last")

    def landed(self, failed: Mapping[int, str]) -> tuple[int, int]:
        """Give how many records landed, and the bytes of their data, where these entries `failed`."""
        if self.groups is None:
            return self.records - len(failed), self.payload_bytes - sum(len(self.values[i]) for i in failed)
        refused = [part for i in failed for part in self.groups[i]]
        payload = sum(len(part.chunk.values[place]) for part in refused for place in part.places)
        return self.records - count(refused), self.payload_bytes - payload

    def places(self) -> list[list[tuple[TopicPartition, int]]]:
        """Name the records of each entry."""
        groups = ([part] for part in self.parts) if self.groups is None else self.groups
        named = [[(p.chunk.owner.tp, p.chunk.offsets[i]) for p in group for i in p.places] for group in groups]
        return named if self.groups is not None else [[record] for part in named for record in part]

    def again(self) -> list[Part]:
        """Give its records for another try, as far as they are owned."""
        return tried(self.parts)

    def refusals(self, failed: Mapping[int, str]) -> list[Refusal]:
        """Give the records of refused entries: of an aggregate, else of a lane, else of a part with one code, together."""
        if self.groups is not None:
            return self._by_entry(self.groups, failed)
        return self._by_lane(failed) if self.shares else self._by_part(failed)

    def _by_part(self, failed: Mapping[int, str]) -> list[Refusal]:
        found: list[Refusal] = []
        first = 0
        for chunk, places, attempts in self.parts:
            by_code: dict[str, list[int]] = {}
            for entry, place in enumerate(places, first):
                if entry in failed and not chunk.owner.gone:
                    by_code.setdefault(failed[entry], []).append(place)
            found += [
                Refusal((Part(chunk, some, attempts + 1),), (code,), apart=True) for code, some in by_code.items()
            ]
            first += len(places)
        return found

    def _by_lane(self, failed: Mapping[int, str]) -> list[Refusal]:
        lanes: dict[LaneOf, tuple[list[Part], list[str]]] = {}
        entry = 0
        for chunk, places, attempts in self.parts:
            for place in places:
                if entry in failed and not chunk.owner.gone:
                    parts, codes = lanes.setdefault((chunk.owner, self.keys[entry]), ([], []))
                    parts.append(Part(chunk, (place,), attempts + 1))
                    codes.append(failed[entry])
                entry += 1
        return [Refusal(parts, codes, apart=len(parts) == 1) for parts, codes in lanes.values()]

    @staticmethod
    def _by_entry(groups: Sequence[Sequence[Part]], failed: Mapping[int, str]) -> list[Refusal]:
        """Name what went with its partition beside what is left of its entry, the owned first.

        It goes no further; but a search must not take the one that is left of many for the one that was refused.
        """
        found: list[Refusal] = []
        for i, code in failed.items():
            owned = tried(groups[i])
            if owned:
                parts = [*owned, *(part for part in groups[i] if part.chunk.owner.gone)]
                found.append(Refusal(parts, [code] * len(parts), apart=count(parts) == 1))
        return found


def tried(parts: Sequence[Part]) -> list[Part]:
    """Count one more attempt of records, as far as they are owned."""
    return [part._replace(attempts=part.attempts + 1) for part in parts if not part.chunk.owner.gone]
