"""When watermarks are committed, and what Kafka is known to hold.

Theory of operation. Commits are asynchronous and at most one is in flight: their answers carry nothing to tell them
apart, and a late one could otherwise be taken for another.
A refused commit is no loss, its offsets go with the next one; one that was never answered is given up after a time.
A commit for which records wait (`hurry`: `ahead_records` counts from what Kafka holds) goes at once, unless the one
before it failed.
The last commit of a revoked partition does not wait its turn: it goes out before the partition is given back, and the
group protocol orders it before the next owner's first fetch.
"""

from __future__ import annotations

from collections.abc import Iterable

from doka.domain.commands import CommitOffsets
from doka.domain.events import CommitAnswered
from doka.domain.facts import CommitFailed, OffsetsCommitted
from doka.domain.limits import COMMIT_GIVEN_UP_NS
from doka.domain.partitions.partition import Partition


class Commits:
    """Never an offset above a watermark, never one that is not higher than what Kafka holds."""

    def __init__(self, every: int) -> None:
        """Commit at most each `every` ns."""
        self._every = every
        self._moved: set[Partition] = set()
        self._serial = 0
        self._in_flight: CommitOffsets | None = None
        # Of the commit in flight, with the records passed then; a partition that came back is another one.
        self._partitions: dict[Partition, int] = {}
        self._hurried = False
        self._failed = False  # the last one, which is no reason to try faster
        self._sent_at: int | None = None

    def moved(self, partitions: Iterable[Partition]) -> None:
        """Note that the watermarks of these partitions may have moved."""
        self._moved.update(partitions)

    def hurry(self) -> None:
        """Note that records wait for a commit."""
        self._hurried = True

    def forget(self, partition: Partition) -> None:
        """Note that a partition belongs to somebody else."""
        self._moved.discard(partition)

    def due(self, now: int, *, hurry: bool) -> CommitOffsets | None:
        """Give the commit that shall go out now; `hurry` does not wait for the next turn."""
        if self._in_flight is not None:
            if now - (self._sent_at or 0) < COMMIT_GIVEN_UP_NS:
                return None
            self._in_flight = None
            self._failed = True
            self._moved.update(p for p in self._partitions if not p.gone)  # given up, so it goes again
        if not self._moved:
            return None
        if not (hurry or now >= (self._next_turn() or now)):
            return None
        moved, self._moved = self._moved, set()
        self._hurried = False
        commit = self._of(moved)
        if commit is not None:
            self._in_flight, self._sent_at = commit, now
            self._partitions = {p: p.ledger.passed for p in moved if p.tp in commit.offsets}
        return commit

    def last(self, partitions: Iterable[Partition]) -> CommitOffsets | None:
        """Give the last commit of partitions that are about to be given back; its answer is not waited for."""
        return self._of(partitions)

    def answered(self, event: CommitAnswered) -> OffsetsCommitted | CommitFailed | None:
        """Take an answer; that of a last commit, or one that came after it was given up, changes nothing here."""
        commit = self._in_flight
        if commit is None or commit.commit != event.commit:
            return None if event.error is None else CommitFailed(event.error)
        self._in_flight = None
        self._failed = event.error is not None
        partitions = [p for p in self._partitions if not p.gone]
        if event.error is not None:
            self._moved.update(partitions)
            return CommitFailed(event.error)
        for partition in partitions:
            partition.committed = max(partition.committed, commit.offsets[partition.tp])
            partition.committed_passed = self._partitions[partition]
        return OffsetsCommitted(len(commit.offsets))

    def next_wake(self) -> int | None:
        """Give the moment at which the next commit is due, or the one in flight is given up; None without either."""
        if self._in_flight is not None:
            return (self._sent_at or 0) + COMMIT_GIVEN_UP_NS
        return self._next_turn() if self._moved else None

    def _next_turn(self) -> int | None:
        if self._sent_at is None:
            return None
        return self._sent_at if self._hurried and not self._failed else self._sent_at + self._every

    def _of(self, partitions: Iterable[Partition]) -> CommitOffsets | None:
        offsets = {p.tp: p.ledger.watermark for p in partitions if not p.gone and p.ledger.watermark > p.committed}
        if not offsets:
            return None
        self._serial += 1
        return CommitOffsets(self._serial, dict(sorted(offsets.items())))
