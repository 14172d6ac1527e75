from __future__ import annotations

import pytest

from doka.domain.commands import DescribeStream, PausePartitions, RequestLease, ResumePartitions, SendLetter, SendPut
from doka.domain.errors import InvariantError
from doka.domain.events import (
    CommitAnswered,
    GroupSeen,
    LeaseIssued,
    LeaseRefused,
    LetterAcknowledged,
    LetterRefused,
    PartitionEnded,
    PartitionsAssigned,
    PutAmbiguous,
    PutAnswered,
    PutRefused,
    PutUnsent,
    RecordsFetched,
    RevokeStarted,
    StreamRefused,
    TopicsMatched,
    TopicsMissing,
)
from doka.domain.facts import CommitFailed, GroupLost, LeaseRejected, RecordsPoisoned, RouteBlocked, RouteOpened
from doka.domain.forwarder import Forwarder
from doka.domain.limits import DESCRIBE_EVERY_NS
from doka.domain.records import TopicPartition
from doka.domain.rules import LimitRules, OnPoison, RoleRules, RouteRules, Rules
from doka.domain.status import GROUP_LOST_NS, GroupStatus, LogStatus, SourceStatus
from doka.domain.turn import LOOK_AGAIN_NS
from tests.unit.domain.builders import MS, ORDERS, SECOND, Extras, Machine, chunk, described, lease, route_rules
from tests.unit.domain.forwarding import ONLY, OTHER, PAYMENTS, STOP, machine, on_demand, sent, two_routes


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
        assert 0 == made.decision.fetch
        made.step(LeaseIssued(lease(at=made.now)))
        assert ResumePartitions(ONLY) in made.step(described())
        assert made.decision.fetch is not None
        assert made.decision.fetch > 0

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
        assert (1, None) == (made.decision.in_flight, put.hash_keys)

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
        assert ({ORDERS: 3}, 0) == (made.committed(), made.forwarder.status(made.now).partitions[ORDERS].committed)
        made.store()
        assert 3 == made.forwarder.status(made.now).partitions[ORDERS].committed

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

    def test_a_refused_letter_goes_again(self) -> None:
        """A dead letter that the topic did not take is sent again after a wait, for which the machine wakes up."""
        made = Machine(routes=(route_rules(on_poison=OnPoison.DEAD_LETTER),), limits=LimitRules(commit_every=1))
        made.open()
        made.fetch([""], originals=[Extras()])
        (first,) = (c for c in made.told if isinstance(c, SendLetter))
        made.step(LetterRefused(first.letter, "NOT_LEADER"))
        (again,) = (c for c in made.decide(after=made.wakes_in()) if isinstance(c, SendLetter))
        made.step(LetterAcknowledged(again.letter))
        assert {ORDERS: 1} == made.committed()

    def test_a_stored_letter_settles_its_record(self) -> None:
        """Poison whose dead letter was acknowledged is committed with the others, and holds no bytes any more."""
        made = Machine(routes=(route_rules(on_poison=OnPoison.DEAD_LETTER),), limits=LimitRules(commit_every=1))
        made.open()
        made.land(made.fetch(["a", "", "b"], originals=[Extras()] * 3))
        (letter,) = (c for c in made.told if isinstance(c, SendLetter))
        assert {} == made.committed()
        made.step(LetterAcknowledged(letter.letter))
        assert ({ORDERS: 3}, 0) == (made.committed(), made.forwarder.status(made.now).held_bytes)


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
        assert 9 == made.forwarder.status(made.now).partitions[ORDERS].ahead
        assert 10 == max(int(value) for put in made.of(SendPut) for value in put.values) + 1  # type: ignore[union-attr]

    def test_requests_in_flight(self) -> None:
        """No more requests leave than the limit allows; the next goes with the next answer."""
        made = machine(requests_in_flight=2)
        puts = made.fetch([f"k{i}" for i in range(20)])
        assert (2, 2) == (len(puts), made.decision.in_flight)
        assert 1 == len(made.answer(puts[0]))

    def test_each_route_has_a_request_in_reserve(self) -> None:
        """However busy one route is, the other can always send one."""
        made = two_routes(requests_in_flight=3)
        busy = made.fetch([f"k{i}" for i in range(40)])
        assert 2 == len(busy)
        assert 1 == len(made.fetch("a", partition=PAYMENTS))
        assert 3 == made.decision.in_flight

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
        assert made.decision.fetch is None


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
        assert made.left.drained is False
        made.answer(well)
        made.store()
        assert (True, True, {PAYMENTS: 1}) == (
            made.left.drained,
            made.left.committed,
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

    def test_idle_wakes_for_the_stream_and_for_the_lease(self) -> None:
        """With nothing to do the next thing is a look at the stream; where that is under way, the renewal."""
        made = machine()
        made.decide(after=SECOND)
        assert made.wakes_in() < DESCRIBE_EVERY_NS // 2
        made.decide(after=made.wakes_in())
        assert [DescribeStream] == [type(command) for command in made.decision.commands]
        assert 2000 * SECOND < made.wakes_in() < 3600 * SECOND

    def test_wakes_for_a_commit_and_for_a_retry(self) -> None:
        """A commit that is not due yet, and a record that waits, are woken for."""
        made = machine(commit_every=60 * SECOND)
        made.decide(after=SECOND)
        made.land(made.fetch("a"))
        made.store()
        since = made.now
        (put,) = made.fetch("b", start=1)
        made.answer(put)
        assert 59 * SECOND < made.now + made.wakes_in() - since <= 60 * SECOND
        (put,) = made.fetch("c", start=2)
        made.answer(put, {0: "InternalFailure"})
        assert made.wakes_in() <= 100 * MS

    def test_wakes_to_give_a_commit_up(self) -> None:
        """A commit that nobody answers is not waited for without end."""
        made = machine()
        made.land(made.fetch("a"))
        assert made.wakes_in() <= 60 * SECOND

    def test_who_has_no_decision_is_told_how_long_the_last_one_lasts(self) -> None:
        """The same moment as the decision says; at once where something has happened since."""
        made = machine()
        made.decide(after=SECOND)
        assert made.decision.until() == made.forwarder.next_wake(made.now)
        made.feed(TopicsMissing(frozenset()))
        assert made.now == made.forwarder.next_wake(made.now)

    def test_a_group_that_is_well_ends_no_decision(self) -> None:
        """What is known of the group comes each second; only what is told of it makes a decision anew, which gives it."""
        made = machine()
        made.decide(after=SECOND)
        decided = made.decision
        made.feed(GroupSeen(GroupStatus(joined=True)))
        assert ([], True) == (made.decide(), made.decision is decided)
        made.feed(GroupSeen(GroupStatus(joined=True, lost_since=made.now - GROUP_LOST_NS, why="gone")))
        assert [GroupLost(GROUP_LOST_NS, "gone")] == made.decide()

    def test_a_turn_without_an_event_takes_no_new_decision(self) -> None:
        """Until the first moment that was foreseen the decision is the same one, and its commands are given once."""
        made = machine(commit_every=60 * SECOND)
        made.decide(after=SECOND)
        assert [0] == [i for put in made.fetch("a") for i in sent(put)]
        decided = made.decision
        assert ([], decided) == (made.decide(after=MS), made.decision)
        assert ([], False) == (made.decide(after=LOOK_AGAIN_NS), decided is made.decision)
        decided = made.decision
        assert ([], False) == (made.step(TopicsMissing(frozenset())), decided is made.decision)

    def test_a_blocked_route_wakes_nobody_before_its_probe(self) -> None:
        """Ten looks a second at paused partitions would find nothing: the route opens by an event."""
        made = machine(ahead_records=2)
        (probe,) = made.fetch("abcd")
        for _ in range(8):  # until the backoff is long
            made.step(PutRefused(probe.put, "ResourceNotFoundException"))
            (probe,) = [c for c in made.decide(after=60 * SECOND) if isinstance(c, SendPut)]
        made.step(PutRefused(probe.put, "ResourceNotFoundException"))
        assert made.wakes_in() > SECOND


class TestOneDecision:
    """Whatever follows from an event is decided at once, without waiting for a second decision."""

    def test_what_a_commit_lets_in_asks_for_its_lease(self) -> None:
        """With rotation on demand: the records that waited for a commit come in, and only then a lease is needed."""
        made = on_demand(ahead_records=1)
        made.decide(after=3580 * SECOND)
        made.land(made.fetch("ab"))
        (commit,) = made.commits
        assert [] == made.decide(after=20 * SECOND)  # the lease is past its end, and nothing needs another one
        commands = made.step(CommitAnswered(commit))
        assert [RequestLease("writer")] == [c for c in commands if isinstance(c, RequestLease)]

    def test_a_drain_pauses(self) -> None:
        """Partitions that drain, for a revoke or for a stop, are not read from the moment on."""
        for event in (RevokeStarted(ONLY), STOP):
            made = machine()
            assert PausePartitions(ONLY) in made.step(event)


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
    status = made.forwarder.status(made.now, SourceStatus(GroupStatus(joined=True), {ORDERS: LogStatus(9, made.now)}))
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


@pytest.mark.parametrize("receipts", [True, False])
def test_a_put_names_its_records_where_receipts_are_wanted(*, receipts: bool) -> None:
    """And nowhere else: a service never asks for them."""
    made = Machine(routes=(route_rules(receipts=receipts),))
    made.open()
    (put,) = made.fetch(["a", "b"])
    assert ([[(ORDERS, 0)], [(ORDERS, 1)]] if receipts else None) == put.places


def test_topics_that_patterns_match_and_nobody_reads_show_in_the_status() -> None:
    """They keep the process from being ready, with the sentence; how many each route has is a figure."""
    made = machine()
    made.step(TopicsMatched({}, {"orders.us": "too many topics"}))
    assert ("too many topics",) == made.forwarder.status(made.now).reasons()
    made.step(TopicsMatched({}))
    assert () == made.forwarder.status(made.now).reasons()


def test_partitions_of_a_topic_that_a_pattern_brought_are_that_routes() -> None:
    """The first is looked up by the patterns; a topic that no route takes breaks an invariant."""
    route = RouteRules("orders", frozenset(), "writer", patterns=frozenset({"orders.*"}))
    forwarder = Forwarder(Rules((route,), (RoleRules("writer"),)), lambda: 0.5)
    brought = TopicPartition("orders.eu", 0)
    forwarder.handle(PartitionsAssigned({brought: 3}), 0)

    assert "orders" == forwarder.status(0).partitions[brought].route
    with pytest.raises(InvariantError, match="topic payments was assigned, and no route takes it"):
        forwarder.handle(PartitionsAssigned({TopicPartition("payments", 0): 3}), 0)
