from __future__ import annotations

import pytest

from doka.domain.commands import CommitOffsets, Halt, PausePartitions, SendPut
from doka.domain.events import (
    PartitionsAssigned,
    PartitionsLost,
    PartitionsRevoked,
    PutAnswered,
    PutRefused,
    RecordsFetched,
    RevokeStarted,
    SourceFailed,
    StopRequested,
)
from doka.domain.facts import RecordsWillRepeat, StopBegan, StopWaits
from doka.domain.limits import RECORD_BYTES_DEFAULT
from doka.domain.rules import LimitRules, OnPoison
from doka.domain.turn import Left
from tests.unit.domain.builders import MS, ORDERS, SECOND, Extras, Machine, chunk, route_rules
from tests.unit.domain.forwarding import ONLY, OTHER, STOP, machine


class TestStop:
    """A stop is a drain of everything."""

    def test_settles_and_commits_what_was_sent(self) -> None:
        """After a stop what was sent is waited for and committed without delay, and nothing else leaves."""
        made = machine(request_records=2, requests_in_flight=1, commit_every=60 * SECOND)
        (put,) = made.fetch("abcde")
        made.step(STOP, RecordsFetched(chunk("x", start=5)))
        assert (0, False) == (made.decision.fetch, made.left.drained)
        assert [] == made.answer(put)
        assert (True, {ORDERS: 2}) == (made.left.drained, made.committed())
        made.store()
        assert (True, 0) == (made.left.committed, made.left.holes)

    def test_says_what_it_waits_for_each_five_seconds(self) -> None:
        """It says at once that it has begun, and for how long at most; then what is open, until nothing is."""
        made = machine(drain=25 * SECOND)
        (put,) = made.fetch("ab")
        assert [StopBegan("SIGTERM", 25 * SECOND)] == [c for c in made.step(STOP) if isinstance(c, StopBegan)]
        assert [] == made.decide(after=4 * SECOND)
        assert SECOND == made.wakes_in()
        assert [StopWaits(requests=1, records=2, partitions=0)] == made.decide(after=SECOND)
        made.answer(put)
        made.decide(after=5 * SECOND)
        assert StopWaits(requests=0, records=0, partitions=1) == made.of(StopWaits)[-1]
        made.store()
        told = len(made.of(StopWaits))
        made.decide(after=5 * SECOND)
        assert told == len(made.of(StopWaits))

    def test_twice_is_once(self) -> None:
        """A second request to stop changes nothing."""
        made = machine()
        (put,) = made.fetch("a")
        made.step(STOP)
        made.told.clear()
        assert [] == made.step(STOP)
        made.answer(put)
        assert {ORDERS: 1} == made.committed()

    def test_reads_nothing_that_is_assigned_later(self) -> None:
        """A partition that comes during a stop is paused, and what is fetched of it is ignored."""
        made = machine()
        made.step(STOP)
        commands = made.step(PartitionsAssigned({OTHER: 5}))
        assert PausePartitions(frozenset({OTHER})) in commands
        assert [] == made.fetch("a", start=5, partition=OTHER)
        made.step(PartitionsRevoked(frozenset({OTHER})))
        assert {} == made.committed()

    def test_does_not_wait_for_a_blocked_route(self) -> None:
        """What a blocked route still holds repeats after the restart; the stop goes on, and says nothing is open."""
        made = machine()
        (put,) = made.fetch("ab")
        made.step(PutRefused(put.put, "ResourceNotFoundException"))
        made.step(STOP)
        assert (True, {}) == (made.left.drained, made.committed())

    def test_waits_for_the_requests_of_a_blocked_route(self) -> None:
        """What is in flight when its route is blocked may land: its answer is waited for."""
        made = machine()
        (first,) = made.fetch("abcd")
        (second,) = made.fetch("efgh", start=4)
        made.step(PutRefused(second.put, "ResourceNotFoundException"), STOP)
        assert made.left.drained is False
        made.step(PutRefused(first.put, "ResourceNotFoundException"))
        assert made.left.drained is True

    def test_does_not_wait_for_poison(self) -> None:
        """A record that can never land is not waited for, and holds its commit."""
        made = machine()
        made.land(made.fetch(["a", "", "b"]))
        made.step(STOP)
        assert (True, {}, 2) == (made.left.drained, made.committed(), made.left.holes)

    def test_tells_what_is_left_for_as_long_as_it_goes_on(self) -> None:
        """Requests that are open, then offsets that Kafka does not hold yet, and meanwhile what would repeat."""
        made = machine(commit_every=60 * SECOND)
        assert made.decision.left is None
        (put,) = made.fetch("ab")
        made.step(STOP)
        assert Left(drained=False, committed=True, holes=0) == made.left
        made.answer(put, {0: "InternalFailure"})
        assert Left(drained=False, committed=True, holes=1) == made.left
        (again,) = [c for c in made.decide(after=SECOND) if isinstance(c, SendPut)]
        made.answer(again)
        assert Left(drained=True, committed=False, holes=0) == made.left
        made.store()
        assert Left(drained=True, committed=True, holes=0) == made.left

    def test_shows_in_the_status(self) -> None:
        """A process that drains is not ready."""
        made = machine()
        made.step(STOP)
        assert ("draining: this process is about to end",) == made.forwarder.status(made.now).reasons()


class TestHalt:
    """Going on could lose data."""

    def test_decides_nothing_more(self) -> None:
        """After a halt nothing is sent, asked for or committed, the final commit of a revoke included."""
        made = machine()
        (put,) = made.fetch("a")
        commands = made.step(SourceFailed("the consumer is gone"))
        assert [Halt("the consumer is gone")] == commands
        assert [] == made.answer(put)
        made.step(PartitionsRevoked(ONLY), after=60 * SECOND)
        assert ({}, None) == (made.committed(), made.decision.fetch)
        assert made.forwarder.status(made.now).halted == "the consumer is gone"

    def test_takes_back_what_was_not_carried_out(self) -> None:
        """A commit that was decided but not carried out when the halt came is not carried out."""
        made = machine(commit_every=60 * SECOND)
        made.land(made.fetch("a"))
        made.store()
        made.land(made.fetch("b", start=1))
        made.told.clear()
        made.step(PartitionsRevoked(ONLY), SourceFailed("gone"))
        assert ([], [Halt("gone")]) == (made.of(CommitOffsets), made.of(Halt))

    def test_ends_what_was_decided(self) -> None:
        """What is halted from outside, while nothing happens, says so at its next decision."""
        made = machine()
        assert [] == made.decide(after=SECOND)
        made.forwarder.halt("the loop broke")
        assert ([Halt("the loop broke")], None) == (made.decide(), made.decision.fetch)

    def test_happens_once(self) -> None:
        """The first reason stands."""
        made = machine()
        made.step(SourceFailed("first"), SourceFailed("second"))
        assert [Halt("first")] == made.of(Halt)


class TestPoisonAtADrain:
    """Poison that is met in the very step in which a drain begins."""

    @pytest.mark.parametrize("policy", [OnPoison.DROP, OnPoison.DEAD_LETTER, OnPoison.BLOCK])
    @pytest.mark.parametrize("drain", [STOP, RevokeStarted(ONLY)])
    def test_settles_nothing_that_the_drain_forgot(
        self, policy: OnPoison, drain: StopRequested | RevokeStarted
    ) -> None:
        """A drain after an answer that freed the lane of an oversized record commits nothing above the refused one."""
        limits = LimitRules(request_records=2, requests_in_flight=1, commit_every=1)
        made = Machine(routes=(route_rules("orders", on_poison=policy),), limits=limits)
        made.open()
        large = b"x" * (2 * RECORD_BYTES_DEFAULT)
        [put] = made.fetch("abca", values=[b"v", b"v", b"v", large], originals=[Extras()] * 4)
        made.feed(PutAnswered(put.put, {1: "ProvisionedThroughputExceededException"}))
        made.step(drain)
        made.step(after=MS)
        assert made.committed().get(ORDERS, 0) <= 1

    def test_a_lane_that_waits_for_a_person_is_not_ready(self) -> None:
        """With `block` a parked record shows in readiness at once, by its place and what to do."""
        made = machine()
        made.fetch(["a", ""])
        [reason] = made.forwarder.status(made.now).reasons()
        assert "orders[0] waits: the record at offset 1 can never land (EmptyPartitionKey)" in reason

    def test_a_lane_that_is_refused_by_an_unknown_code_is_not_ready(self) -> None:
        """It shows at once, by its place and the code, and not any longer when the record has landed."""
        made = machine()
        [put] = made.fetch("ab")
        made.feed(PutAnswered(put.put, {1: "NewError"}))
        [reason] = made.forwarder.status(made.now).reasons()
        assert "orders[0] waits: the record at offset 1 is refused, and nobody knows why (NewError)" in reason
        [again] = [command for command in made.step(after=SECOND) if isinstance(command, SendPut)]
        made.feed(PutAnswered(again.put))
        assert () == made.forwarder.status(made.now).reasons()

    def test_a_lost_partition_tells_what_will_repeat(self) -> None:
        """What landed and was not committed lands again under the next owner, and is counted."""
        made = machine()
        [put] = made.fetch("ab")
        made.feed(PutAnswered(put.put))
        made.step(PartitionsLost(ONLY))
        assert [RecordsWillRepeat(ORDERS, 2, "orders")] == made.of(RecordsWillRepeat)
