"""What Kafka may do to the machine: records, ends and gaps of logs, partitions that come and go, answers to commits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from doka.domain.events import (
    CommitAnswered,
    GapFound,
    PartitionEnded,
    PartitionsAssigned,
    PartitionsLost,
    PartitionsRevoked,
    RecordsFetched,
    RevokeStarted,
    StopRequested,
)
from doka.domain.records import Chunk, TopicPartition
from doka.domain.rules import OnGap, OnPoison
from tests.property.truth import Log, New, Ownership, Record
from tests.property.turns import Turns


@dataclass(frozen=True)
class Whole:
    """A record as Kafka gave it."""

    record: Record

    def key(self) -> bytes | None:
        """Give its key."""
        return self.record.key

    def value(self) -> bytes | None:
        """Give its value."""
        return self.record.value

    def headers(self) -> None:
        """Give no headers."""
        return

    def timestamp(self) -> tuple[int, int]:
        """Give no timestamp."""
        return 0, -1


class Kafka(Turns):
    """The broker and the group."""

    def readable(self) -> list[TopicPartition]:
        """Name the partitions from which records may come now."""
        if not self.forwarder.room():
            return []
        return [tp for tp, own in self.owned.items() if not own.paused and not own.gap]

    def fetch(self, tp: TopicPartition, count: int, new: Iterable[New] = ()) -> None:
        """Write new records behind the log, then deliver at most `count`."""
        own = self.owned[tp]
        for record in new:
            own.log.write(record)
        waiting = sorted(o for o in own.log.records if o >= own.position)[: min(count, self.forwarder.room())]
        if not waiting:
            return
        records = [own.log.records[o] for o in waiting]
        originals = [Whole(r) for r in records] if self.setup.on_poison is OnPoison.DEAD_LETTER else ()
        chunk = Chunk(tp, waiting, [r.key for r in records], [r.value for r in records], originals=originals)
        own.position = chunk.end
        if own.drain_below is None:
            own.reach = chunk.end
            own.fetched |= zip(waiting, records, strict=True)
        self.feed(RecordsFetched(chunk))

    def end(self, tp: TopicPartition, markers: int) -> None:
        """Reach the end of a log, with so many transaction markers behind its last record."""
        own = self.owned[tp]
        if any(o >= own.position for o in own.log.records):
            return
        own.log.end += markers
        if own.drain_below is None:
            own.reach = max(own.reach, own.log.end)
        self.feed(PartitionEnded(tp, own.log.end))

    def expire(self, tp: TopicPartition, further: int) -> None:
        """Let retention overtake the reader by up to so many offsets."""
        own = self.owned[tp]
        own.log.end = max(own.log.end, own.position) + further
        for record in own.log.records.values():
            record.retained = record.retained and record.offset < own.position
        self._gap(own, own.log.end)

    def recreate(self, tp: TopicPartition) -> None:
        """Delete and recreate a topic's partition under its reader."""
        own = self.owned[tp]
        if own.position == 0:
            return
        self._note("recreated", tp)
        own.log.recreate()
        if self.setup.on_gap is OnGap.CONTINUE and own.drain_below is None and not own.gap:
            paused = own.paused
            self.owned[tp] = self._ownership(own.log, 0)
            self.owned[tp].paused = paused
        self._gap(own, 0)

    def _gap(self, own: Ownership, log_start: int) -> None:
        expected = own.position
        self.owned[own.tp].gap = True
        if own.drain_below is None and self.setup.on_gap is OnGap.CONTINUE and log_start >= expected:
            own.reach = log_start
        self.feed(GapFound(own.tp, expected, log_start, own.log.end))

    def _ownership(self, log: Log, start: int) -> Ownership:
        topic = log.tp.topic
        own = Ownership(
            log,
            start,
            lanes=self.setup.keeps_order(topic),
            null_key=None if topic == "orders" else f"{log.tp.topic}-{log.tp.partition}",
            life=log.life,
            drain_below=start if self.stopped else None,
            shares=self.setup.shares(topic),
        )
        self.ownerships.append(own)
        return own

    def assign(self, tp: TopicPartition) -> None:
        """Give a partition to the member, from the stored offset."""
        log = self.logs[tp]
        self.owned[tp] = self._ownership(log, log.stored)
        self.feed(PartitionsAssigned({tp: log.stored}))

    def revoke_start(self, tp: TopicPartition) -> None:
        """Ask for a partition."""
        self._note("asked for", tp)
        self._drain([self.owned[tp]])
        self.feed(RevokeStarted(frozenset({tp})))

    def revoke(self, tp: TopicPartition) -> None:
        """Take a partition back, its drain ended or not."""
        self.undecided = 0
        own = self.owned[tp]
        self._drain([own])
        self._note("taken back", tp)
        del self.owned[tp]
        self.farewell[tp] = own
        self.feed(PartitionsRevoked(frozenset({tp})))

    def lose(self, tp: TopicPartition) -> None:
        """Give a partition to somebody else without asking."""
        self._note("lost", tp)
        self.owned.pop(tp)
        self.feed(PartitionsLost(frozenset({tp})))

    def stop(self) -> None:
        """Ask the process to end."""
        self._note("stopped", *self.owned)
        self._drain(list(self.owned.values()))
        self.stopped = True
        self.feed(StopRequested("SIGTERM"))

    def _note(self, what: str, *tps: TopicPartition) -> None:
        """Note what becomes of partitions while records of theirs are in flight."""
        for tp in tps:
            kind = "a record" if self.setup.aggregation(tp.topic) is None else "an aggregate"
            self.met[f"a partition is {what} with {kind} in flight"] += bool(self.owned[tp].flying)

    def _drain(self, owned: Sequence[Ownership]) -> None:
        self.decide()  # so that what was dropped is known
        for own in owned:
            if own.drain_below is None:
                own.drain_below = own.sent_to
                own.reach = max(own.committed, own.sent_to, self.forwarder._partitions[own.tp].ledger.watermark)

    def store(self, commit: int, *, applied: bool, error: str | None) -> None:
        """Answer a commit; what was applied is stored even if the answer was lost."""
        command, _, owners, _ = self.commits.pop(commit)
        if applied or error is None:
            for tp, offset in command.offsets.items():
                if owners[tp].life == self.logs[tp].life and all(
                    other > commit or tp not in c.offsets for other, (c, *_) in self.commits.items()
                ):
                    self.logs[tp].stored = max(self.logs[tp].stored, offset)
        self.feed(CommitAnswered(commit, error))
