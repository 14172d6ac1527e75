"""Bugs of what is committed, and when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from doka.domain.commands import CommitOffsets
from doka.domain.events import CommitAnswered
from doka.domain.forwarder import Forwarder
from doka.domain.held.ledger import HeldChunk, OffsetLedger
from doka.domain.partitions.commits import Commits, Watermarks
from doka.domain.partitions.partition import Intake, Partition
from doka.domain.turn import Turn
from tests.simulation.planted.bug import Patch, bug, overwrite
from tests.simulation.planted.plans import a_dead_consumer, commits_that_vanish


def commit_one_too_far(patch: Patch) -> None:
    """Commit one past the watermark."""
    honest = Commits._of

    def planted(self: Commits, partitions: Iterable[Watermarks]) -> CommitOffsets | None:
        commit = honest(self, partitions)
        return commit and replace(commit, offsets={tp: to + 1 for tp, to in commit.offsets.items()})

    patch.replace(Commits, "_of", planted)


def commit_over_a_hole(patch: Patch) -> None:
    """Commit the highest settled offset, whatever is open below."""
    honest = OffsetLedger.settle_each

    def planted(self: OffsetLedger, settled: Mapping[HeldChunk, int]) -> int:
        freed = honest(self, settled)
        self.watermark = max(self.watermark, *(chunk.end for chunk in settled if not chunk.open), 0)
        return freed

    patch.replace(OffsetLedger, "settle_each", planted)


def commit_what_was_fetched(patch: Patch) -> None:
    """Commit what was fetched, not what settled."""
    honest = Commits._of

    def planted(self: Commits, partitions: Iterable[Watermarks]) -> CommitOffsets | None:
        several = list(partitions)
        fetched = {marks.tp: last.end for marks in several for last in marks.ledgers[0]._chunks}
        commit = honest(self, several)
        return commit and replace(commit, offsets={tp: fetched.get(tp, to) for tp, to in commit.offsets.items()})

    patch.replace(Commits, "_of", planted)


def commit_after_lost(patch: Patch) -> None:
    """Commit partitions that somebody else owns."""
    honest = Forwarder._let_go

    def planted(self: Forwarder, partitions: list[Partition], change: str, took: int = 0) -> None:
        if change == "lost":
            self._commits.last([p.watermarks for p in partitions], self._turn, awaited=False)
        honest(self, partitions, change, took)

    patch.replace(Forwarder, "_let_go", planted)


def commit_after_a_halt(patch: Patch) -> None:
    """Say goodbye with a commit although a rule was broken, or the consumer is dead."""
    honest = Forwarder._revoked

    def planted(self: Forwarder, partitions: list[Partition], took: int, now: int) -> None:
        halted, self._halted = self._halted, None
        honest(self, partitions, took, now)
        self._halted = halted

    patch.replace(Forwarder, "_revoked", planted)


def apply_a_stale_commit_answer(patch: Patch) -> None:
    """Take the answer of an older commit for that of the present one."""
    honest = Commits.answered

    def planted(self: Commits, event: CommitAnswered, turn: Turn) -> None:
        commit = self._in_flight
        honest(self, event if commit is None else replace(event, commit=commit.commit), turn)

    patch.replace(Commits, "answered", planted)


def let_the_end_overtake(patch: Patch) -> None:
    """Let the end of the log complete a partition over records that wait."""

    def planted(self: Intake, partition: Partition, offset: int, now: int, turn: Turn) -> None:
        partition.expected = max(partition.expected, offset)
        for ledger in partition.legs:
            ledger.complete_to(offset)
        self._commits.moved(partition.watermarks)

    patch.replace(Intake, "ended", planted)


def ignore_ahead_records(patch: Patch) -> None:
    """Let a partition run ahead of its watermark without a bound."""
    honest = Forwarder.__init__

    def planted(self: Forwarder, rules: object, jitter: object) -> None:
        honest(self, rules, jitter)  # type: ignore[arg-type]  # as they come
        overwrite(self._intake, "_ahead_records", 10**9)

    patch.replace(Forwarder, "__init__", planted)


def sleep_through_commits(patch: Patch) -> None:
    """Forget that a commit becomes due while nothing happens."""

    def planted(self: Commits) -> int | None:
        return None

    patch.replace(Commits, "next_wake", planted)


def commit_all_the_time(patch: Patch) -> None:
    """Commit whenever a watermark has moved and no commit is in flight."""

    def planted(self: Commits) -> int | None:
        return self._sent_at

    patch.replace(Commits, "_next_turn", planted)


def forget_what_moved(patch: Patch) -> None:
    """Commit a partition that has moved only when another commit has left since."""
    honest = Commits.moved
    former: dict[Commits, set[Watermarks]] = {}

    def planted(self: Commits, watermarks: Watermarks) -> None:
        known = former.setdefault(self, set())
        if watermarks not in known:
            honest(self, watermarks)
        known ^= {watermarks}

    patch.replace(Commits, "moved", planted)


BUGS = (
    bug(commit_one_too_far, "I1", "I3"),
    bug(commit_over_a_hole, "I1"),
    bug(commit_what_was_fetched, "I1"),
    bug(commit_after_lost, "I3", "I13"),
    bug(commit_after_a_halt, "I12", plan=a_dead_consumer),
    bug(apply_a_stale_commit_answer, "I3", "I8", "I9", "I14", plan=commits_that_vanish),
    bug(let_the_end_overtake, "I1"),
    bug(sleep_through_commits, "I9"),
    bug(commit_all_the_time, "I10"),
    bug(forget_what_moved, "I9"),
    bug(ignore_ahead_records, "I7", "I8", "I14"),
)
