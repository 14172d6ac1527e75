"""Where the machine has what it holds, seen from inside between two turns: each record in one place (I14), counted (I7).

What is seen from outside comes late: a record that was forgotten shows when the world has healed, one that is in two places
when both were sent. Here it shows in the turn in which it happened, or soon after.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from doka.adapters.simulated.plan import Plan
from doka.domain.forwarder import Forwarder
from doka.domain.held.ledger import OffsetLedger
from doka.domain.limits import NS_PER_MS, RECORD_OVERHEAD_BYTES
from doka.domain.records import TopicPartition
from doka.domain.routes.route import Route
from doka.domain.routes.standing import RouteState
from doka.domain.sending.aggregated_outbox import AggregatedOutbox
from tests.simulation.homes import (
    Places,
    body_bytes_of,
    held_bytes_of,
    lanes_due,
    leg_of,
    partitions_of,
    places_beside,
    places_in,
    puts_of,
    ready_in,
    rests,
    routes_of,
)
from tests.simulation.invariants.evidence import Evidence
from tests.simulation.invariants.violation import ViolationError
from tests.simulation.truth import Ownership

PAUSED_WITHIN_NS = 700 * NS_PER_MS  # of a room that stays full
LOOK_EVERY = 10
"""Turns; a look costs as much as some turns. All looks are 7 of 100 calls of a run (cProfile, seeds 1000 to 1099)."""


class Holding(Evidence):
    """Every record that was delivered and has not settled is in exactly one place of the machine."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._turns = 0
        whole = any(route.needs_originals for route in plan.rules().routes)
        self._smaller = plan.compress != "none" and not whole
        self._full_at = plan.limits.held_bytes * 3 / 4
        self._full_since: int | None = None  # since when so much is held

    def look_inside(self, now: int) -> None:
        """Look into the machine, now and then, after a turn that was decided at `now`."""
        self._turns += 1
        if self.machine is None:
            self._full_since = None
            return
        if held_bytes_of(self.machine) < self._full_at:
            self._full_since = None
        elif self._full_since is None:
            self._full_since = now
        if self._turns % LOOK_EVERY == 0 and not self.machine_halted():
            self._look(self.machine, now)

    def _look(self, machine: Forwarder, now: int) -> None:
        partitions = {partition.tp: partition for partition in partitions_of(machine)}
        strange = partitions.keys() - self.owned.keys()
        if strange:
            raise ViolationError("I13", f"the machine has {strange}, which are not owned")
        missing = {tp for tp, ownership in self.owned.items() if not ownership.draining} - partitions.keys()
        if missing:
            raise ViolationError("I13", f"{missing} are owned, and the machine does not have them")
        held = sum(ledger.held_bytes for partition in partitions.values() for ledger in partition.legs)
        counted = held_bytes_of(machine)
        if not held == counted >= 0:
            raise ViolationError("I7", f"{counted} bytes are counted as held, and {held} are")
        for route in self._own_routes(machine):
            there, waiting = ready_in(route), route.outbox.waiting
            if there != waiting:
                raise ViolationError("I14", f"{route.rules.name} counts {waiting} records that wait, of {there}")
            if rests(machine):
                self._judge_haste(route, now)
        homes = {route.rules.name: places_in(route) for route in self._own_routes(machine)}
        for tp, partition in partitions.items():
            route_of_topic = self.world.routes[tp.topic]
            if all(leg.route.rules.name != route_of_topic for leg in partition.legs.values()):
                raise ViolationError("I2", f"{tp} is {route_of_topic}'s, and goes another way")
            leg = leg_of(partition, route_of_topic)
            places = homes[leg.route.rules.name].get(leg.ledger, [])
            self._look_at(leg.ledger, self.owned[tp], [*places, *places_beside(leg)])
        self._judge_fairness(partitions, now)
        if not self._commits_open and now >= self._commit_by and not any(o.draining for o in self.owned.values()):
            late = [p.tp for p in partitions.values() if p.watermarks.lowest > p.watermarks.committed]
            if late:
                raise ViolationError("I9", f"{late} are to be committed, and no commit is on its way")

    def _own_routes(self, machine: Forwarder) -> list[Route]:
        """Give the routes that are judged here."""
        own = set(self.world.routes.values())
        return [route for route in routes_of(machine) if route.rules.name in own]

    def _least_held(self, ownership: Ownership) -> int:
        """Give how many bytes what is un-settled takes at least; what was compressed takes some, nobody here knows how much."""
        truth, unsettled = ownership.truth, ownership.unsettled
        if self._smaller:
            return sum(len(truth.keys[offset] or b"") + RECORD_OVERHEAD_BYTES for offset in unsettled)
        return sum(map(truth.sizes.__getitem__, unsettled)) + len(unsettled) * RECORD_OVERHEAD_BYTES

    def _judge_fairness(self, partitions: Collection[TopicPartition], now: int) -> None:
        """Judge that who holds more than half a share waits, where there is little room for the others, and for long: I9."""
        if self._full_since is None or now - self._full_since < PAUSED_WITHIN_NS or self.draining:
            return
        share = self.plan.limits.held_bytes / 4 / len(partitions)
        for tp in partitions:
            ownership, sizes = self.owned[tp], self.truths[tp].sizes
            held = sum(sizes.get(offset, 0) + RECORD_OVERHEAD_BYTES for offset in ownership.unsettled)
            right = held <= share / 2 or tp in self._paused or ownership.draining
            self.require(right, "I9", f"{tp} holds {held} bytes of {share}, and takes what is left to others")

    def _judge_haste(self, route: Route, now: int) -> None:
        """Judge that what may leave has left: I9. What waits for its shard's pace, or for a search, does not."""
        outbox, name = route.outbox, route.rules.name
        status = route.standing
        if not outbox.waiting or outbox.pacer.paces or route._search is not None:
            return
        if status.state is not RouteState.OPEN or not status.usable or not self._signs(now):
            return
        if isinstance(outbox, AggregatedOutbox):
            late = None if route.puts else next(lanes_due(outbox, now), None)
            if late is not None:
                raise ViolationError("I9", f"{name} has {late} to send, and nothing is on its way")
            return
        lingers = now < self._left_at.get(name, now) + self.plan.limits.linger
        if not route.puts and not lingers:
            raise ViolationError("I9", f"{name} has {outbox.waiting} records that may leave, and nothing is on its way")
        idle = sum(1 for each in routes_of(self.machine) if not each.puts) if self.machine is not None else 0
        there = 0 if self.machine is None else puts_of(self.machine)
        full = max(self._in_flight + self._unsigned, there) + idle >= self.plan.limits.requests_in_flight
        full = full or (self.machine is not None and body_bytes_of(self.machine) >= self.plan.limits.body_bytes)
        # Without `linger` a request beside others waits a moment to be filled.
        may_wait = lingers or not self.plan.limits.linger
        waits = full or name in self._failing or (may_wait and outbox.waiting < self.plan.limits.request_records)
        if not waits:
            raise ViolationError("I9", f"{name} has {outbox.waiting} records that may leave, and room for a request")

    def _signs(self, now: int) -> bool:
        """Say whether there is a lease that may sign."""
        lease = self._lease
        if lease is None or lease.ends_at is None:
            return False
        life = max(lease.ends_at - lease.issued_at, 0)
        return now < lease.ends_at - min(self.plan.limits.request_timeout, life // 5)

    def _look_at(self, ledger: OffsetLedger, ownership: Ownership, places: Sequence[Places]) -> None:
        tp = ledger.tp
        above = ledger.open + ledger.ahead
        if above > self.plan.limits.ahead_records:
            raise ViolationError("I7", f"{tp} holds {above} records above its watermark")
        homes = {offset for _, offsets in places for offset in offsets}
        if len(homes) < sum([len(offsets) for _, offsets in places]):
            (twice, _), *_ = Counter(offset for _, offsets in places for offset in offsets).most_common(1)
            where = [home for home, offsets in places for offset in offsets if offset == twice]
            raise ViolationError("I14", f"{tp} offset {twice} is in several places: {', '.join(where)}")
        wanted = set(ownership.unsettled)
        draining = ownership.draining or self.draining or (ledger.draining and bool(ownership.ordered))
        if draining:  # what was never sent is forgotten, and what can never land is not waited for
            wanted = {offset for offset in wanted if offset < ownership.sent_to} - ownership.truth.poison
        if not wanted and not (draining and homes) and not ownership.truth.poison:
            last = max(ownership.settled, default=-1)
            if last >= ledger.watermark:
                stands = f"{last} has settled, and the watermark stands at {ledger.watermark}"
                raise ViolationError("I9", f"{tp}: nothing is open, {stands}")
        lost = wanted - homes - ownership.parked
        if lost:
            raise ViolationError("I14", f"{tp}: {sorted(lost)} are not settled, and the machine has them nowhere")
        # An acknowledged letter is told to the judge when it comes, to the machine when it looks.
        more = homes - wanted - ownership.truth.dropped - (ownership.truth.poison if draining else set())
        if draining and not self.alone:  # it sends as far as another route has sent
            more -= {offset for offset in ownership.unsettled if offset < ownership.drains_to}
        if more and ownership.truth.unwanted:  # which is filtered when it comes in
            fetched = (offset for home, offsets in places if home == "the backlog" for offset in offsets)
            more -= ownership.truth.unwanted.intersection(fetched)
        if more:
            raise ViolationError("I14", f"{tp}: the machine has {sorted(more)}, which are not un-settled")
        least = 0 if draining else self._least_held(ownership)
        if ledger.held_bytes < least:
            raise ViolationError("I7", f"{tp} counts {ledger.held_bytes} bytes, and holds {least}")
        if ledger.held_bytes and not ownership.unsettled and not homes:
            raise ViolationError("I7", f"{tp} holds {ledger.held_bytes} bytes of nothing")
