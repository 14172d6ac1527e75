"""Reads both sides into the audit file, by turns on one thread, so that it can be stopped or killed at any moment.

What is in the file is told by the file alone: a reading goes on where it says. Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from doka.adapters.audit.file import AuditFile
from doka.adapters.kafka.letter_headers import source_in
from doka.adapters.kafka.not_told import NotToldError
from doka.adapters.kafka.range_source import Range, RangeSource
from doka.app.audit.planning import MISSING
from doka.app.audit.sides import KafkaSide, Sides
from doka.app.reading import Nobody
from doka.domain.audit.aggregates import unfold
from doka.domain.audit.fates import Fate, OffsetRange, Plan
from doka.domain.audit.identity import Identities
from doka.domain.audit.landed import Landed, ShardReached
from doka.domain.events import (
    Event,
    GapFound,
    PartitionEnded,
    RecordsFetched,
    RecordsUnreadable,
    SourceFailed,
    TopicsMissing,
)
from doka.domain.limits import FETCH_RECORDS_MAX, NS_PER_SECOND, SERVE_CALLBACKS_NS
from doka.domain.records import Chunk, TopicPartition
from doka.domain.skip import place_shown

RECORDS_A_TURN = 10 * FETCH_RECORDS_MAX
"""Of Kafka, between two looks at the stream: so many come while one of its answers does."""

STORED_EVERY_NS = 30 * NS_PER_SECOND
"""What a kill costs, at most, where so little comes that it is not stored for its number."""


@dataclass(slots=True)
class Progress:
    """How far both sides have been read; the reading alone writes it."""

    offsets: int = 0
    """Of the window; no more records than these."""
    offsets_read: int = 0
    records: int = 0
    landings: int = 0
    stream_share: float = 0.0
    broken_aggregates: int = 0
    """Of this reading alone."""
    not_compressed: int = 0
    """Records of the stream that are not compressed as the route does it; of this reading alone."""


Tell = Callable[[Progress], None]


class RangeReading:
    """One reading of ranges of Kafka: its chunks go to whoever takes them, what cannot be read is passed and noted."""

    def __init__(
        self,
        source: RangeSource,
        take: Callable[[Chunk], None],
        reached: Callable[[TopicPartition, int], None],
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Take the source, who takes chunks and ends, and what keeps a clause of what is passed before it is."""
        self._note = note
        self._source = source
        self._take = take
        self._reached = reached
        self.missing: list[str] = []
        """What could not be read, as clauses for a person."""

    @property
    def finished(self) -> bool:
        """Whether all was read."""
        return self._source.finished

    def turn(self, wait: int) -> int:
        """Take what has arrived, waiting `wait` ns at most; give how many records that was. Raises NotToldError."""
        records = 0
        for event in self._source.fetch(FETCH_RECORDS_MAX, wait):
            records += self._handle(event)
        return records

    def _handle(self, event: Event) -> int:
        match event:
            case RecordsFetched(chunk):
                self._take(chunk)
                return chunk.count
            case PartitionEnded(partition, offset):
                self._reached(partition, offset)
            case GapFound(partition, anew=True):
                raise NotToldError(f"topic {partition.topic} was made anew while it was read: audit again")
            case GapFound(partition, expected, log_start):
                told = f"{place_shown(partition, expected, log_start)} left the log before it was read"
                self._pass(partition, log_start, told)
            case RecordsUnreadable(partition, first, far, why):
                self._pass(partition, far, f"{place_shown(partition, first, far)} cannot be read ({why})")
            case TopicsMissing(missing, refused) if missing or refused:
                told = "does not exist any more" if missing else "may not be read by this login: grant READ on it"
                raise NotToldError(f"topic {min(missing or refused)} {told}")
            case SourceFailed(reason):
                raise NotToldError(reason)
            case _:
                pass  # nothing of a group, or of records
        return 0

    def _pass(self, partition: TopicPartition, offset: int, told: str) -> None:
        self.missing.append(told)
        self._note(told)
        self._source.seek(partition, offset)


@contextmanager
def _open(
    side: KafkaSide,
    ranges: Iterable[Range],
    take: Callable[[Chunk], None],
    reached: Callable[[TopicPartition, int], None],
    note: Callable[[str], None] = lambda _: None,
) -> Iterator[RangeReading]:
    source = side.reading(ranges)
    source.open(Nobody())
    try:
        yield RangeReading(source, take, reached, note)
    finally:
        source.close()


class Reading:
    """One audit's reading, from where its file says to the ends of both sides."""

    def __init__(self, sides: Sides, file: AuditFile, identities: Identities) -> None:
        self._sides = sides
        self._file = file
        self._identities = identities
        self._plan: Plan = file.plan
        self._reached_ms = {**dict.fromkeys(self._plan.parents, self._plan.stream_from_ms), **file.reached_ms}
        self.progress = Progress(
            offsets=sum(each.end - each.first for each in self._plan.partitions),
            records=file.records,
            landings=file.landings,
        )
        self._stored_at = sides.clock.now()
        self.missing: list[str] = []
        """What of Kafka could not be read, as clauses for a person."""

    def run(self, tell: Tell, stopped: Callable[[], bool]) -> bool:
        """Read all that the file does not hold yet, or until somebody has stopped it; say whether all was read.

        Raises:
            NotToldError: Kafka cannot be read any further.
            StreamUnreadableError: the stream cannot be read any further.
            UsageError: the audit file cannot be written.
        """
        # Before the rest, or what was passed over would be taken for lost where the rest is stopped.
        self._note_skips()
        if not self._read_letters(stopped):
            return False
        next_offsets = self._file.next_offsets
        left = [
            replace(each, first=next_offsets[each.partition])
            for each in self._plan.partitions
            if next_offsets[each.partition] < each.end
        ]
        if not left:
            return self._read_stream(None, tell, stopped)
        with _open(
            self._sides.kafka, left, self._take_chunk, self._file.reached_partition, self._note_missing
        ) as kafka:
            try:
                if not self._read_stream(kafka, tell, stopped):
                    return False
                while not kafka.finished:
                    if stopped():
                        return False
                    kafka.turn(SERVE_CALLBACKS_NS)
                    self._turned(tell)
            finally:
                self.missing += kafka.missing
        return True

    def _read_stream(self, kafka: RangeReading | None, tell: Tell, stopped: Callable[[], bool]) -> bool:
        """Read the stream to its end, and of Kafka what comes meanwhile."""
        plan, reader = self._plan, self._sides.stream.reader
        for event in reader.read(plan.stream_from_ms, plan.stream_until_ms, self._file.behind):
            if isinstance(event, Landed):
                self._take_landed(event)
            else:
                self._note_reached(event)
            records = 0
            while kafka is not None and records < RECORDS_A_TURN and (some := kafka.turn(0)):
                records += some
            self._turned(tell)
            if stopped():
                return False
        self._file.stream_was_read(reader.span(plan.stream_from_ms).shards)
        return True

    def _take_chunk(self, chunk: Chunk) -> None:
        self._file.add_expected(self._identities.expected(chunk))
        self.progress.records += chunk.count

    def _take_landed(self, landed: Landed) -> None:
        whole, broken = unfold(landed)
        self.progress.broken_aggregates += broken
        if whole.count:
            self._file.add_landed(whole, self._identities.landed(whole))
            self.progress.landings += whole.count
            self.progress.not_compressed = self._identities.not_compressed

    def _note_reached(self, reached: ShardReached) -> None:
        self._file.reached_shard(reached)
        self._reached_ms[reached.shard] = reached.arrived_ms

    def _turned(self, tell: Tell) -> None:
        now = self._sides.clock.now()
        if now - self._stored_at >= STORED_EVERY_NS:
            self._file.store()
            self._stored_at = now
        plan, progress = self._plan, self.progress
        nexts = self._file.next_offsets
        progress.offsets_read = sum(min(nexts[each.partition], each.end) - each.first for each in plan.partitions)
        span_ms = max(plan.stream_until_ms - plan.stream_from_ms, 1)
        read_ms = sum(max(each - plan.stream_from_ms, 0) for each in self._reached_ms.values())
        progress.stream_share = read_ms / span_ms / max(len(self._reached_ms), 1)
        tell(progress)

    def _note_missing(self, told: str) -> None:
        self._file.note(MISSING, [*(self._file.noted(MISSING) or ()), told])

    def _note_skips(self) -> None:
        partitions = [each.partition for each in self._plan.partitions]
        skips = self._sides.kafka.skips(self._file.terms.group, partitions)
        self._file.pass_over(Fate.SKIPPED, [OffsetRange(where, skip.first, skip.far - 1) for where, skip in skips])

    def _read_letters(self, stopped: Callable[[], bool]) -> bool:
        """Find out which records are dead letters; say whether all letters were read."""
        letters = self._sides.letters
        if letters is None:
            return True
        found: set[tuple[TopicPartition, int]] = set()
        # Where others read its topics, their letters say nothing of it; else its own may name it as it was called before.
        route = self._sides.rules.name if self._sides.shares_topics else None

        def take(chunk: Chunk) -> None:
            found.update(filter(None, [source_in(letter, route) for letter in chunk.originals]))

        with _open(letters, letters.window(self._plan.stream_from_ms, None), take, lambda *_: None) as reading:
            while not reading.finished:
                if stopped():
                    return False
                reading.turn(SERVE_CALLBACKS_NS)
        self._file.pass_over(
            Fate.DEAD_LETTER, [OffsetRange(partition, offset, offset) for partition, offset in sorted(found)]
        )
        return True
