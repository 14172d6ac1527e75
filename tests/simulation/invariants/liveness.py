"""Whether it goes on (I9), and whether all came through in the end (I2, I8).

I9 here: when the last fault has healed, lag reaches zero within a time; what is sick for ever holds back nobody else.
I2: what was produced and committed has landed, or is a dead letter, or was dropped and counted.
"""

from __future__ import annotations

from bisect import bisect_left

from doka.adapters.simulated.plan import Sick
from doka.domain.events import (
    StopRequested,
)
from doka.domain.records import TopicPartition
from doka.domain.rules import OnPoison
from tests.simulation.invariants.evidence import Evidence
from tests.simulation.truth import PartitionTruth

ROOMY_BYTES = 1_000_000  # below, bytes may stop a partition before `ahead_records` does


class Liveness(Evidence):
    """Lag ends when the fault ends (I9), and nothing is lost by then (I2)."""

    def healed(self) -> None:
        self.is_healed = True
        self.stop_when_done()

    def time_is_up(self) -> None:
        missing = self.missing()
        self.require(
            not self.world.consumer_dead, "I12", "the consumer is dead, and the process goes on as if it lived"
        )
        self.require(missing is None or self.stopping, "I9", f"so long after the last fault healed, {missing}")

    def stop_when_done(self) -> None:
        """Ask the process to end once nothing more is to be expected of it."""
        life = self.world.life
        if not self.stopping and life is not None and self.missing() is None:
            self.stopping = True
            life.inbox.put(StopRequested("done"))

    def missing(self) -> str | None:
        """Say what must still happen; None when nothing must."""
        if not self._all_produced:
            return "records are still being written"
        for tp, truth in self.truths.items():
            log = self.world.logs[tp]
            if truth.committed < log.end:
                excuse = None if self._left(tp) else self._excused(truth)
                if excuse is not None:
                    return f"{tp} is committed to {truth.committed} of {log.end}{excuse}"
        return None

    def _left(self, tp: TopicPartition) -> bool:
        """Say whether a partition is one that the bound of its route leaves, and the process says so.

        What this process has read of it goes on, whatever else appears.
        """
        if not self.beyond_bound(tp.topic) or tp in self._owned_before:
            return False
        shown = () if self.last_status is None else self.last_status.topics_left.values()
        return any(tp.topic in topics for topics in shown)

    def lease_over(self) -> bool:
        """Say whether the process has had a lease that may sign nothing any more, or nothing that is accepted."""
        lease = self._lease
        if lease is None or lease.ends_at is None:
            return self._deaths > 0
        if (
            self.world.tokens.judge(lease) is not None
        ):  # revoked, perhaps with a code that a stream's denial has as well
            return True
        life = max(lease.ends_at - lease.issued_at, 0)
        return self.world.timeline.now >= lease.ends_at - min(self.plan.limits.request_timeout, life // 5)

    def _excused(self, truth: PartitionTruth) -> str | None:
        """Give None where a partition may stay behind, else why it may not."""
        tp, plan = truth.tp, self.plan
        if plan.sick is Sick.UNRENEWED and self.lease_over():
            self.reached["a lease was over, and its policy has no other"] += 1
            shown = None if self.last_status is None else self.last_status.routes[self.world.routes[tp.topic]].blocked
            return None if shown else ", and nothing says that its lease has ended"
        if tp in self.gapped or (plan.sick is Sick.UNFETCHABLE and tp == next(iter(self.truths))):
            return None
        # Where only the service knows the poison, it is known as such only when another record has landed beside it.
        only_the_service = plan.work.refused or (plan.work.large and self.facts_assumed)
        orders = self.world.orders.get(tp, ())
        poison = {offset for offset in truth.poison if not any(order.covers(offset, offset + 1) for order in orders)}
        stuck = poison and (plan.on_poison is OnPoison.BLOCK or only_the_service)
        stream = self.world.streams[self.world.routes[tp.topic]]
        if stream.status is None:
            shown = None if self.last_status is None else self.last_status.routes[stream.name].blocked
            return None if shown or stuck else ", and nothing says that its stream is gone"
        hot = any(shard.hot for shard in stream.shards)
        if not stuck and not hot:
            return ""
        sick_keys = {truth.keys[offset] for offset in poison}
        if hot:
            place = self._aggregates.place_of  # an aggregate goes where its lane is
            named = {key: plan.key_of(tp, key) or "" for key in truth.keys.values() if key is not None}
            sick_keys |= {key for key, name in named.items() if stream.shard_of(name, place(name)).hot} | {None}
        if plan.limits.held_bytes < ROOMY_BYTES:
            return None
        ahead = truth.offsets[bisect_left(truth.offsets, truth.committed) :]
        ownership = self.owned.get(tp)
        held = {} if ownership is None else ownership.unsettled | dict.fromkeys(ownership.settled)
        ahead = [offset for offset in ahead if offset not in truth.removed or offset in held]
        ahead = ahead[: plan.limits.ahead_records]
        waiting = [offset for offset in ahead if not truth.done(offset) and truth.keys[offset] not in sick_keys]
        return f", and {waiting[0]} of a healthy key has not landed" if waiting else None

    def at_the_end(self) -> None:
        """Judge the whole run: I2, I8."""
        everything = [*self.truths.items(), *self.former.items()]
        extra = sum(truth.extra_landings() for _, truth in everything)
        self.require(
            extra <= self.duplicates_allowed, "I8", f"{extra} duplicates, explained are {self.duplicates_allowed}"
        )
        for tp, truth in everything:
            undone = truth.undone(0, truth.committed)
            self.require(undone is None, "I2", f"{tp}: {undone} is lost")
        if self.plan.calm:
            self.require(extra == 0, "I8", f"{extra} duplicates in calm weather")
            refused = [name for name in self.reached if "refused" in name or "ambiguous" in name]
            self.require(not refused, "I8", f"in calm weather: {refused}")
