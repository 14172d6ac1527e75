"""When watermarks are committed, and what Kafka is known to hold.

Theory of operation. Commits are asynchronous and at most one is in flight: their answers carry nothing to tell them
apart, and a late one could otherwise be taken for another.
A refused commit is no loss, its offsets go with the next one; one that was never answered is given up after a time.
The last commit of a revoked partition does not wait its turn: it goes out before the partition is given back, and the
group protocol orders it before the next owner's first fetch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from domain.commands import CommitOffsets
from domain.events import CommitAnswered
from domain.facts import CommitFailed, OffsetsCommitted
from domain.limits import COMMIT_GIVEN_UP_NS
from domain.partition import Partition
from domain.records import TopicPartition


class Commits:
    """Never an offset above a watermark, never one that is not higher than what Kafka holds."""

    def __init__(self, every: int) -> None:
        """Commit at most each `every` ns."""
        self._every = every
        self._moved: set[Partition] = set()
        self._serial = 0
        self._in_flight: CommitOffsets | None = None
        self._sent_at: int | None = None

    def moved(self, partitions: Iterable[Partition]) -> None:
        """Note that the watermarks of these partitions may have moved."""
        self._moved.update(partitions)

    def forget(self, partition: Partition) -> None:
        """Note that a partition belongs to somebody else."""
        self._moved.discard(partition)

    def due(self, now: int, *, hurry: bool) -> CommitOffsets | None:
        """Give the commit that shall go out now; `hurry` does not wait for the next turn."""
        if self._in_flight is not None:
            if now - (self._sent_at or 0) < COMMIT_GIVEN_UP_NS:
                return None
            self._in_flight = None
        if not self._moved or not (hurry or now >= (self._next_turn() or now)):
            return None
        moved, self._moved = self._moved, set()
        commit = self._of(moved)
        if commit is not None:
            self._in_flight, self._sent_at = commit, now
        return commit

    def last(self, partitions: Iterable[Partition]) -> CommitOffsets | None:
        """Give the last commit of partitions that are about to be given back; its answer is not waited for."""
        return self._of(partitions)

    def answered(
        self, event: CommitAnswered, owned: Mapping[TopicPartition, Partition]
    ) -> OffsetsCommitted | CommitFailed | None:
        """Take an answer; None when it is that of a last commit, or came after it was given up."""
        commit = self._in_flight
        if commit is None or commit.commit != event.commit:
            return None
        self._in_flight = None
        partitions = [owned[tp] for tp in commit.offsets if tp in owned]
        if event.error is not None:
            self._moved.update(partitions)
            return CommitFailed(event.error)
        for partition in partitions:
            partition.committed = max(partition.committed, commit.offsets[partition.tp])
        return OffsetsCommitted(len(commit.offsets))

    def next_wake(self) -> int | None:
        """Give the moment at which the next commit is due, if there is anything to commit."""
        return self._next_turn() if self._moved and self._in_flight is None else None

    def _next_turn(self) -> int | None:
        return None if self._sent_at is None else self._sent_at + self._every

    def _of(self, partitions: Iterable[Partition]) -> CommitOffsets | None:
        offsets = {p.tp: p.ledger.watermark for p in partitions if not p.gone and p.ledger.watermark > p.committed}
        if not offsets:
            return None
        self._serial += 1
        return CommitOffsets(self._serial, dict(sorted(offsets.items())))
