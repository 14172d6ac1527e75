from __future__ import annotations

import pytest

from domain.commands import (
    CommitOffsets,
    DescribeStream,
    Halt,
    PausePartitions,
    RequestLease,
    ResumePartitions,
    SeekPartition,
    SendPut,
)
from domain.errors import InvariantError
from domain.events import (
    CommitAnswered,
    GapFound,
    LeaseIssued,
    LeaseRefused,
    PartitionEnded,
    PartitionsAssigned,
    PartitionsLost,
    PartitionsRevoked,
    PutAmbiguous,
    PutAnswered,
    PutRefused,
    PutUnsent,
    RecordsFetched,
    RevokeStarted,
    SourceFailed,
    StopRequested,
    StreamRefused,
    TopicsMissing,
)
from domain.facts import (
    CommitFailed,
    GapSeen,
    LeaseRejected,
    PartitionsOwned,
    RecordsPoisoned,
    RecordsWillRepeat,
    RouteBlocked,
    RouteOpened,
)
from domain.limits import RECORD_BYTES_DEFAULT
from domain.records import TopicPartition
from domain.rules import LimitRules, OnGap, OnPoison, RoleRules
from tests.unit.domain.builders import MS, ORDERS, SECOND, Extras, Machine, chunk, described, lease, route_rules

ONLY = frozenset({ORDERS})
OTHER = TopicPartition("orders", 1)
PAYMENTS = TopicPartition("payments", 0)
STOP = StopRequested("SIGTERM")


def machine(**changes: object) -> Machine:
    """Make a machine that is open, owns orders[0] from 0 on, and commits at once."""
    limits = LimitRules(**{"request_records": 4, "commit_every": 1} | changes)  # type: ignore[arg-type]  # named by the caller
    made = Machine(limits=limits)
    made.open()
    return made


def two_routes(**changes: int) -> Machine:
    """Make a machine with two routes, each with a partition and a role of its own."""
    made = Machine(
        routes=(route_rules("orders"), route_rules("payments", role="payer")),
        roles=(RoleRules("writer"), RoleRules("payer")),
        limits=LimitRules(**{"request_records": 4, "commit_every": 1} | changes),
    )
    made.open({ORDERS: 0, PAYMENTS: 0})
    return made


def sent(put: SendPut) -> list[int]:
    """Name the records of a request by their offsets: the builders' values are the offsets."""
    return [int(value) for value in put.values]


class TestStart:
    """From nothing to the first put."""

    def test_asks_for_a_lease_then_for_the_stream(self) -> None:
        """The lease comes first, the stream's facts next; neither is asked for twice."""
        made = Machine()
        assert [RequestLease("writer")] == made.decide()
        assert [] == made.decide(after=SECOND)
        asked = made.step(LeaseIssued(lease(at=made.now)))
        assert ["orders"] == [c.route for c in asked if isinstance(c, DescribeStream)]
        assert [] == made.decide(after=SECOND)

    def test_reads_nothing_before_it_may_send(self) -> None:
        """Partitions that are assigned before the stream is known are paused, and resumed after."""
        made = Machine()
        assert PausePartitions(ONLY) in made.step(PartitionsAssigned({ORDERS: 0}))
        assert (True, 0) == (made.forwarder.all_paused, made.forwarder.room())
        made.step(LeaseIssued(lease(at=made.now)))
        assert ResumePartitions(ONLY) in made.step(described())
        assert made.forwarder.room() > 0

    def test_sends_what_comes(self) -> None:
        """A fetched chunk leaves as one request with the lease, the ARN and the time that it may take."""
        made = machine()
        (put,) = made.fetch("abc")
        assert (["a", "b", "c"], [b"0", b"1", b"2"], "orders", 1, 10 * SECOND, described().arn) == (
            put.keys,
            put.values,
            put.route,
            put.lease.serial,
            put.timeout,
            put.stream_arn,
        )
        assert (1, None) == (made.forwarder.in_flight, put.hash_keys)

    def test_signs_with_the_lease_of_the_moment(self) -> None:
        """After a renewal the next request is signed with the new lease, the one in flight keeps its own."""
        made = machine()
        made.fetch("a")
        made.feed(LeaseIssued(lease(9, at=made.now)))
        (second,) = made.fetch("bcde", start=1)
        assert [1, 9] == [put.lease.serial for put in (made.puts[1], second)]


class TestCommit:
    """Only what is settled, all of what is settled."""

    def test_commits_what_is_settled(self) -> None:
        """The offset above the last settled record is committed, and known once Kafka has stored it."""
        made = machine()
        made.land(made.fetch("abc"))
        assert ({ORDERS: 3}, False) == (made.committed(), made.forwarder.committed)
        made.store()
        assert made.forwarder.committed is True

    def test_never_above_a_refused_entry(self) -> None:
        """While an entry of the first chunk is refused, nothing is committed, whatever lands above it."""
        made = machine()
        (put,) = made.fetch("abc")
        made.answer(put, {0: "InternalFailure"})
        made.land(made.fetch("xyzw", start=3))
        assert {} == made.committed()

    def test_nor_above_an_ambiguous_put(self) -> None:
        """Unknown is not settled."""
        made = machine()
        (put,) = made.fetch("abc")
        made.step(PutAmbiguous(put.put, "timeout"), after=MS)
        assert {} == made.committed()

    def test_one_in_flight_and_a_refused_one_goes_again(self) -> None:
        """The next commit waits for the answer; a refusal is told and its offsets go with the next."""
        made = machine()
        made.land(made.fetch("a"))
        made.land(made.fetch("b", start=1))
        assert [1] == list(made.commits)
        made.store("REBALANCE_IN_PROGRESS")
        assert [CommitFailed("REBALANCE_IN_PROGRESS")] == made.of(CommitFailed)
        made.decide(after=SECOND)
        assert [2] == list(made.commits)
        assert {ORDERS: 2} == made.committed()

    def test_the_end_of_the_log_is_committed(self) -> None:
        """An idle transactional topic shows no lag: its end is committed, above records that never come."""
        made = machine()
        made.step(PartitionEnded(ORDERS, 7))
        assert {ORDERS: 7} == made.committed()

    def test_the_end_of_the_log_waits_for_what_was_fetched(self) -> None:
        """With records on their way the end is committed after them."""
        made = machine()
        (put,) = made.fetch("a")
        made.step(PartitionEnded(ORDERS, 7), after=SECOND)
        assert {} == made.committed()
        made.answer(put)
        assert {ORDERS: 7} == made.committed()

    def test_dropped_poison_alone_is_committed(self) -> None:
        """Where everything that came was dropped by policy, the partition moves on."""
        made = Machine(routes=(route_rules(on_poison=OnPoison.DROP),))
        made.open()
        made.fetch(["", ""])
        made.decide(after=SECOND)
        assert ({ORDERS: 2}, 2) == (made.committed(), len(made.of(RecordsPoisoned)))


class TestFailure:
    """What fails is sent again, and order holds."""

    def test_a_key_waits_for_its_refused_record(self) -> None:
        """The later record of a key leaves only once the earlier one has landed, refused as often as may be."""
        made = machine()
        (put,) = made.fetch("aba")
        assert [0, 1] == sent(put)
        again = made.answer(put, {0: "InternalFailure"})
        landed = []
        for _ in range(3):
            again = again or [c for c in made.decide(after=SECOND) if isinstance(c, SendPut)]
            assert [[0]] == [sent(put) for put in again]
            again = made.answer(again[0], {0: "InternalFailure"})
        again = [c for c in made.decide(after=SECOND) if isinstance(c, SendPut)]
        landed = made.answer(again[0])
        assert [[2]] == [sent(put) for put in landed]

    @pytest.mark.parametrize("event", [PutAmbiguous, PutUnsent, PutRefused])
    def test_a_failed_request_goes_again(self, event: type[PutAmbiguous | PutUnsent | PutRefused]) -> None:
        """The same records leave again after a backoff."""
        made = machine()
        (put,) = made.fetch("abc")
        made.step(event(put.put, "ThrottlingException"))
        (again,) = (c for c in made.decide(after=SECOND) if isinstance(c, SendPut))
        assert (sent(put), True) == (sent(again), again.put > put.put)

    def test_an_expired_lease_is_renewed_and_the_records_go_again(self) -> None:
        """One rejection and one request for a lease, however many answers name it; then all leaves again."""
        made = machine()
        puts = [*made.fetch("abcd"), *made.fetch("efgh", start=4)]
        commands = made.step(*(PutRefused(put.put, "ExpiredTokenException") for put in puts))
        assert [RequestLease("writer")] == [c for c in commands if isinstance(c, RequestLease)]
        assert 1 == len(made.of(LeaseRejected))
        commands = made.step(LeaseIssued(lease(2, at=made.now)), after=MS)
        assert [(2, [0, 1, 2, 3]), (2, [4, 5, 6, 7])] == [
            (c.lease.serial, sent(c)) for c in reversed(commands) if isinstance(c, SendPut)
        ]

    def test_two_early_deaths_within_a_minute(self) -> None:
        """Two leases in a row die before anything lands: both are renewed in the same moment."""
        made = machine()
        (put,) = made.fetch("a")
        for serial in (2, 3):
            commands = made.step(PutRefused(put.put, "ExpiredTokenException"))
            assert RequestLease("writer") in commands
            (put,) = (c for c in made.step(LeaseIssued(lease(serial, at=made.now)), after=MS) if isinstance(c, SendPut))
        assert [] == made.answer(put)
        assert {ORDERS: 1} == made.committed()

    def test_without_a_lease_the_route_is_blocked_and_opens_by_itself(self) -> None:
        """STS that refuses blocks the role's routes with its code; the next lease opens them."""
        made = machine()
        (put,) = made.fetch("a")
        made.step(PutRefused(put.put, "ExpiredTokenException"))
        made.step(LeaseRefused("writer", "AccessDenied", "no"))
        assert [RouteBlocked("orders", "lease_refused:AccessDenied", "no")] == made.of(RouteBlocked)
        assert PausePartitions(ONLY) in made.told
        made.told.clear()
        commands = made.step(LeaseIssued(lease(2, at=made.now)))
        assert [RouteOpened("orders", 0)] == [c for c in commands if isinstance(c, RouteOpened)]
        assert [[0]] == [sent(c) for c in commands if isinstance(c, SendPut)]

    def test_an_answer_comes_once(self) -> None:
        """A second answer for a request, or one for a request that was never sent, cannot be."""
        made = machine()
        (put,) = made.fetch("a")
        made.answer(put)
        with pytest.raises(InvariantError, match="answered twice, or never sent"):
            made.feed(PutAnswered(put.put))

    def test_a_denied_description_rejects_no_lease(self) -> None:
        """Without the right to describe, the lease is kept and the route opens."""
        made = Machine()
        made.decide()
        made.step(LeaseIssued(lease(at=made.now)))
        made.step(StreamRefused("orders", "AccessDeniedException", lease=1))
        assert ([], 1) == (made.of(LeaseRejected), len(made.of(RouteOpened)))


class TestOwnership:
    """Assign, revoke, lost."""

    def test_reads_only_what_it_owns(self) -> None:
        """Records of a partition that is not owned cannot be."""
        made = machine()
        with pytest.raises(InvariantError, match=r"orders\[1\] came, which is not owned"):
            made.feed(RecordsFetched(chunk("a", partition=OTHER)))

    def test_is_assigned_once(self) -> None:
        """A partition that is owned cannot be assigned again."""
        with pytest.raises(InvariantError, match="assigned twice"):
            machine().feed(PartitionsAssigned({ORDERS: 0}))

    def test_tells_what_it_owns(self) -> None:
        """Each change is told with its positions; an empty one is not."""
        made = machine()
        made.land(made.fetch("ab"))
        made.step(PartitionsAssigned({}), PartitionsRevoked(ONLY), PartitionsLost(ONLY))
        assert [
            PartitionsOwned("assigned", ONLY, {ORDERS: 0}),
            PartitionsOwned("revoked", ONLY, {ORDERS: 2}),
        ] == made.of(PartitionsOwned)

    def test_a_revoked_partition_is_settled_then_committed(self) -> None:
        """A drain waits for what was sent; its end commits at once, though the last commit is unanswered."""
        made = machine()
        made.land(made.fetch("a"))  # its commit stays unanswered
        (put,) = made.fetch("b", start=1)
        made.step(RevokeStarted(ONLY))
        assert made.forwarder.drained(ONLY) is False
        made.answer(put)
        assert made.forwarder.drained(ONLY) is True
        commands = made.step(PartitionsRevoked(ONLY))
        assert [{ORDERS: 2}] == [c.offsets for c in commands if isinstance(c, CommitOffsets)]
        assert {} == made.forwarder.status(made.now).partitions

    def test_a_drain_sends_only_what_fills_holes(self) -> None:
        """Below the highest sent offset records still leave, above it none does, and new ones are ignored."""
        made = machine(request_records=2, requests_in_flight=1)
        (put,) = made.fetch("aabcde")
        assert [0, 2] == sent(put)
        made.step(RevokeStarted(ONLY), RecordsFetched(chunk("x", start=6)), after=SECOND)
        assert [[1]] == [sent(more) for more in made.answer(put)]
        assert [] == made.answer(2)
        made.decide(after=SECOND)
        made.step(PartitionsRevoked(ONLY))
        assert {ORDERS: 3} == made.committed()

    def test_holes_at_the_end_of_a_drain_are_told(self) -> None:
        """What landed above a record that did not will land again, and how many is said."""
        made = machine()
        (put,) = made.fetch("abc")
        made.answer(put, {0: "InternalFailure"})
        made.step(RevokeStarted(ONLY))
        assert (False, 2) == (made.forwarder.drained(), made.forwarder.holes())
        commands = made.step(PartitionsRevoked(ONLY))
        assert ([RecordsWillRepeat(ORDERS, 2)], {}) == (
            [c for c in commands if isinstance(c, RecordsWillRepeat)],
            made.committed(),
        )

    def test_a_lost_partition_commits_nothing(self) -> None:
        """What somebody else owns already is forgotten: no commit, no send, no bytes held."""
        made = machine(commit_every=60 * SECOND)
        made.land(made.fetch("a"))
        made.store()
        (put,) = made.fetch("bcdef", start=1)[:1]
        made.answer(put)
        made.told.clear()
        made.step(PartitionsLost(ONLY), after=120 * SECOND)
        assert ([], [], 0) == (
            made.of(CommitOffsets),
            made.of(SendPut),
            made.forwarder.status(made.now).held_bytes,
        )

    @pytest.mark.parametrize("change", [PartitionsLost, PartitionsRevoked])
    @pytest.mark.parametrize(
        "answer",
        [
            PutAnswered(1),
            PutAnswered(1, {0: "InternalFailure"}),
            PutRefused(1, "ThrottlingException"),
            PutRefused(1, "ExpiredTokenException"),
            PutAmbiguous(1, "timeout"),
            PutUnsent(1, "no connection"),
        ],
    )
    def test_a_late_answer_changes_nothing(
        self,
        change: type[PartitionsLost | PartitionsRevoked],
        answer: PutAnswered | PutRefused | PutAmbiguous | PutUnsent,
    ) -> None:
        """After the partition went and came back, an answer to a former request settles nothing and resends nothing."""
        made = machine()
        made.fetch("abc")
        made.step(change(ONLY))
        made.step(PartitionsAssigned({ORDERS: 0}))
        made.told.clear()
        made.step(answer, after=60 * SECOND)
        made.decide(after=60 * SECOND)
        status = made.forwarder.status(made.now)
        assert ([], [], 0, 0, 0) == (
            made.of(SendPut),
            made.of(CommitOffsets),
            status.partitions[ORDERS].watermark,
            made.forwarder.in_flight,
            status.held_bytes,
        )

    def test_a_partition_that_came_back_is_read_anew(self) -> None:
        """Its records are sent again from the new position, whatever is still in flight from before."""
        made = machine()
        made.fetch("abc")
        made.step(PartitionsLost(ONLY), PartitionsAssigned({ORDERS: 0}))
        (again,) = made.fetch("abcd")
        assert [0, 1, 2, 3] == sent(again)
        made.answer(1)
        assert {} == made.committed()
        made.answer(again)
        assert {ORDERS: 4} == made.committed()

    def test_delayed_records_of_a_lost_partition_never_leave(self) -> None:
        """A record that waits for its next try goes with its partition."""
        made = machine()
        (put,) = made.fetch("a")
        made.answer(put, {0: "InternalFailure"})
        made.told.clear()
        made.step(PartitionsLost(ONLY), after=60 * SECOND)
        assert [] == made.of(SendPut)

    def test_events_about_others_are_ignored(self) -> None:
        """A revoke, a loss, an end or a gap of a partition that is not owned changes nothing."""
        made = machine()
        other = frozenset({OTHER})
        made.told.clear()
        made.step(RevokeStarted(other), PartitionsRevoked(other), PartitionsLost(other), PartitionEnded(OTHER, 9))
        made.step(GapFound(OTHER, 5, 9, 12))
        assert [] == made.told


class TestGap:
    """The next offset is not in the log."""

    GAP = GapFound(ORDERS, 3, 10, 20)

    def test_blocks_its_partition(self) -> None:
        """By default the partition waits for a person, with the cure, and what was read before goes on."""
        made = machine()
        (put,) = made.fetch("abc")
        commands = made.step(self.GAP)
        assert PausePartitions(ONLY) in commands
        assert GapSeen(ORDERS, 3, 10, "block") in commands
        made.answer(put)
        assert {ORDERS: 3} == made.committed()
        reason = made.forwarder.status(made.now).partitions[ORDERS].stuck
        assert reason is not None
        assert "on_gap: continue" in reason

    def test_is_told_once(self) -> None:
        """The same gap found again says nothing new."""
        made = machine()
        made.step(self.GAP, self.GAP)
        assert 1 == len(made.of(GapSeen))

    def test_may_be_stepped_over(self) -> None:
        """With `on_gap: continue` reading goes on at the log's start, and the far side is committed."""
        made = Machine(on_gap=OnGap.CONTINUE)
        made.open()
        assert SeekPartition(ORDERS, 10) in made.step(GapFound(ORDERS, 0, 10, 20), after=SECOND)
        assert {ORDERS: 10} == made.committed()
        assert [10] == sent(made.fetch("a", start=10)[0])

    def test_is_never_stepped_over_before_what_was_read(self) -> None:
        """Records on their way hold the watermark: the far side is committed after them."""
        made = Machine(on_gap=OnGap.CONTINUE)
        made.open()
        (put,) = made.fetch("abc")
        made.step(self.GAP, after=SECOND)
        assert {} == made.committed()
        made.answer(put)
        assert {ORDERS: 10} == made.committed()

    def test_of_a_topic_made_anew_begins_anew(self) -> None:
        """A log that begins below what was read is another one: it is read and committed from its start."""
        made = Machine(on_gap=OnGap.CONTINUE)
        made.open({ORDERS: 500})
        made.land(made.fetch("a", start=500))
        assert SeekPartition(ORDERS, 0) in made.step(GapFound(ORDERS, 501, 0, 3), after=SECOND)
        made.store()
        made.land(made.fetch("abc"))
        made.decide(after=SECOND)
        assert {ORDERS: 3} == made.committed()

    def test_of_a_paused_partition_keeps_the_pause(self) -> None:
        """The client's pause flag outlives the ledger: what was paused is resumed in words."""
        made = Machine(on_gap=OnGap.CONTINUE)
        made.open({ORDERS: 500})
        made.step(PutRefused(made.fetch("a", start=500)[0].put, "ResourceNotFoundException"))
        made.told.clear()
        made.step(GapFound(ORDERS, 501, 0, 3))
        made.step(described(), after=SECOND)
        assert [ResumePartitions(ONLY)] == [c for c in made.told if isinstance(c, ResumePartitions | PausePartitions)]

    def test_is_left_alone_while_draining(self) -> None:
        """A drain looks no further ahead: it neither seeks nor commits over a gap."""
        made = Machine(on_gap=OnGap.CONTINUE)
        made.open()
        made.step(RevokeStarted(ONLY), self.GAP, after=SECOND)
        assert ({}, []) == (made.committed(), made.of(SeekPartition))


class TestStop:
    """A stop is a drain of everything."""

    def test_settles_and_commits_what_was_sent(self) -> None:
        """After a stop what was sent is waited for and committed without delay, and nothing else leaves."""
        made = machine(request_records=2, requests_in_flight=1, commit_every=60 * SECOND)
        (put,) = made.fetch("abcde")
        made.step(STOP, RecordsFetched(chunk("x", start=5)))
        assert (0, False) == (made.forwarder.room(), made.forwarder.drained())
        assert [] == made.answer(put)
        assert (True, {ORDERS: 2}) == (made.forwarder.drained(), made.committed())
        made.store()
        assert (True, 0) == (made.forwarder.committed, made.forwarder.holes())

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
        assert (True, {}) == (made.forwarder.drained(), made.committed())

    def test_waits_for_the_requests_of_a_blocked_route(self) -> None:
        """What is in flight when its route is blocked may land: its answer is waited for."""
        made = machine()
        (first,) = made.fetch("abcd")
        (second,) = made.fetch("efgh", start=4)
        made.step(PutRefused(second.put, "ResourceNotFoundException"), STOP)
        assert made.forwarder.drained() is False
        made.step(PutRefused(first.put, "ResourceNotFoundException"))
        assert made.forwarder.drained() is True

    def test_does_not_wait_for_poison(self) -> None:
        """A record that can never land is not waited for, and holds its commit."""
        made = machine()
        made.land(made.fetch(["a", "", "b"]))
        made.step(STOP)
        assert (True, {}, 2) == (made.forwarder.drained(), made.committed(), made.forwarder.holes())

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
        assert ({}, 0) == (made.committed(), made.forwarder.room())
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

    def test_happens_once(self) -> None:
        """The first reason stands."""
        made = machine()
        made.step(SourceFailed("first"), SourceFailed("second"))
        assert [Halt("first")] == made.of(Halt)


class TestLimits:
    """Bounded, and shared fairly."""

    def test_ahead_records_is_exact(self) -> None:
        """With the first record refused, exactly `ahead_records` are taken in: so many can repeat, not one more."""
        made = machine(ahead_records=10, request_records=500)
        keys = [f"k{i}" for i in range(30)]
        (put,) = made.fetch(keys)
        assert 10 == len(put.keys)
        made.answer(put, {0: "Unheard"})
        made.decide(after=SECOND)
        assert 9 == made.forwarder.holes()
        assert 10 == max(int(value) for put in made.of(SendPut) for value in put.values) + 1  # type: ignore[union-attr]

    def test_requests_in_flight(self) -> None:
        """No more requests leave than the limit allows; the next goes with the next answer."""
        made = machine(requests_in_flight=2)
        puts = made.fetch([f"k{i}" for i in range(20)])
        assert (2, 2) == (len(puts), made.forwarder.in_flight)
        assert 1 == len(made.answer(puts[0]))

    def test_each_route_has_a_request_in_reserve(self) -> None:
        """However busy one route is, the other can always send one."""
        made = two_routes(requests_in_flight=3)
        busy = made.fetch([f"k{i}" for i in range(40)])
        assert 2 == len(busy)
        assert 1 == len(made.fetch("a", partition=PAYMENTS))
        assert 3 == made.forwarder.in_flight

    def test_held_bytes_are_exact(self) -> None:
        """What is held is the sum over what was fetched and not settled, and nothing once all is."""
        made = machine()
        (put,) = made.fetch("abcd")
        held = made.forwarder.status(made.now).held_bytes
        assert 4 * 252 == held
        made.answer(put)
        assert 0 == made.forwarder.status(made.now).held_bytes

    def test_no_room_when_the_budget_is_gone(self) -> None:
        """With three quarters of the bytes held nothing more is fetched, for the moment."""
        made = machine(held_bytes=4_000)
        made.fetch([f"k{i}" for i in range(12)])
        assert (0, False) == (made.forwarder.room(), made.forwarder.all_paused)


class TestRoutes:
    """One sick stream never stops another."""

    def test_a_blocked_route_leaves_the_other_alone(self) -> None:
        """The blocked route's partitions are paused and hold their commit; the others forward as before."""
        made = two_routes()
        (sick,) = made.fetch("a")
        commands = made.step(PutRefused(sick.put, "ResourceNotFoundException"))
        assert PausePartitions(ONLY) in commands
        (well,) = made.fetch("b", partition=PAYMENTS)
        made.answer(well)
        assert {PAYMENTS: 1} == made.committed()
        assert ["orders"] == [r.route for r in made.forwarder.status(made.now).routes.values() if r.blocked]

    def test_a_refused_role_stops_only_its_routes(self) -> None:
        """A role that gets no lease blocks its own routes."""
        made = two_routes()
        (put,) = made.fetch("a")
        made.step(PutRefused(put.put, "ExpiredTokenException"), LeaseRefused("writer", "AccessDenied"))
        assert ["orders"] == [fact.route for fact in made.of(RouteBlocked)]  # type: ignore[union-attr]
        assert 1 == len(made.fetch("b", partition=PAYMENTS))

    def test_a_stop_does_not_wait_for_the_blocked_one(self) -> None:
        """With one route blocked, the drain ends when the other's requests are settled and committed."""
        made = two_routes()
        (sick,) = made.fetch("a")
        (well,) = made.fetch("b", partition=PAYMENTS)
        made.step(PutRefused(sick.put, "ResourceNotFoundException"), STOP)
        assert made.forwarder.drained() is False
        made.answer(well)
        made.store()
        assert (True, True, {PAYMENTS: 1}) == (
            made.forwarder.drained(),
            made.forwarder.committed,
            made.committed(),
        )

    def test_keys_of_two_partitions_do_not_wait_for_each_other(self) -> None:
        """The same key in two partitions has two lanes: Kafka has no order between them."""
        made = machine()
        made.step(PartitionsAssigned({OTHER: 0}))
        made.feed(RecordsFetched(chunk("a")))
        (put,) = made.fetch("a", partition=OTHER)
        assert ["a", "a"] == put.keys


class TestTime:
    """The loop sleeps until time alone changes something."""

    def test_idle_wakes_for_the_lease(self) -> None:
        """With nothing to do the next thing is the renewal."""
        made = machine()
        made.decide(after=SECOND)
        wake = made.forwarder.next_wake(made.now)
        assert wake is not None
        assert 2000 * SECOND < wake - made.now < 3600 * SECOND

    def test_wakes_for_a_commit_and_for_a_retry(self) -> None:
        """A commit that is not due yet, and a record that waits, are woken for."""
        made = machine(commit_every=60 * SECOND)
        made.decide(after=SECOND)
        made.land(made.fetch("a"))
        made.store()
        since = made.now
        (put,) = made.fetch("b", start=1)
        made.answer(put)
        wake = made.forwarder.next_wake(made.now)
        assert wake is not None
        assert 59 * SECOND < wake - since <= 60 * SECOND
        (put,) = made.fetch("c", start=2)
        made.answer(put, {0: "InternalFailure"})
        wake = made.forwarder.next_wake(made.now)
        assert wake is not None
        assert wake - made.now <= 100 * MS

    def test_wakes_to_give_a_commit_up(self) -> None:
        """A commit that nobody answers is not waited for without end."""
        made = machine()
        made.land(made.fetch("a"))
        wake = made.forwarder.next_wake(made.now)
        assert wake is not None
        assert wake - made.now <= 60 * SECOND


def test_missing_topics_show_in_the_status() -> None:
    """A topic that does not exist keeps the process from being ready, until it does."""
    made = machine()
    made.step(TopicsMissing(frozenset({"orders"})))
    assert ("topic orders does not exist",) == made.forwarder.status(made.now).reasons()
    made.step(TopicsMissing(frozenset()))
    assert () == made.forwarder.status(made.now).reasons()


def test_status_has_every_part() -> None:
    """Partitions with the end of their log, leases and routes are all shown."""
    made = machine()
    (put,) = made.fetch("abc")
    made.answer(put, {0: "InternalFailure"})
    status = made.forwarder.status(made.now, {ORDERS: 9})
    partition = status.partitions[ORDERS]
    assert (0, 0, 1, 2, 9) == (
        partition.watermark,
        partition.committed,
        partition.unsettled,
        partition.ahead,
        partition.log_end,
    )
    assert ("fresh", None) == (status.leases["writer"].state, status.routes["orders"].blocked)


def test_an_unknown_commit_answer_is_ignored() -> None:
    """An answer to a commit that is not in flight changes nothing."""
    made = machine()
    made.told.clear()
    assert [] == made.step(CommitAnswered(99))


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
        assert [RecordsWillRepeat(ORDERS, 2)] == made.of(RecordsWillRepeat)
