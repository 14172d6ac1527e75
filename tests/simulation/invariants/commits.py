"""What is committed: only what has settled (I1), forwards and owned (I3), not too often (I10), never after a halt (I12)."""

from __future__ import annotations

from collections.abc import Mapping

from doka.domain.commands import CommitOffsets
from doka.domain.limits import NS_PER_MS
from doka.domain.records import TopicPartition
from doka.domain.rules import OnPoison
from tests.simulation.invariants.facts import Facts
from tests.simulation.invariants.liveness import Liveness
from tests.simulation.invariants.violation import ViolationError

SLACK_NS = NS_PER_MS  # between the decision of a commit and its way: what else is carried out in that turn


class Committing(Liveness, Facts):
    """Each commit is judged when it leaves and again when the group stores it."""

    def commit_answered(self, commit: int, error: str | None) -> None:
        self._commits_open.discard(commit)
        self.note_commit_answer(commit, error)
        self.excuse_commits((self._committed_at or 0) + self.plan.limits.commit_every)
        if error is not None:
            self.reached["a commit was refused"] += 1
        last_of = self._last_commits.pop(commit, None)
        if last_of is not None and error is not None:
            self._left_open = self._left_open or f"{last_of}: its last commit was refused, {error}"

    def commit_answer_lost(self) -> None:
        self.reached["a commit was stored and its answer lost"] += 1

    def commit_began(self, command: CommitOffsets) -> None:
        self._judge_pace(command)
        self._commits_open.add(command.commit)
        self.note_commit(command)
        halted = self.last_status is not None and self.last_status.halted
        self.require(not halted, "I12", f"a commit was sent after the halt: {halted}")
        for tp, to in command.offsets.items():
            ownership = self.owned.get(tp)
            if ownership is None:
                raise ViolationError("I3", f"{tp} was committed to {to}, and is not owned")
            if to < ownership.committed:
                raise ViolationError("I3", f"{tp}: a commit went back to {to}")
            if to > ownership.expected:
                raise ViolationError("I3", f"{tp}: a commit to {to}, above what was delivered")
            first = next(iter(ownership.unsettled), to)
            if first < to and first not in ownership.truth.dropped:
                raise ViolationError("I1", f"{tp} was committed to {to} while {first} had not settled")
            ownership.committed = to
            ownership.last_commit = command.commit

    def _judge_pace(self, command: CommitOffsets) -> None:
        """Judge that commits are as far apart as they shall be, but for the last of a partition, and those in a hurry."""
        if any(tp in self.owned and self.owned[tp].draining for tp in command.offsets) or self.draining:
            return
        plan, now, last = self.plan, self.world.timeline.now, self._committed_at
        self._committed_at = now - self.world.slept_in_hand  # when it was decided
        hurries = plan.limits.ahead_records <= 2 * plan.work.records
        early = 0 if hurries or last is None else last + plan.limits.commit_every - now
        self.require(early <= SLACK_NS, "I10", f"a commit left {early} ns before its turn")

    def commit_stored(self, offsets: Mapping[TopicPartition, int], *, ours: bool) -> None:
        for tp, to in offsets.items():
            truth = self.truths[tp]
            if tp in self.former and to > self.world.logs[tp].end:
                truth = self.former[tp]  # it was sent before the topic was another one
            if to < truth.committed:
                raise ViolationError("I3", f"{tp}: the group's offset went back from {truth.committed} to {to}")
            if not ours and self.plan.on_poison is OnPoison.DROP:
                truth.dropped.update(offset for offset in truth.poison if truth.committed <= offset < to)
            undone = truth.undone(truth.committed, to)
            if undone is not None:
                raise ViolationError("I1", f"{tp} stands at {to} while {undone} has not landed")
            if to > truth.committed:
                self.world.progress()
            truth.committed = to
        if self.is_healed:
            self.stop_when_done()
