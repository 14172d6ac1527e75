"""Resends letters to a topic: a loop of its own, for nothing goes to a stream; the same source, the same commits.

A lot is read, written, and answered for before the next is read. What could not be stored ends it, and what comes behind that in
its partition is not committed: it may stand in the topic twice after the next resend.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Final

from doka.adapters.kafka.topic_writer import Stored, TopicWriter
from doka.app.letters.receipts import Receipts, again
from doka.app.letters.source import LetterSource
from doka.app.replay.outcome import Outcome
from doka.app.runtime import Ending
from doka.domain.commands import CommitOffsets
from doka.domain.events import (
    Event,
    GapFound,
    PartitionEnded,
    RecordsFetched,
    RecordsUnreadable,
    SourceFailed,
    StopRequested,
)
from doka.domain.letters.letter import LetterRecord
from doka.domain.limits import NS_PER_SECOND, SERVE_CALLBACKS_NS
from doka.domain.ports import Clock, Inbox
from doka.domain.records import Chunk, TopicPartition
from doka.domain.skip import place_shown
from doka.domain.status import Status

AT_ONCE: Final = 100
SHOWN_EVERY_NS: Final = NS_PER_SECOND


class ToTopic:
    """The loop, and its own `domain.ports.RebalanceListener`."""

    def __init__(
        self,
        source: LetterSource,
        writer: TopicWriter,
        clock: Clock,
        inbox: Inbox,
        *,
        receipts: Receipts,
        outcome: Outcome,
        show: Callable[[Status], None],
    ) -> None:
        """Take the parts; `outcome` counts what is stored, and `show` is called about once a second with the present state."""
        self._source = source
        self._writer = writer
        self._receipts = receipts
        self._clock = clock
        self._inbox = inbox
        self._outcome = outcome
        self._show = show
        self._watermarks: dict[TopicPartition, int] = {}
        self._serials = count(1)
        self._ending: Ending | None = None

    def run(self) -> Ending:
        """Write until all is written, somebody asks for a stop, or it cannot go on."""
        shown_at = self._clock.now()
        self._source.open(self)
        try:
            while self._ending is None:
                for event in self._source.fetch(AT_ONCE, SERVE_CALLBACKS_NS):
                    self._take(event)
                self._commit()
                for event in self._inbox.drain():
                    self._take(event)
                if self._clock.now() - shown_at >= SHOWN_EVERY_NS:
                    shown_at = self._clock.now()
                    group = self._source.status().group
                    self._show(Status(at=shown_at, held_bytes=0, held_bytes_max=0, group=group))
        finally:
            self._source.close()
            self._writer.close()
        return self._ending

    def _take(self, event: Event) -> None:
        if self._ending is not None:
            return
        match event:
            case RecordsFetched(chunk):
                self._write(chunk)
            case PartitionEnded(partition, offset):
                self._watermarks[partition] = offset
            case GapFound(partition, _, log_start):
                self._source.seek(partition, log_start)
            case RecordsUnreadable(partition, _, far):
                self._source.seek(partition, far)
            case SourceFailed(reason):
                self._ending = Ending(1, reason)
            case StopRequested(reason):
                self._ending = Ending(0, f"stopped by {reason}")
            case _:
                pass

    def _write(self, chunk: Chunk) -> None:
        records = [again(each) for each in chunk.originals if isinstance(each, LetterRecord)]
        for offset, found in zip(chunk.offsets, self._writer.write(records), strict=True):
            if not isinstance(found, Stored):
                place = place_shown(chunk.partition, offset, offset + 1)
                self._ending = Ending(1, f"the record of letter {place} is not stored: {found}")
                return
            self._outcome.landed += 1
            self._receipts.stored((chunk.partition, offset), found)
            self._watermarks[chunk.partition] = offset + 1

    def _commit(self) -> None:
        """Commit what is stored; the source says what follows for all letters."""
        watermarks, self._watermarks = self._watermarks, {}
        if watermarks:
            self._source.commit(CommitOffsets(next(self._serials), watermarks))

    # --- the group ---------------------------------------------------------------------------------------------------

    def partitions_assigned(self, positions: Mapping[TopicPartition, int]) -> None:
        """Begin; nothing is held."""

    def partitions_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Commit what is stored; nothing is under way."""
        self._watermarks = {p: offset for p, offset in self._watermarks.items() if p in partitions}
        self._commit()

    def partitions_lost(self, partitions: frozenset[TopicPartition]) -> None:
        """Forget what belongs to somebody else already."""
        self._watermarks = {p: offset for p, offset in self._watermarks.items() if p not in partitions}

    def asked_to_stop(self) -> bool:
        """Say whether it ends."""
        return self._ending is not None
