"""The log of one partition, with what makes real logs awkward: holes, markers, retention, an end above all records."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from doka.domain.records import Chunk, TopicPartition


@dataclass(frozen=True, slots=True)
class SimulatedOriginal:
    """A whole record, as `domain.records.Original`."""

    key_bytes: bytes | None
    value_bytes: bytes | None
    stamp_ms: int
    header_pairs: tuple[tuple[str, bytes | None], ...] = ()

    def key(self) -> bytes | None:
        """Give the record's key."""
        return self.key_bytes

    def value(self) -> bytes | None:
        """Give the record's value."""
        return self.value_bytes

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        """Give the record's headers, or None when it has none."""
        return list(self.header_pairs) or None

    def timestamp(self) -> tuple[int, int]:
        """Give (1: when it was created, ms since the epoch)."""
        return 1, self.stamp_ms


KEY_HEADER = "key"
"""The header that repeats a record's key."""


def headers_of(key: bytes | None) -> tuple[tuple[str, bytes | None], ...]:
    """Give the headers of every record of this key: one without content, and of the key's own the last is the one that counts."""
    return (("empty", None),) if key is None else ((KEY_HEADER, b"former"), ("empty", None), (KEY_HEADER, key))


class PartitionLog:
    """Records in offset order, as columns; `start` <= every offset < `end`."""

    def __init__(self, partition: TopicPartition, start: int = 0) -> None:
        self.partition = partition
        self.incarnation = 0  # how often the topic was deleted and created again
        self.start = start
        self.end = start
        self.offsets: list[int] = []
        self.keys: list[bytes | None] = []
        self.values: list[bytes | None] = []
        self.stamps_ms: list[int] = []

    def append(self, key: bytes | None, value: bytes | None, stamp_ms: int) -> int:
        """Write a record; give its offset."""
        offset = self.end
        self.offsets.append(offset)
        self.keys.append(key)
        self.values.append(value)
        self.stamps_ms.append(stamp_ms)
        self.end += 1
        return offset

    def skip(self, offsets: int) -> None:
        """Write transaction markers: offsets that never are delivered."""
        self.end += offsets

    def compact(self, offset: int) -> bool:
        """Remove one record, as compaction does; False when there is none."""
        place = bisect_left(self.offsets, offset)
        if place == len(self.offsets) or self.offsets[place] != offset:
            return False
        for column in (self.offsets, self.keys, self.values, self.stamps_ms):
            del column[place]
        return True

    def trim(self, start: int) -> list[int]:
        """Remove everything below `start`, as retention does; give the offsets of the records that went."""
        place = bisect_left(self.offsets, start)
        gone = self.offsets[:place]
        for column in (self.offsets, self.keys, self.values, self.stamps_ms):
            del column[:place]
        self.start = max(self.start, min(start, self.end))
        return gone

    def recreate(self) -> None:
        """Begin anew, as the log of another topic of the same name: without records, from offset 0 on."""
        for column in (self.offsets, self.keys, self.values, self.stamps_ms):
            del column[:]
        self.start = self.end = 0
        self.incarnation += 1

    def place_of(self, offset: int) -> int:
        """Give the index of the first record at or above `offset`."""
        return bisect_left(self.offsets, offset)

    def read(self, position: int, limit: int, *, whole: bool = False) -> Chunk | None:
        """Give up to `limit` records from `position` on, with the originals if `whole`; None when there are none."""
        first = self.place_of(position)
        last = min(first + limit, len(self.offsets))
        if first == last:
            return None
        return Chunk(
            self.partition,
            self.offsets[first:last],
            self.keys[first:last],
            self.values[first:last],
            timestamp_ms=self.stamps_ms[first],
            originals=self._originals(first, last) if whole else (),
        )

    def _originals(self, first: int, last: int) -> list[SimulatedOriginal]:
        columns = (self.keys[first:last], self.values[first:last], self.stamps_ms[first:last])
        return [
            SimulatedOriginal(key, value, stamp, headers_of(key)) for key, value, stamp in zip(*columns, strict=True)
        ]
