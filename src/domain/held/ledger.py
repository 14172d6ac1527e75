"""What a route holds of a partition, and how far it has come there: one ledger for each leg of an owned partition.

Theory of operation. A partition's records are held as a queue of chunks in offset order.
Each chunk knows how many of its records are not settled yet (`open`); settling is a subtraction, never a search.
The watermark is the offset below which everything is settled: it passes a chunk when that chunk and all before it have
none open, and nothing above it is ever committed.

    settled        settled, but not below the watermark ("ahead")
    v              v
    |==========|===|..=====..|=====|......|
               ^ watermark         ^ a crash here repeats `ahead` records, and loses none

Offsets may have holes (compaction, transaction markers): a chunk ends one above its last record, and whatever lies
between two chunks never was a record.
The end of the log completes the partition up to there in the same way, as a chunk without records; without that an
idle transactional topic would show lag for ever.

Where several routes read the partition, Kafka is told the lowest of their watermarks. A ledger above that remembers which
records it has passed, as runs of offsets, so that it knows how many of them a crash would repeat.

What travels are parts: some records of one chunk. Whoever holds one finds its ledger by it, and through that its lanes,
whether it drains, and whether it is gone.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import NamedTuple

from doka.domain.errors import InvariantError, invariant
from doka.domain.held.lanes import Lanes
from doka.domain.records import Original, TopicPartition


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
        owner: OffsetLedger,
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

    def run(self) -> Sequence[int]:
        """Give the offsets of its records; a drain may have cut them."""
        first = self._first
        return self.offsets[: self.count] if first is None else range(first, first + self.count)

    def __repr__(self) -> str:
        return f"HeldChunk({self.owner.tp} ..{self.end}, {self.open} of {self.count} open)"


_END = attrgetter("end")


class OffsetLedger:
    """The watermark of one leg, and all that is held of it; monotone, and never above a record that is not settled.

    Each field is written by one class, which its comment names; where it names none, that is the ledger.
    """

    __slots__ = (
        "_chunks",
        "_passed_runs",
        "_tail",
        "ahead",
        "committed",
        "committed_passed",
        "draining",
        "gone",
        "held_bytes",
        "lanes",
        "open",
        "passed",
        "sent_to",
        "tp",
        "watermark",
    )

    def __init__(self, tp: TopicPartition, start: int, lanes: Lanes, *, alone: bool = True) -> None:
        """Begin at `start`; `alone`: no other route reads the partition, so that Kafka is told this very watermark."""
        self.tp = tp
        self.lanes = lanes
        self.sent_to = start  # one above the highest offset that was ever sent, by `note_sent`
        self.held_bytes = 0  # Budget: of what is fetched and not settled
        self.draining = False  # by `begin_drain`: what was never sent is forgotten, and nothing new is sent
        self.gone = False  # Intake: it belongs to somebody else, and whatever still refers to it is passed over
        self.committed = start  # the offset that Kafka is known to hold
        self.committed_passed = 0  # `passed` when that offset was passed
        self.watermark = start
        self.passed = 0  # records that the watermark has passed since then
        self.open = 0  # records that are held and not settled
        self.ahead = 0  # records that are settled above the watermark: what a crash right after a commit would repeat
        self._chunks: deque[HeldChunk] = deque()
        self._tail: int | None = None  # an end of the log above the last chunk, complete once that chunk is
        # Offsets that the watermark has passed, and Kafka is not known to hold; None where nobody needs them.
        self._passed_runs: deque[Sequence[int]] | None = None if alone else deque()

    @property
    def uncommitted(self) -> int:
        """Records below the watermark that Kafka is not known to have taken the offset of: a crash repeats them."""
        return self.passed - self.committed_passed

    @property
    def reach(self) -> int:
        """Records above the offset that Kafka is known to hold, settled or not."""
        return self.open + self.ahead + self.passed - self.committed_passed

    @property
    def oldest(self) -> HeldChunk | None:
        """The chunk at which the watermark waits."""
        return self._chunks[0] if self._chunks else None

    def passed_below(self, offset: int) -> int:
        """Give what `passed` was when `offset` was passed, which is not above the watermark."""
        if offset >= self.watermark or self._passed_runs is None:
            return self.passed
        above = 0
        for run in reversed(self._passed_runs):
            if run[-1] < offset:
                break
            above += len(run) - bisect_left(run, offset)
        return self.passed - above

    def note_committed(self, offset: int, passed: int) -> None:
        """Note that Kafka holds `offset`, below which `passed` records were."""
        self.committed = max(self.committed, offset)
        self.committed_passed = passed
        runs = self._passed_runs
        while runs and runs[0][-1] < offset:
            runs.popleft()

    def goes_on_from(self, before: OffsetLedger) -> None:
        """Take over what Kafka is known to hold, from a ledger of the same leg that had passed where this one begins."""
        self.committed = before.committed
        self.passed = before.passed_below(self.watermark) - before.committed_passed

    def note_sent(self, offset: int) -> None:
        """Note that the record at `offset` is about to be sent, to the stream or to the dead-letter topic."""
        if offset >= self.sent_to:
            self.sent_to = offset + 1

    def begin_drain(self) -> None:
        """Forget what was let in and never sent, here and in the lanes."""
        self.draining = True
        self.lanes.forget_from(self.sent_to)
        self._truncate(self.sent_to)

    def append(self, chunk: HeldChunk) -> None:
        """Take the next chunk of the partition; its first offset is at or above the end of the one before."""
        last = self._chunks[-1].end if self._chunks else self.watermark
        if chunk.offsets[0] < last:
            raise InvariantError(f"{chunk!r} begins below {last}, the end of what is held")
        self._chunks.append(chunk)
        self.open += chunk.count
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
        self.open -= records
        self.ahead += records
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
            at += 1

    def _truncate(self, offset: int) -> None:
        """Forget every record at or above `offset`, which nobody sent."""
        chunks = self._chunks
        self._tail = None
        while chunks and chunks[-1].end > offset:
            last = chunks[-1]
            keep = bisect_right(last.offsets, offset - 1)
            forgotten = last.count - keep
            invariant(forgotten <= last.open, f"{last!r} forgets settled records above {offset}")
            last.open -= forgotten
            last.count = keep
            self.open -= forgotten
            if not last.open:
                last.held_bytes = 0
                last.keys = last.values = ()
            if keep:
                last.end = last.offsets[keep - 1] + 1
                break
            chunks.pop()
        self._advance()

    def open_bytes(self) -> int:
        """Count the bytes of all chunks that still have open records."""
        return sum(chunk.held_bytes for chunk in self._chunks)

    def _advance(self) -> None:
        chunks, runs = self._chunks, self._passed_runs
        while chunks and not chunks[0].open:
            passed = chunks.popleft()
            self.watermark = passed.end
            self.passed += passed.count
            self.ahead -= passed.count
            if runs is not None:
                _remember(runs, passed)
        if not chunks and self._tail is not None:
            self.watermark = max(self.watermark, self._tail)


def _remember(runs: deque[Sequence[int]], passed: HeldChunk) -> None:
    """Note a chunk that was passed: as a range where it has no holes, which takes no room for each record."""
    run = passed.run()
    last = runs[-1] if runs else None
    if isinstance(run, range) and isinstance(last, range) and last.stop == run.start:
        runs[-1] = range(last.start, run.stop)
    elif run:
        runs.append(run)


class Part(NamedTuple):
    """Some records of one held chunk that leave together; those of one key ascend."""

    chunk: HeldChunk
    places: Sequence[int]
    attempts: int = 0
    """How often they were sent before; it goes with the records, so that a request's old ones never slow its new ones."""


_PLACES = itemgetter(1)


def count(parts: Iterable[Part]) -> int:
    """Count the records of parts."""
    return sum(map(len, map(_PLACES, parts)))


def add_by_timestamp(chunks: Mapping[HeldChunk, int], found: dict[int, int]) -> None:
    """Add records of chunks to what is `found`: Kafka timestamp (ms) -> records. A chunk has one, that of its first record."""
    for chunk, records in chunks.items():
        at = chunk.timestamp_ms
        found[at] = found.get(at, 0) + records


def without_unsent(parts: Iterable[Part], ledger: OffsetLedger) -> list[Part]:
    """Leave out what lies above everything that was sent of a partition, and all of partitions that are gone.

    A drain cuts the ledger there: a record above it that left all the same would settle one that nobody sent.
    """
    kept: list[Part] = []
    for part in parts:
        if part.chunk.owner is ledger:
            (chunk, places, _), end = part, ledger.sent_to
            part = part._replace(places=[i for i in places if chunk.offsets[i] < end])  # noqa: PLW2901 - narrowed
            ledger.lanes.let_fall(chunk.keys[i] for i in places if chunk.offsets[i] >= end)
        if part.places and not part.chunk.owner.gone:
            kept.append(part)
    return kept


def note_sent(parts: Iterable[Part]) -> None:
    """Note that these records are about to be sent; those of several lanes, side by side in a part, need not ascend."""
    for chunk, places, _ in parts:
        last = max(places) if isinstance(places, list) and len(places) > 1 else places[-1]
        ledger, above = chunk.owner, chunk.offsets[last] + 1
        ledger.sent_to = max(ledger.sent_to, above)  # as `OffsetLedger.note_sent`, without a call for each part


def split(parts: Sequence[Part], records: int) -> tuple[list[Part], list[Part]]:
    """Cut a list of parts after so many records."""
    head: list[Part] = []
    tail: list[Part] = []
    for part in parts:
        if len(part.places) <= records:  # all but one of them
            records -= len(part.places)
            head.append(part)
            continue
        if records:
            head.append(part._replace(places=part.places[:records]))
            part = part._replace(places=part.places[records:])  # noqa: PLW2901 - narrowed
            records = 0
        tail.append(part)
    return head, tail
