"""Who owns what (I13), how much a change of owner repeats (I8), and how a life ends (I12, I19)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from doka.adapters.simulated.group import NEIGHBOUR
from doka.adapters.simulated.kafka import CLIENT_FAILED
from doka.adapters.simulated.plan import Sick
from doka.app.runtime import Ending
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from tests.simulation.invariants.facts import Facts
from tests.simulation.invariants.telling import look_for_payload
from tests.simulation.truth import Ownership, PartitionTruth

DRAIN_RESERVE_NS = 3 * NS_PER_SECOND  # of a stop's time, for leaving the group; at most a quarter of it
WENT = "records will repeat, or may"  # the end of a stop during which partitions went
CUT_SHORT = ("not everything that was sent", "Kafka did not take the last")


class Owning(Facts):
    """One owner at a time (I13), bounded repeats after each change (I8), stops that keep their time (I19)."""

    def assigned(self, positions: Mapping[TopicPartition, int]) -> None:
        self.note_owned("assigned", positions)
        for tp, start in positions.items():
            self.require(tp not in self.owned, "I13", f"{tp} was assigned while it was owned")
            truth = self.truths[tp]
            self._nothing_below(truth, start)
            self.owned[tp] = Ownership(truth, start)
            if tp in self._owned_before:
                self.reached["the same partition came back to its owner"] += 1
            self._owned_before.add(tp)
            known = self.world.group.owner[tp] != NEIGHBOUR  # else it was expelled, and has not heard of it
            again = self._repeats(truth, start, known=known)
            if again:
                self.reached["settled records are delivered again"] += 1

    def _nothing_below(self, truth: PartitionTruth, start: int) -> None:
        """Judge that a partition begins at or below its first record that is not done: I15."""
        log = self.world.logs[truth.tp]
        if self.plan.patterned and not log.incarnation:
            undone = truth.undone(log.start, start)
            self.require(undone is None, "I15", f"{truth.tp} begins at {start}, and nobody has seen to {undone}")

    def _repeats(self, truth: PartitionTruth, start: int, *, known: bool = True) -> int:
        """Count the records that a new owner, who reads from `start`, will send again: `ahead_records` at most.

        Unless what landed may be of somebody else of whom it cannot be `known`.
        """
        again = truth.landed_from(start)
        most = self.plan.limits.ahead_records
        most += sum(
            1 for offset in truth.skipped if offset >= start and offset in truth.landed
        )  # before it was ordered
        self.require(
            again <= most or not known, "I8", f"{truth.tp}: {again} records will repeat, and ahead_records is {most}"
        )
        self.duplicates_allowed += again
        return again

    def neighbour_began(self, partition: TopicPartition, start: int) -> None:
        self._repeats(self.truths[partition], start)
        ownership = self.owned.get(partition)
        if ownership is not None:  # our process does not know yet that it owns it no more
            self.duplicates_allowed += len(ownership.in_flight)
            self.reached["a neighbour begins before we know that we lost"] += 1

    def revoke_began(self, partitions: Sequence[TopicPartition]) -> None:
        self.note_owned("revoked", partitions)
        for tp in partitions:
            ownership = self.owned[tp]
            ownership.draining = True
            ownership.drain_began_at = self.world.timeline.now
            if ownership.in_flight:
                self.reached["revoked with a put in flight"] += 1
        if self.draining:
            self.reached["revoked while stopping"] += 1

    def gave_back(self, partitions: Sequence[TopicPartition]) -> None:
        self.excuse_commits()  # in the drain nothing was read
        for tp in partitions:
            last = self.owned[tp].last_commit
            if self.draining and last in self._commits_open:
                self._last_commits[last] = tp
            self.judge_repeats(tp, self.owned[tp], self.owned[tp].committed)
            self._judge_drain(self.owned[tp])
            self._went(tp)

    def _judge_drain(self, ownership: Ownership) -> None:
        """Judge that a partition is given back before its time only when all that was sent of it has settled: I19."""
        drain, began = self.plan.limits.drain, ownership.drain_began_at
        began = min(began, self.drain_began_at) if self.draining else began
        early = began + drain - min(DRAIN_RESERVE_NS, drain // 4) - self.world.timeline.now
        if early > 0 and not self.machine_halted():
            left = self._unsettled_of(ownership)
            self.require(left is None, "I19", f"{ownership.truth.tp} was given back {early} ns early: {left}")

    def _went(self, tp: TopicPartition) -> None:
        """Note that a partition is owned no more, and what a stop has left undone of it: nothing can mend that."""
        ownership = self.owned.pop(tp)
        if self.draining:
            self._left_open = self._left_open or self._open_in(ownership)
            self._gave_up = True
        self._end(ownership)

    def _open_in(self, ownership: Ownership) -> str | None:
        """Say what is not done of a partition that goes during a stop, and must be if the process is to end well."""
        tp = ownership.truth.tp
        if ownership.in_flight:
            return f"{tp}: {len(ownership.in_flight)} records are in flight"
        again = sum(1 for offset in ownership.settled if offset >= ownership.committed)
        if again:
            return f"{tp}: {again} records have landed above {ownership.committed}, and will again"
        return self._unsettled_of(ownership)

    def _unsettled_of(self, ownership: Ownership) -> str | None:
        """Say what was sent and has not settled, but for what can never land, and what waits behind that since."""
        tp, truth, sent_to = ownership.truth.tp, ownership.truth, ownership.sent_to
        route = self.world.routes[tp.topic]
        if route in self._told_open and self.plan.limits.ahead_records >= self.plan.work.records:
            sent_to = max(sent_to, ownership.drains_to)  # it has room for all that another route has sent
        sick = {truth.keys[offset] for offset in ownership.unsettled if offset in truth.poison}
        sent = [o for o in ownership.unsettled if o < sent_to and truth.keys[o] not in sick]
        if sent and route not in self._blocked_told:
            return f"{tp}: {sent[0]} was sent and has not landed"
        return None

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        self.note_owned("lost", partitions)
        for tp in partitions:
            self.note_lost(tp, self.owned[tp])
            if self.owned[tp].in_flight:
                self.reached["lost with a put in flight"] += 1
            self._went(tp)
        if self._commits_open:
            self.reached["lost with a commit in flight"] += 1

    def died(self) -> None:
        if not self._delivered_since_death:
            self.reached["died twice without a record in between"] += 1
        self._delivered_since_death = 0
        if self._in_flight:
            self.reached["died with a put in flight"] += 1
        for ownership in self.owned.values():
            if ownership.draining:
                self.reached["died inside the drain of a revoke"] += 1
            if ownership.settled and max(ownership.settled) >= ownership.truth.committed:
                self.reached["died between settling and committing"] += 1
            self._end(ownership)
        self.end_life()

    def stop_taken(self) -> None:
        """Note that the process has read that it shall stop."""
        if self.draining:
            self.reached["a second stop was asked for while the first was under way"] += 1
        if not self.draining:
            self.draining = True
            self.drain_began_at = self.world.timeline.now

    def left(self, ending: Ending) -> None:
        """Judge how a life ended by itself: I12 and I19."""
        look_for_payload(ending.reason)
        self.require("please report" not in ending.reason, "I12", ending.reason)
        now = self.world.timeline.now
        if ending.code == 0:
            self.require(self._left_open is None, "I19", f"a stop ended well, and of {self._left_open}")
            unsure = ", ".join(map(str, self._last_commits.values()))
            self.require(not unsure, "I19", f"a stop ended well, and the last commit of {unsure} was not answered")
        if self.draining:
            suspended = sum(end - begin for begin, end in self.world.suspensions if end > self.drain_began_at)
            took = now - self.drain_began_at - suspended
            most = self.plan.limits.drain + 2 * NS_PER_SECOND
            self.require(took <= most, "I19", f"a stop took {took / NS_PER_SECOND:.1f} s")
            least = self.plan.limits.drain - min(DRAIN_RESERVE_NS, self.plan.limits.drain // 4)
            self.require(
                now - self.drain_began_at >= least or not ending.reason.startswith(CUT_SHORT),
                "I19",
                f"a stop was cut short after {(now - self.drain_began_at) / NS_PER_SECOND:.3f} s: {ending.reason}",
            )
        else:
            self.require(ending.code != 0, "I12", f"it ended with exit code 0 and was not asked to: {ending.reason}")
        if (
            self.stopping
            and self.draining
            and not self.gapped
            and self.plan.sick is Sick.NOTHING
            and not self.plan.poisoned
        ):
            unanswered = self.plan.rates.commit_vanished + self.plan.rates.commit_unanswered
            excused = (unanswered and ending.reason.startswith("Kafka did not take")) or (
                self.world.consumer_dead and ending.reason == CLIENT_FAILED  # I12: loud, also where a stop is under way
            )
            excused = excused or (self._gave_up and WENT in ending.reason)  # the group had declared it dead before
            self.require(
                ending.code == 0 or excused, "I19", f"a stop in good weather ended with {ending.code}: {ending.reason}"
            )
        for ownership in self.owned.values():
            self._end(ownership)
        self.end_life()
