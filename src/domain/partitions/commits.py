"""When watermarks are committed, and what Kafka is known to hold.

Theory of operation. Commits are asynchronous and at most one is in flight: their answers carry nothing to tell them
apart, and a late one could otherwise be taken for another.
A refused commit is no loss, its offsets go with the next one; one that was never answered has failed after a time.
A commit for which records wait (`hurry`: `ahead_records` counts from what Kafka holds) goes at once, unless the one
before it failed.
The last commit of a revoked partition does not wait its turn: it goes out before the partition is given back, and the
group protocol orders it before the next owner's first fetch. Only a stop awaits its answer: it ends well only if nothing
will repeat, and a group that has declared this member dead takes nothing of it.

Kafka holds one offset of a partition, however many routes read it: the lowest of their watermarks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from doka.domain.commands import CommitOffsets
from doka.domain.events import CommitAnswered
from doka.domain.facts import CommitFailed, OffsetsCommitted
from doka.domain.held.ledger import OffsetLedger
from doka.domain.limits import COMMIT_GIVEN_UP_NS, NS_PER_SECOND
from doka.domain.turn import Turn

UNANSWERED = f"no answer within {COMMIT_GIVEN_UP_NS // NS_PER_SECOND} s"


class Watermarks:
    """The watermarks of one owned partition, one of each route that reads it, and which of them may be committed: the lowest.

    One that came back, or begins again, is another one.
    """

    __slots__ = ("ledgers", "tp")

    def __init__(self, ledgers: tuple[OffsetLedger, ...]) -> None:
        """Take the ledgers of all legs, of one partition."""
        self.tp = ledgers[0].tp
        self.ledgers = ledgers

    @property
    def lowest(self) -> int:
        """The offset below which everything is settled, for every route."""
        ledgers = self.ledgers
        return ledgers[0].watermark if len(ledgers) == 1 else min([ledger.watermark for ledger in ledgers])

    @property
    def committed(self) -> int:
        """The offset that Kafka is known to hold."""
        return self.ledgers[0].committed

    @property
    def gone(self) -> bool:
        """Whether the partition belongs to somebody else."""
        return self.ledgers[0].gone

    @property
    def uncommitted(self) -> int:
        """Records of all legs below the lowest watermark that Kafka is not known to have taken the offset of."""
        lowest = self.lowest
        return sum([ledger.passed_below(lowest) - ledger.committed_passed for ledger in self.ledgers])

    @property
    def ahead(self) -> int:
        """Records of all legs that are settled above the lowest watermark: what a crash right after a commit would repeat."""
        lowest = self.lowest
        return sum([ledger.ahead + ledger.passed - ledger.passed_below(lowest) for ledger in self.ledgers])

    def passed_below(self, offset: int) -> list[int]:
        """Give what each ledger had passed when it passed this offset."""
        return [ledger.passed_below(offset) for ledger in self.ledgers]


class Commits:
    """Never an offset above a watermark, never one that is not higher than what Kafka holds."""

    def __init__(self, every: int) -> None:
        """Commit at most each `every` ns."""
        self._every = every
        self._moved: set[Watermarks] = set()
        self._serial = 0
        self._in_flight: CommitOffsets | None = None
        # Of the commit in flight, with the records passed then; a partition that came back is another one.
        self._sent: dict[Watermarks, list[int]] = {}
        self._hurried = False
        self._failed = False  # the last one, which is no reason to try faster
        self._sent_at: int | None = None
        self._last: dict[int, int] = {}  # last commits whose answers are awaited, with the records that they cover
        self.unstored = 0
        """Records of partitions that went, whose last commit was awaited and refused."""

    @property
    def awaits_last(self) -> bool:
        """Whether the answer of a last commit is awaited."""
        return bool(self._last)

    def moved(self, watermarks: Watermarks) -> None:
        """Note that a watermark of a partition may have moved."""
        self._moved.add(watermarks)

    def hurry(self) -> None:
        """Note that records wait for a commit."""
        self._hurried = True

    def forget(self, watermarks: Watermarks) -> None:
        """Note that a partition belongs to somebody else."""
        self._moved.discard(watermarks)

    def due(self, now: int, turn: Turn, *, hurry: bool) -> None:
        """Send the commit that shall go out now; `hurry` does not wait for its turn."""
        if self._in_flight is not None:
            if now - (self._sent_at or 0) < COMMIT_GIVEN_UP_NS:
                return
            self._in_flight = None
            self._failed = True
            again = [marks for marks in self._sent if not marks.gone]
            self._moved.update(again)
            if again:
                turn.commands.append(CommitFailed(UNANSWERED))
        if not self._moved or not (hurry or now >= (self._next_turn() or now)):
            return
        moved, self._moved = self._moved, set()
        self._hurried = False
        commit = self._of(moved)
        if commit is not None:
            self._in_flight, self._sent_at = commit, now
            offsets = commit.offsets
            self._sent = {marks: marks.passed_below(offsets[marks.tp]) for marks in moved if marks.tp in offsets}
            turn.commands.append(commit)

    def last(self, partitions: Collection[Watermarks], turn: Turn, *, awaited: bool) -> None:
        """Send the last commit of partitions that are about to be given back; `awaited` tells whether its answer matters."""
        commit = self._of(partitions)
        if commit is not None:
            turn.commands.append(commit)
            if awaited:
                self._last[commit.commit] = sum(marks.uncommitted for marks in partitions)

    def answered(self, event: CommitAnswered, turn: Turn) -> None:
        """Take an answer; one that came after its commit was given up changes nothing here."""
        commit = self._in_flight
        if commit is None or commit.commit != event.commit:
            records = self._last.pop(event.commit, 0)
            if event.error is not None:
                self.unstored += records
                turn.commands.append(CommitFailed(event.error))
            return
        self._in_flight = None
        self._failed = event.error is not None
        owned = [marks for marks in self._sent if not marks.gone]
        if event.error is not None:
            self._moved.update(owned)
            turn.commands.append(CommitFailed(event.error))
            return
        for marks in owned:
            for ledger, passed in zip(marks.ledgers, self._sent[marks], strict=True):
                ledger.note_committed(commit.offsets[marks.tp], passed)
        turn.commands.append(OffsetsCommitted(len(commit.offsets)))
        turn.look = True  # `ahead_records` counts from what Kafka holds

    def next_wake(self) -> int | None:
        """Give the moment at which the next commit is due, or the one in flight is given up; None without either."""
        if self._in_flight is not None:
            return (self._sent_at or 0) + COMMIT_GIVEN_UP_NS
        return self._next_turn() if self._moved else None

    def _next_turn(self) -> int | None:
        if self._sent_at is None:
            return None
        return self._sent_at if self._hurried and not self._failed else self._sent_at + self._every

    def _of(self, partitions: Iterable[Watermarks]) -> CommitOffsets | None:
        offsets = {
            marks.tp: lowest for marks in partitions if not marks.gone and (lowest := marks.lowest) > marks.committed
        }
        if not offsets:
            return None
        self._serial += 1
        return CommitOffsets(self._serial, dict(sorted(offsets.items())))
