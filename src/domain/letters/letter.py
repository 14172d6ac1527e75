"""A dead letter: which record it is, why it is there, and that record once more as it came from its own topic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from doka.domain.records import Chunk, Original, TopicPartition


class Letter(NamedTuple):
    """What a letter says of its record."""

    source: TopicPartition
    offset: int
    """Where the record stood."""
    code: str
    """Why it could not land."""
    attempts: int
    """How often it was sent to Kinesis before it became a letter."""
    failed_at_ms: int | None
    """When it became one, in ms since the epoch; None where that cannot be read."""
    resent: int = 0
    """How often it had been resent before, each time to come back as a letter."""
    route: str | None = None
    """By which route it could not land; None where the letter does not say it."""

    def route_among(self, routes: Sequence[str]) -> str | None:
        """Give its route among those that read its topic today.

        None where there is none, or where nobody can tell which: it names none of several.
        """
        if self.route in routes:
            return self.route
        return routes[0] if len(routes) == 1 else None


class LetterRecord:
    """The record of a letter (`domain.records.Original`): what its producer gave, without what doka added."""

    __slots__ = ("_headers", "_stored", "_timestamp", "letter")

    def __init__(
        self,
        stored: Original,
        letter: Letter,
        headers: Sequence[tuple[str, bytes | None]],
        timestamp: tuple[int, int] = (0, -1),
    ) -> None:
        """Take the letter as it stands in its topic, what it says, and the record's own headers and timestamp."""
        self._stored = stored
        self._headers = headers
        self._timestamp = timestamp
        self.letter = letter

    def key(self) -> bytes | None:
        """Give the record's key."""
        return self._stored.key()

    def value(self) -> bytes | None:
        """Give the record's value."""
        return self._stored.value()

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        """Give the record's own headers."""
        return list(self._headers) or None

    def timestamp(self) -> tuple[int, int]:
        """Give the record's own timestamp; type 0 where it has none, or its letter does not tell it."""
        return self._timestamp


def records_of(chunk: Chunk, records: Sequence[tuple[int, LetterRecord]]) -> Chunk:
    """Give the records of some letters of a chunk, each by its place in it; they keep the letters' offsets.

    Where each stood itself is in `origins`.
    """
    places = [place for place, _ in records]
    return Chunk(
        chunk.partition,
        [chunk.offsets[place] for place in places],
        [chunk.keys[place] for place in places],
        [chunk.values[place] for place in places],
        chunk.timestamp_ms,
        originals=[record for _, record in records],
        header_bytes=chunk.header_bytes,
        origins=[(record.letter.source, record.letter.offset) for _, record in records],
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters are wanted; what is empty or None asks for nothing."""

    codes: frozenset[str] = frozenset()
    keys: frozenset[bytes] = frozenset()
    since_ms: int | None = None
    until_ms: int | None = None
    """Times at which they became letters: from the first on, and before the other."""
    places: tuple[tuple[TopicPartition, int, int], ...] = ()
    """Where they stand: partition, first offset, and one above the last."""

    def takes(self, letter: Letter, key: bytes | None, partition: TopicPartition, offset: int) -> bool:
        """Say whether a letter is wanted; one that does not say when it became one is, whatever the times."""
        at = letter.failed_at_ms
        return (
            (not self.codes or letter.code in self.codes)
            and (not self.keys or key in self.keys)
            and (at is None or self.since_ms is None or self.since_ms <= at)
            and (at is None or self.until_ms is None or at < self.until_ms)
            and (not self.places or _among(self.places, partition, offset))
        )


def _among(places: Iterable[tuple[TopicPartition, int, int]], partition: TopicPartition, offset: int) -> bool:
    return any(partition == where and first <= offset < end for where, first, end in places)
