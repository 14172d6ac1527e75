"""The source of a resend: letters, read as a member of a group of its own, given as the records that they are.

Theory of operation. The group gives each partition of letters to one resend at a time. What is chosen goes on under the offset
of its letter; all else is a hole for the machine. A commit of the machine says that all that was chosen below it has settled;
what goes to Kafka is what follows from it for all letters (`domain.letters.share`): the first that is left, and which others
are. So whoever takes over, after a kill too, knows each letter that was sent, but for what was in flight.

It ends when Kafka holds that all that was chosen has settled. Where another resend holds partitions it waits for a moment
whether the group gives it any.

It must never commit a letter that has not settled, or whose receipt could not be written.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from doka.adapters.kafka.letter_headers import letter_in
from doka.adapters.kafka.not_told import NotToldError
from doka.app.letters.receipts import Receipts
from doka.app.replay.paced import PacedSource, checked, rest_for
from doka.app.replay.source import ALL_SETTLED
from doka.domain.commands import CommitOffsets
from doka.domain.errors import InvariantError
from doka.domain.events import (
    CommitAnswered,
    Event,
    GapFound,
    PartitionEnded,
    RecordsFetched,
    SourceFailed,
    StopRequested,
)
from doka.domain.letters.letter import LetterRecord, records_of
from doka.domain.letters.resent import Resent, TooManyLeftError
from doka.domain.letters.share import Planned, Share
from doka.domain.limits import NS_PER_SECOND, SERVE_CALLBACKS_NS
from doka.domain.ports import Clock, Inbox, RebalanceListener, Source
from doka.domain.records import Chunk, TopicPartition
from doka.domain.replay.pace import Pace
from doka.domain.status import SourceStatus

WAITS_FOR_OTHERS_NS: Final = 15 * NS_PER_SECOND
"""How long one that has nothing to do waits for partitions that another resend holds: two rebalances, of some seconds each."""
ResentOf = Callable[[Collection[TopicPartition]], Mapping[TopicPartition, Resent]]
"""Tells how far letters of partitions have been resent; raises NotToldError."""


class LetterSource(PacedSource):
    """Stands before the member of the group that reads letters."""

    def __init__(
        self,
        inner: Source,
        planned: Mapping[TopicPartition, Planned],
        pace: Pace,
        clock: Clock,
        inbox: Inbox,
        *,
        resent_of: ResentOf,
        receipts: Receipts,
        rest: Callable[[int], object] = rest_for,
    ) -> None:
        """Take the parts; `rest` lets so many ns pass."""
        super().__init__(inner, pace, clock, rest)
        self._planned = planned
        self._wanted = {partition for partition, letters in planned.items() if letters.chosen}
        self._inbox = inbox
        self._resent_of = resent_of
        self._receipts = receipts
        self._shares: dict[TopicPartition, Share] = {}
        self._sent: dict[int, Mapping[TopicPartition, int]] = {}  # commits that were not answered
        self._rests: frozenset[TopicPartition] = frozenset()  # paused by us, while the pace lets nothing be read
        self._paused: set[TopicPartition] = set()  # by the machine
        self._moved_at = 0
        self._joined = self._asked_to_end = False

    def open(self, listener: RebalanceListener) -> None:
        """Join the group."""
        self._moved_at = self._clock.now()
        self._inner.open(_Between(self, listener))

    # --- partitions --------------------------------------------------------------------------------------------------

    def take_over(self, partitions: Collection[TopicPartition]) -> None:
        """Find out what is left to do of partitions that the group gives."""
        self._moved_at = self._clock.now()
        try:
            resent = self._resent_of(partitions)
        except NotToldError as error:
            self._due.append(SourceFailed(str(error)))  # before any record of them
            return
        for partition in partitions:
            planned = self._planned.get(partition, Planned((), (), 0))
            self._shares[partition] = Share(resent.get(partition, Resent(0)), planned)

    def let_go(self, partitions: Iterable[TopicPartition]) -> None:
        """Forget partitions that belong to somebody else."""
        self._moved_at = self._clock.now()
        for partition in partitions:
            self._shares.pop(partition, None)
            self._paused.discard(partition)
        self._rests = self._rests.intersection(self._shares)

    # --- reading -----------------------------------------------------------------------------------------------------

    def fetch(self, limit: int, wait: int) -> Sequence[Event]:
        """Give what has arrived, within the pace, and ask for the end where there is nothing left to do."""
        found = super().fetch(limit, wait)
        self._end_if_all_settled()
        return found

    def _idle(self, wait: int) -> None:
        """Let the group's callbacks be served in a long rest: a member that is not heard of is expelled from its group."""
        if self._pace.rests_until() - self._clock.now() <= SERVE_CALLBACKS_NS:
            self._rest(wait)
            return
        self._rests = frozenset(self._shares)
        self._inner.pause(self._rests)
        self._due += self._look(1, wait)

    def _read(self, limit: int, wait: int) -> Sequence[Event]:
        rested, self._rests = self._rests, frozenset()
        if rested:
            self._inner.resume(rested - self._paused)
        return super()._read(limit, wait)

    def _look(self, limit: int, wait: int) -> Sequence[Event]:
        return [told for event in self._inner.fetch(limit, wait) for told in self._taken(checked(event))]

    def _taken(self, event: Event) -> Iterator[Event]:
        """Give what the machine is to hear of an event."""
        match event:
            case RecordsFetched(chunk):
                yield from self._records(chunk, self._shares.get(chunk.partition))
            case PartitionEnded(partition, offset):
                yield from self._end(partition, offset)
            case GapFound(partition, _, log_start):
                if partition in self._shares:
                    self._shares[partition].forget_below(log_start)
                yield event
            case CommitAnswered(commit, error):
                self._committed(self._sent.pop(commit, {}) if error is None else {})
                yield event
            case _:
                yield event

    def _records(self, chunk: Chunk, share: Share | None) -> Iterator[Event]:
        """Give the records of the letters that are to be sent, and let the machine pass what is between and behind."""
        if share is None:
            return
        chosen = share.chosen
        first, last = (bisect_left(chosen, offset) for offset in (chunk.offsets[0], chunk.end))
        if first < last:
            places = [(bisect_left(chunk.offsets, offset), offset) for offset in chosen[first:last]]
            records = [(place, self._record(chunk, place)) for place, _ in places]
            yield RecordsFetched(records_of(chunk, records))
        yield from self._end(chunk.partition, chunk.end)

    def _record(self, chunk: Chunk, place: int) -> LetterRecord:
        record = letter_in(chunk.originals[place])
        if record is None:
            raise InvariantError(f"{chunk.partition}@{chunk.offsets[place]} was planned as a letter, and is none")
        self._receipts.begins(chunk.partition, chunk.offsets[place], record.letter)
        return record

    def _end(self, partition: TopicPartition, offset: int) -> Iterator[Event]:
        """Let the machine pass what is not sent, but nothing behind the last letter that is."""
        share = self._shares.get(partition)
        if share is not None and share.up_to:
            yield PartitionEnded(partition, min(offset, share.up_to))

    # --- committing --------------------------------------------------------------------------------------------------

    def commit(self, command: CommitOffsets) -> None:
        """Send to the group what follows for all letters; where that, or a receipt, cannot be kept it ends."""
        try:
            self._receipts.keep()
            after = {p: self._shares[p].after(watermark) for p, watermark in command.offsets.items()}
            notes = {partition: resent.note() for partition, resent in after.items()}
        except OSError as error:
            self._fail(command, f"receipts cannot be written to {error.filename or 'stdout'}: {error.strerror}")
        except TooManyLeftError:
            self._fail(command, "another resend has left out so much that what is left cannot be noted: begin again")
        else:
            self._sent[command.commit] = command.offsets
            self._inner.commit(CommitOffsets(command.commit, {p: each.offset for p, each in after.items()}, notes))

    def _fail(self, command: CommitOffsets, why: str) -> None:
        self._due += (CommitAnswered(command.commit, why), SourceFailed(why))

    def _committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        for partition, watermark in offsets.items():
            if partition in self._shares:
                self._shares[partition].settled = watermark
                self._moved_at = self._clock.now()

    def _end_if_all_settled(self) -> None:
        if self._asked_to_end or not all(share.finished for share in self._shares.values()):
            return
        waited = self._clock.now() - self._moved_at >= WAITS_FOR_OTHERS_NS
        if self._wanted <= self._shares.keys() or (self._joined and waited):
            self._asked_to_end = True
            self._inbox.put(StopRequested(ALL_SETTLED))

    # --- besides -----------------------------------------------------------------------------------------------------

    def pause(self, partitions: frozenset[TopicPartition]) -> None:
        """Stop delivery."""
        self._paused |= partitions
        super().pause(partitions)

    def resume(self, partitions: frozenset[TopicPartition]) -> None:
        """Deliver again, as soon as the pace lets something be read."""
        self._paused -= partitions
        super().resume(partitions - self._rests)

    def status(self) -> SourceStatus:
        """Say what is known of the group and the logs."""
        status = super().status()
        if status.group.joined and not self._joined:  # an empty assignment is told to nobody
            self._moved_at = self._clock.now()
        self._joined = status.group.joined
        return status


class _Between:
    """Hears of the group's moves before the loop does, as `domain.ports.RebalanceListener`."""

    def __init__(self, source: LetterSource, listener: RebalanceListener) -> None:
        self._source = source
        self._listener = listener

    def partitions_assigned(self, positions: Mapping[TopicPartition, int]) -> None:
        """Find out what is left to do of them, and let the loop own them."""
        self._source.take_over(positions.keys())
        self._listener.partitions_assigned(positions)

    def partitions_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Let the loop settle and commit what was sent of them."""
        self._listener.partitions_revoked(partitions)
        self._source.let_go(partitions)

    def partitions_lost(self, partitions: frozenset[TopicPartition]) -> None:
        """Let go of what somebody else owns already."""
        self._listener.partitions_lost(partitions)
        self._source.let_go(partitions)

    def asked_to_stop(self) -> bool:
        """Say whether the loop was asked to end."""
        return self._listener.asked_to_stop()
