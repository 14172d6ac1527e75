"""Whether the figures of a status are those of the world (I14): of partitions, of routes, of leases."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection

from doka.adapters.simulated.plan import Plan
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import Chunk, TopicPartition
from doka.domain.rules import KeyEncoding, OnGap
from doka.domain.status import PartitionStatus, Status
from tests.simulation.invariants.evidence import HEARD_WITHIN_NS
from tests.simulation.invariants.facts import SEEKS_CONTROL, Facts
from tests.simulation.invariants.violation import ViolationError
from tests.simulation.truth import Ownership

NS_PER_MINUTE = 60 * NS_PER_SECOND
LOOKED_AT_WITHIN_NS = 2 * NS_PER_SECOND  # a decision is never older than one, and a status too

FOR_A_PERSON = ("gap", "unreadable", "poison", "letter_failed")
STUCK = frozenset({"not_settled", "not_committed", "slower_route"})
SIGNING = frozenset({"fresh", "due"})


def _is_no_text(key: bytes | None) -> bool:
    """Say whether a key has no UTF-8 form; that of a tombstone has one in any world, for it is told by it."""
    try:
        (key or b"").decode()
    except UnicodeDecodeError:
        return True
    return False


class Figures(Facts):
    """A figure that is shown is the world's, or lies between what it was and what it is."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._flows_since: dict[TopicPartition, int] = {}  # since when nothing has held a partition up
        self._filtered_here: Counter[str] = Counter()  # unwanted records that this life has read, by route

    def end_life(self) -> None:
        super().end_life()
        self._flows_since.clear()
        self._filtered_here.clear()

    def note_delivered(self, ownership: Ownership, chunk: Chunk) -> None:
        """Note when records were handed over."""
        ownership.delivered.append((chunk.offsets[0], self.world.timeline.now))

    def paused(self, partitions: Collection[TopicPartition]) -> None:
        self._paused = frozenset(partitions)

    def judge_figures(self, status: Status) -> None:
        """Judge a status that was published."""
        self._judge_leases(status)
        in_flight = sum(route.in_flight for route in status.routes.values())
        most = self._in_flight + self._unsigned
        if not self._in_flight <= in_flight <= most:
            raise ViolationError("I14", f"{in_flight} requests are shown, {most} are out")
        self._unsigned = 0
        strange = status.partitions.keys() - self.owned.keys()
        if strange:
            raise ViolationError("I14", f"{strange} are shown, and not owned")
        self._judge_fallbacks(status)
        self._judge_topics(status)
        for name, route in status.routes.items():
            count, most = sum(route.filtered.values()), self._filtered_here[name]
            self.require(count <= most, "I14", f"{name} is shown with {count} filtered records, {most} were read")
        for tp, shown in status.partitions.items():
            self._judge_partition(status, tp, shown, self.owned[tp])

    def _judge_topics(self, status: Status) -> None:
        """Judge how many topics patterns have brought: never more than they may (I7), and as many as are there (I14)."""
        if not self.plan.patterned:
            return
        for name, count in status.topics_matched.items():
            owned = {tp.topic for tp in self.owned if self.world.routes[tp.topic] == name}
            there = sum(route == name for route in self.world.routes.values())
            most = self.plan.topics_max
            self.require(len(owned) <= most, "I7", f"{name} reads {len(owned)} topics, and may {most}")
            self.require(count <= there, "I14", f"{name} is shown with {count} topics, and there are {there}")
            known = count + sum(self.world.routes[t] == name for left in status.topics_left.values() for t in left)
            self.require(len(owned) <= known, "I14", f"{name} reads {len(owned)} topics, and tells of {known}")
            if there > most and known == there:
                self.reached["a topic was left because of the bound"] += 1

    def _judge_fallbacks(self, status: Status) -> None:
        """Judge that keys that are no text are counted where some were sent, and nowhere else."""
        plan = self.plan
        by_text = plan.key_encoding is KeyEncoding.UTF8 and plan.partition_key in {"kafka_key", "header:key"}
        met = {
            own.truth.tp.topic
            for own in (self.owned.values() if plan.work.raw_keys and by_text else ())
            if any(_is_no_text(own.truth.keys[offset]) for offset in own.attempts)
        }
        for topic, name in self.world.routes.items():
            shown = status.routes[name].key_fallbacks
            right = shown > 0 if topic in met else not shown or plan.work.raw_keys
            if not right:
                raise ViolationError("I14", f"{name} is shown with {shown} keys that are no text")

    def _judge_leases(self, status: Status) -> None:
        lease = self._lease
        for shown in status.leases.values():
            serial = 0 if lease is None else lease.serial
            if shown.serial != serial:
                raise ViolationError("I14", f"lease {shown.serial} is shown, and {serial} is held")
            if lease is None or lease.ends_at is None:
                if shown.state in SIGNING:
                    raise ViolationError("I14", f"no lease is held, and it is shown as {shown.state}")
                continue
            left = lease.ends_at - status.at
            if shown.left != left:
                raise ViolationError("I14", f"a lease is shown with {shown.left} ns, and has {left}")
            signs = left > min(self.plan.limits.request_timeout, max(lease.ends_at - lease.issued_at, 0) // 5)
            right = signs == (shown.state in SIGNING)
            if not right:
                raise ViolationError("I14", f"a lease is shown as {shown.state}, and has {left} ns")

    def _judge_partition(self, status: Status, tp: TopicPartition, shown: PartitionStatus, own: Ownership) -> None:
        first = next(iter(own.unsettled), own.expected)
        right = own.committed <= shown.watermark <= max(first, own.expected)
        if not right:
            raise ViolationError("I14", f"{tp} shows watermark {shown.watermark}, committed is {own.committed}")
        least, most = own.acknowledged_before, own.acknowledged
        right = least <= shown.committed <= most
        if not right:
            raise ViolationError("I14", f"{tp} shows {shown.committed} as committed, and it is {least} to {most}")
        ahead = sum([offset >= shown.committed for offset in own.settled])
        if shown.ahead != ahead:
            raise ViolationError("I14", f"{tp} shows that {shown.ahead} records would repeat, {ahead} would")
        most = self.plan.limits.ahead_records
        if ahead > most:
            raise ViolationError("I8", f"{tp} has {ahead} records above what Kafka holds, and ahead_records is {most}")
        if shown.paused != (tp in self._paused):
            raise ViolationError("I14", f"{tp} is shown as paused: {shown.paused}, it is not so")
        if shown.oldest_unsettled_age is not None:
            oldest = own.delivered[bisect_right(own.delivered, first, key=lambda each: each[0]) - 1][1]
            right = 0 <= shown.oldest_unsettled_age <= status.at - oldest
            if not right:
                raise ViolationError(
                    "I14", f"{tp} shows an age of {shown.oldest_unsettled_age}, it is {status.at - oldest}"
                )
        self._judge_pause(status, tp, shown, own)
        self._judge_stuck(status, tp, shown, own)

    def _judge_pause(self, status: Status, tp: TopicPartition, shown: PartitionStatus, own: Ownership) -> None:
        """Judge that a partition waits where it must, and that it goes on where nothing holds it."""
        if status.draining or own.draining:
            return
        blocked = status.routes[shown.route].blocked
        must = self.alone and blocked is not None and blocked not in SEEKS_CONTROL
        if must and not shown.paused:
            raise ViolationError("I9", f"{tp} is asked for records, and its route is blocked: {blocked}")
        gap = tp in self.gapped and self.plan.on_gap is OnGap.BLOCK and shown.stuck_reason == "gap"
        if gap and not shown.paused:
            raise ViolationError("I9", f"{tp} waits for a person, and is still asked for records")
        full = status.held_bytes * 2 >= status.held_bytes_max
        idle = not own.unsettled and own.acknowledged == own.expected
        if blocked is not None or gap or full or not idle or shown.stuck is not None or not self.alone:
            self._flows_since.pop(tp, None)
            return
        since = self._flows_since.setdefault(tp, status.at)
        late = shown.paused and status.at - since > HEARD_WITHIN_NS + LOOKED_AT_WITHIN_NS
        if late:
            raise ViolationError("I9", f"{tp} is paused, and nothing holds it up")

    def _waits_for_a_person(self, own: Ownership) -> str | None:
        """Give the word for what holds a partition up, or a lane of it, as it was told; the first of them is shown."""
        told = (own.gap_told, own in self._unreadable_told, own.parked, own.unstored)
        return next((word for word, holds in zip(FOR_A_PERSON, told, strict=True) if holds), None)

    def _judge_stuck(self, status: Status, tp: TopicPartition, shown: PartitionStatus, own: Ownership) -> None:
        """Judge that a partition was told to be stuck that is: full to the last record, and nothing moves."""
        why = self._waits_for_a_person(own)
        right = shown.stuck_reason == why if why else shown.stuck_reason not in FOR_A_PERSON
        if not right:
            raise ViolationError("I14", f"{tp} is shown as {shown.stuck_reason}, and it is {why}")
        first = next(iter(own.unsettled), None)
        if first is not None and own.unheard.keys() == {first}:
            fresh = status.at - own.unheard[first] < NS_PER_MINUTE
            if fresh and not shown.stuck:
                raise ViolationError("I14", f"{tp} {first} is refused, nobody knows why, and nothing says so")
        told = own in self._stuck
        if shown.stuck_reason in STUCK and not told:
            raise ViolationError("I14", f"{tp} is stuck, and nothing told of it")
        if status.draining or own.draining or status.routes[shown.route].blocked is not None:
            return
        arrived = own.delivered[-1][1] if own.delivered else 0
        still = status.at - max(own.moved_at, arrived, self.turned_at.get(shown.route, 0))
        if still < LOOKED_AT_WITHIN_NS:
            return
        reach = len(own.unsettled) + sum(1 for offset in own.settled if offset >= own.acknowledged)
        roomy = reach < self.plan.limits.ahead_records and status.held_bytes * 2 < status.held_bytes_max
        waits = self.plan.decodes and self.waits_for_a_schema(shown.route, own)
        flows = not self.alone or not shown.paused or not roomy or tp in self.gapped or waits
        if not flows:
            raise ViolationError("I9", f"{tp} has room for more than {reach} records, nothing moves, and it is paused")
        late = still - self.plan.limits.request_timeout * 3 // 2 - LOOKED_AT_WITHIN_NS
        right = told or late < 0 or reach <= self.plan.limits.ahead_records
        if not right:
            raise ViolationError("I14", f"{tp} is full with {reach} records, nothing moves, and nothing told of it")
