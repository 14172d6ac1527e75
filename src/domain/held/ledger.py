"""Which offset may be committed: one ledger for each owned partition.

Theory of operation. A partition's records are held as a queue of chunks in offset order.
Each chunk knows how many of its records are not settled yet (`open`); settling is a subtraction, never a search.
The watermark is the offset below which everything is settled: it passes a chunk when that chunk and all before it have
none open, and it is the only thing that is ever committed.

    settled        settled, but not below the watermark ("ahead")
    v              v
    |==========|===|..=====..|=====|......|
               ^ watermark         ^ a crash here repeats `ahead` records, and loses none

Offsets may have holes (compaction, transaction markers): a chunk ends one above its last record, and whatever lies
between two chunks never was a record.
The end of the log completes the partition up to there in the same way, as a chunk without records; without that an
idle transactional topic would show lag for ever.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

from doka.domain.errors import InvariantError, invariant
from doka.domain.records import Original

if TYPE_CHECKING:
    from doka.domain.partitions.partition import Partition


class HeldChunk:
    """A chunk on its way: its columns as they will be sent, and how many of its records are not settled.

    Once nothing of it is open it lets go of keys and values; only its end remains until the watermark has passed it.
    """

    __slots__ = (
        "_first",
        "arrived",
        "count",
        "end",
        "held_bytes",
        "keys",
        "offsets",
        "open",
        "originals",
        "owner",
        "poison",
        "timestamp_ms",
        "values",
    )

    def __init__(
        self,
        owner: Partition,
        offsets: Sequence[int],
        keys: Sequence[str],
        values: Sequence[bytes],
        *,
        arrived: int,
        timestamp_ms: int,
        held_bytes: int,
        poison: dict[int, str] | None = None,
        originals: Sequence[Original] = (),
    ) -> None:
        self.owner = owner
        self.offsets = offsets
        self.keys = keys
        self.values = values
        self.count = self.open = len(offsets)
        self._first = offsets[0] if offsets[-1] - offsets[0] == len(offsets) - 1 else None  # None: it has holes
        self.end = offsets[-1] + 1
        self.arrived = arrived
        self.timestamp_ms = timestamp_ms
        self.held_bytes = held_bytes
        self.poison = poison
        self.originals = originals

    def places_of(self, offsets: Iterable[int]) -> list[int]:
        """Give the places of records by their offsets."""
        if (first := self._first) is not None:
            return [offset - first for offset in offsets]
        return [bisect_left(self.offsets, offset) for offset in offsets]

    def __repr__(self) -> str:
        return f"HeldChunk({self.owner.tp} ..{self.end}, {self.open} of {self.count} open)"


_END = attrgetter("end")


class OffsetLedger:
    """The watermark of one partition: monotone, and never above a record that is not settled."""

    __slots__ = ("_ahead", "_chunks", "_open", "_tail", "passed", "watermark")

    def __init__(self, start: int) -> None:
        self.watermark = start
        self.passed = 0  # records that the watermark has passed since then
        self._chunks: deque[HeldChunk] = deque()
        self._tail: int | None = None  # an end of the log above the last chunk, complete once that chunk is
        self._open = 0
        self._ahead = 0

    @property
    def open(self) -> int:
        """Records that are held and not settled."""
        return self._open

    @property
    def ahead(self) -> int:
        """Records that are settled above the watermark: what a crash right after a commit would repeat."""
        return self._ahead

    @property
    def above_watermark(self) -> int:
        """Records above the watermark, settled or not."""
        return self._open + self._ahead

    @property
    def oldest(self) -> HeldChunk | None:
        """The chunk at which the watermark waits."""
        return self._chunks[0] if self._chunks else None

    def append(self, chunk: HeldChunk) -> None:
        """Take the next chunk of the partition; its first offset is at or above the end of the one before."""
        last = self._chunks[-1].end if self._chunks else self.watermark
        if chunk.offsets[0] < last:
            raise InvariantError(f"{chunk!r} begins below {last}, the end of what is held")
        self._chunks.append(chunk)
        self._open += chunk.count
        self._tail = None

    def complete_to(self, offset: int) -> None:
        """Note that nothing more lies below `offset` (the end of the log, or a gap that was stepped over)."""
        if self._chunks:
            self._tail = max(offset, self._chunks[-1].end)
        else:
            self.watermark = max(self.watermark, offset)

    def settle(self, chunk: HeldChunk, records: int) -> int:
        """Subtract settled records of a chunk; give the bytes that became free."""
        return self.settle_each({chunk: records})

    def settle_each(self, settled: Mapping[HeldChunk, int]) -> int:
        """Subtract settled records of several chunks; give the bytes that became free."""
        freed = 0
        for chunk, records in settled.items():
            if not 0 < records <= chunk.open:  # the text is made only when it is needed: this is the hottest place
                raise InvariantError(f"{records} records of {chunk!r} settle twice")
            chunk.open -= records
            if not chunk.open:
                freed += chunk.held_bytes
                chunk.held_bytes = 0
                chunk.keys = chunk.values = chunk.originals = ()
        records = sum(settled.values())
        self._open -= records
        self._ahead += records
        if not self._chunks[0].open:
            self._advance()
        return freed

    def find(self, offsets: list[int]) -> Iterator[tuple[HeldChunk, list[int]]]:
        """Give the chunks that hold these records, each with their places, ascending; sorts `offsets`."""
        offsets.sort()
        chunks, at, first = self._chunks, 0, 0
        while first < len(offsets):
            if chunks[at].end <= offsets[first]:  # the next chunk, most often; else far away
                at = bisect_right(chunks, offsets[first], at + 1, key=_END)
            chunk = chunks[at]
            last = bisect_left(offsets, chunk.end, first)
            yield chunk, chunk.places_of(offsets[first:last])
            first = last
            at += last < len(offsets)

    def truncate(self, offset: int) -> int:
        """Forget every record at or above `offset`, which nobody sent; give the bytes that became free."""
        freed = 0
        chunks = self._chunks
        self._tail = None
        while chunks and chunks[-1].end > offset:
            last = chunks[-1]
            keep = bisect_right(last.offsets, offset - 1)
            forgotten = last.count - keep
            invariant(forgotten <= last.open, f"{last!r} forgets settled records above {offset}")
            last.open -= forgotten
            last.count = keep
            self._open -= forgotten
            if not last.open:
                freed += last.held_bytes
                last.held_bytes = 0
                last.keys = last.values = ()
            if keep:
                last.end = last.offsets[keep - 1] + 1
                break
            chunks.pop()
        self._advance()
        return freed

    def held_bytes(self) -> int:
        """Count the bytes of all chunks that still have open records."""
        return sum(chunk.held_bytes for chunk in self._chunks)

    def _advance(self) -> None:
        chunks = self._chunks
        while chunks and not chunks[0].open:
            passed = chunks.popleft()
            self.watermark = passed.end
            self.passed += passed.count
            self._ahead -= passed.count
        if not chunks and self._tail is not None:
            self.watermark = max(self.watermark, self._tail)
            self._tail = None
