"""The judge of a world in which several routes read each topic: one for each leg, who sees what is that leg's alone.

Each leg must keep every rule by itself: nothing is committed that it has not settled, no key of it is overtaken, none of its
records is lost. What is of the read (deliveries, commits, rebalances, gaps, orders to skip) all of them see; a request, a
landing, a letter and what is told with the name of a route only the judge of that route. What binds legs together is judged
here: a drain sends no record that none of them has sent, and nothing is paused while a leg could go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from doka.adapters.simulated.kinesis import Put
from doka.adapters.simulated.plan import Plan
from doka.adapters.simulated.witness import Witness
from doka.adapters.simulated.world import World
from doka.app.runtime import Ending
from doka.domain.commands import SendLetter, SendPut
from doka.domain.events import Event, PutAnswered, PutRefused, StopRequested, StreamRefused
from doka.domain.facts import Fact, PartitionStuck
from doka.domain.forwarder import Forwarder
from doka.domain.records import TopicPartition
from doka.domain.status import PartitionStatus, Status
from tests.simulation.checkers import Checker
from tests.simulation.invariants.facts import SEEKS_CONTROL
from tests.simulation.invariants.figures import LOOKED_AT_WITHIN_NS
from tests.simulation.invariants.violation import ViolationError
from tests.simulation.truth import PartitionTruth


class LegWorld:
    """The world as it is for one leg: each topic has one route."""

    def __init__(self, world: World, routes: Mapping[str, str]) -> None:
        self._world = world
        self.routes = routes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)


class LegChecker(Checker):
    """Judges one leg of each partition."""

    def __init__(self, plan: Plan, tee: TeeChecker) -> None:
        super().__init__(plan)
        self._tee = tee

    def stop_when_done(self) -> None:
        """Leave it to all of them."""
        self._tee.stop_when_done()

    def heard_beside(self, put: Put, event: Event) -> None:
        """Note what the answer to another leg's request says of the lease, which they share."""
        if isinstance(event, PutAnswered) and len(event.failed) < len(put.command.keys):
            self._dead_leases.clear()
            if self._lease is not None and self._lease.serial == put.command.lease.serial:
                self._deaths_in_a_row = 0
        elif isinstance(event, PutRefused):
            self._refused_leases.add(put.command.lease.serial)

    def refused_beside(self, lease: int) -> None:
        """Note that another leg's stream has refused a lease."""
        self._refused_leases.add(lease)


class TeeChecker(Witness):
    """Hands what it sees to the judges that it concerns."""

    world: World

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.judges = [LegChecker(plan, self) for _ in range(plan.work.tee)]
        self._of: dict[str, LegChecker] = {}  # by their routes

    def attach(self, world: World) -> None:
        """Judge this world."""
        self.world = world
        for leg, judge in enumerate(self.judges):
            routes = {topic: names[leg] for topic, names in world.routes_of.items()}
            self._of |= dict.fromkeys(routes.values(), judge)
            judge.attach(LegWorld(world, routes))  # type: ignore[arg-type]  # it has all that a world has

    # --- what one judge gives as well -----------------------------------------------------------------------------

    @property
    def reached(self) -> Any:
        """The situations that any of them has seen."""
        found = self.judges[0].reached.copy()
        for judge in self.judges[1:]:
            found |= judge.reached
        return found

    @property
    def is_healed(self) -> bool:
        """Whether the last fault that heals has healed."""
        return self.judges[0].is_healed

    @property
    def stopping(self) -> bool:
        """Whether the process was asked to end."""
        return self.judges[0].stopping

    @property
    def machine(self) -> Forwarder | None:
        """The one of the present life."""
        return self.judges[0].machine

    @machine.setter
    def machine(self, machine: Forwarder | None) -> None:
        for judge in self.judges:
            judge.machine = machine

    def missing(self) -> str | None:
        """Say what must still happen; None when nothing must."""
        return next(filter(None, (judge.missing() for judge in self.judges)), None)

    def stop_when_done(self) -> None:
        """Ask the process to end once nothing more is to be expected of any leg."""
        life = self.world.life
        if not self.stopping and life is not None and self.missing() is None:
            for judge in self.judges:
                judge.stopping = True
            life.inbox.put(StopRequested("done"))

    def left(self, ending: Ending) -> None:
        """Judge how a life ended by itself."""
        for judge in self.judges:
            judge.left(ending)

    def at_the_end(self) -> None:
        """Judge the whole run."""
        for judge in self.judges:
            judge.at_the_end()

    def let_go(self) -> None:
        """Cut the references between the judges."""
        for judge in self.judges:
            vars(judge).clear()
        vars(self).clear()

    # --- of one route ---------------------------------------------------------------------------------------------

    def put_began(self, command: SendPut) -> None:
        self._of[command.route].put_began(command)
        self._judge_requests()

    def _judge_requests(self) -> None:
        """Judge how many requests are in flight, of all routes: I7."""
        limits, work = self.plan.limits, self.plan.work
        most = max(limits.requests_in_flight, work.routes * work.tee)
        there = sum(judge.in_flight for judge in self.judges)
        if there > most:
            raise ViolationError("I7", f"{there} puts in flight, allowed are {most}")

    def never_signed(self, command: SendPut) -> None:
        self._of[command.route].never_signed(command)

    def landed(self, put: Put | None, entry: int, key: str, value: bytes, route: str) -> None:
        self._of[route].landed(put, entry, key, value, route)

    def put_answered(self, put: Put, event: Event) -> None:
        for judge in self.judges:
            if judge is self._of[put.command.route]:
                judge.put_answered(put, event)
            else:
                judge.heard_beside(put, event)

    def put_denied(self, put: Put, code: str) -> None:
        self._of[put.command.route].put_denied(put, code)

    def letter_began(self, command: SendLetter) -> None:
        self._of[command.route].letter_began(command)

    def letter_answered(self, command: SendLetter, event: Event) -> None:
        self._of[command.route].letter_answered(command, event)

    def letter_stored(self, partition: TopicPartition, offset: int, route: str) -> None:
        self._of[route].letter_stored(partition, offset, route)

    def read(self, event: Event) -> None:
        """Hand on what the process reads of its inbox."""
        route = getattr(event, "route", None)
        for judge in self.judges:
            if route is None or judge is self._of[route]:
                judge.read(event)
            elif isinstance(event, StreamRefused) and event.lease is not None:
                judge.refused_beside(event.lease)

    def told(self, fact: Fact) -> None:
        """Hand on what the service tells."""
        route = getattr(fact, "route", None)
        if isinstance(fact, PartitionStuck) and fact.waits_for is not None:
            self._judge_wait(fact)
        for judge in self.judges if route is None else [self._of[route]]:
            judge.told(fact)

    def _judge_wait(self, fact: PartitionStuck) -> None:
        """Judge that who waits for another leg is further than that one: I14."""
        ours, theirs = (self._of[name].owned[fact.partition] for name in (fact.route, str(fact.waits_for)))
        further = max(ours.settled, default=-1) >= next(iter(theirs.unsettled), theirs.expected)
        told = f"{fact.route} is told to wait for {fact.waits_for} in {fact.partition}"
        if not further:
            raise ViolationError("I14", f"{told}, and is not further")
        self.judges[0].reached["a route waited for another one of its topic"] += 1

    def published(self, status: Status) -> None:
        """Show each judge what is of its leg, and judge what only all of them show."""
        for judge in self.judges:
            routes = {name: route for name, route in status.routes.items() if self._of[name] is judge}
            partitions = {tp: leg for tp, leg in status.legs() if self._of[leg.route] is judge}
            if partitions.keys() != status.partitions.keys():
                missing = status.partitions.keys() - partitions.keys()
                raise ViolationError("I14", f"{missing} are not shown for {', '.join(routes)}")
            judge.published(replace(status, routes=routes, partitions=partitions))
        if status.halted is None and not status.draining:
            for tp, first in status.partitions.items():
                self._judge_flow(status, tp, (first, *first.others))

    def _judge_flow(self, status: Status, tp: TopicPartition, legs: Sequence[PartitionStatus]) -> None:
        """Judge that a partition waits with all of its routes blocked, and goes on while one has room: I9."""
        blocked = [status.routes[leg.route].blocked is not None for leg in legs]
        owned = [judge.owned[tp] for judge in self.judges]
        if any(own.draining for own in owned):
            return
        sure = [
            why for leg in legs if (why := status.routes[leg.route].blocked) is not None and why not in SEEKS_CONTROL
        ]
        if len(sure) == len(legs) and not legs[0].paused:
            raise ViolationError("I9", f"{tp} is asked for records, and its routes are blocked: {', '.join(sure)}")
        if any(leg.stuck for leg in legs):
            return
        if any(blocked) and not all(blocked) and not legs[0].paused:
            self.judges[0].reached["a route went on while another one of its topic was blocked"] += 1
        if not legs[0].paused or all(blocked) or status.held_bytes * 4 >= status.held_bytes_max:
            return
        reach = max(len(own.unsettled) + sum(o >= own.acknowledged for o in own.settled) for own in owned)
        arrived = max(own.delivered[-1][1] if own.delivered else 0 for own in owned)
        turned = max(judge.turned_at.get(leg.route, 0) for judge, leg in zip(self.judges, legs, strict=True))
        still = status.at - max(arrived, turned, *(own.moved_at for own in owned))
        if reach < self.plan.limits.ahead_records and still >= LOOKED_AT_WITHIN_NS:
            raise ViolationError("I9", f"{tp} is paused, and each of its routes has room for more than {reach} records")

    @property
    def truths(self) -> dict[TopicPartition, PartitionTruth]:
        """What became of the records, by the first route."""
        return self.judges[0].truths

    # --- of the read ----------------------------------------------------------------------------------------------

    def revoke_began(self, partitions: Sequence[TopicPartition]) -> None:
        for judge in self.judges:
            judge.revoke_began(partitions)
        self._even_out(partitions)

    def leapt(self) -> None:
        """Note that the process has rested up to now."""
        for judge in self.judges:
            judge.leapt()

    def turned(self, now: int) -> None:
        """Let each look into the machine."""
        for judge in self.judges:
            judge.turned(now)

    def stop_taken(self) -> None:
        """Note that the process has read that it shall stop."""
        again = self.judges[0].draining
        for judge in self.judges:
            judge.stop_taken()
        if not again:
            self._even_out(list(self.judges[0].owned))

    def _even_out(self, partitions: Sequence[TopicPartition]) -> None:
        """Note how far each leg may send in a drain: as far as one of them has."""
        for tp in partitions:
            owned = [judge.owned[tp] for judge in self.judges]
            far = max(own.sent_to for own in owned)
            if any(own.sent_to < far for own in owned):
                self.judges[0].reached["a drain began with one route further than another"] += 1
            for own in owned:
                own.drains_to = max(own.drains_to, far)


def _of_all(name: str) -> Any:
    def method(self: TeeChecker, *arguments: Any, **named: Any) -> None:
        for judge in self.judges:
            getattr(judge, name)(*arguments, **named)

    return method


for _name, _seen in vars(Witness).items():
    if callable(_seen) and _name not in vars(
        TeeChecker
    ):  # whatever the world tells concerns all, unless it is said above
        setattr(TeeChecker, _name, _of_all(_name))


def judge_of(plan: Plan) -> Checker | TeeChecker:
    """Give who judges a run of this plan."""
    return Checker(plan) if plan.work.tee == 1 else TeeChecker(plan)
