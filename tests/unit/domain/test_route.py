from __future__ import annotations

from collections.abc import Mapping

import pytest

from domain.budget import Budget
from domain.events import PutAmbiguous, PutAnswered, PutRefused, PutUnsent, StreamRefused
from domain.facts import (
    Fact,
    RecordsFailed,
    RecordsPoisoned,
    RecordsSettled,
    RouteBlocked,
    RouteOpened,
    StreamFactsAssumed,
)
from domain.limits import BACKOFF_LAST_NS, PARTIAL_PUT_WAIT_NS, RECORD_BYTES_DEFAULT
from domain.outbox import Flight
from domain.pacing import ShardRange, hash_key
from domain.partition import Partition
from domain.route import Route
from domain.rules import LimitRules, OnPoison, Ordering
from domain.standing import RouteState
from domain.verdicts import REQUEST, Verdict
from tests.unit.domain.builders import MS, ORDERS, SECOND, Extras, chunk, described, no_jitter, route_rules

DENIED = "AccessDeniedException"
EXPIRED = "ExpiredTokenException"
SLOW = "ProvisionedThroughputExceededException"


class Scene:
    """One route with one partition, its requests answered by hand."""

    def __init__(self, *, opened: bool = True, limits: LimitRules | None = None, **rules: object) -> None:
        of_limits = limits or LimitRules(request_records=4)
        self.budget = Budget(of_limits.held_bytes)
        self.route = Route(route_rules(**rules), of_limits, self.budget, no_jitter)
        self.partition = Partition(ORDERS, 0, self.route)
        self.now = 100 * SECOND
        self.put = 0
        self.lease = 1
        self.next = 0
        if opened:
            self.route.described(described(), self.now)

    @property
    def open(self) -> int:
        """Records that are not settled."""
        return self.partition.ledger.open

    def admit(self, keys: str | list[str]) -> None:
        """Let a chunk come in."""
        self.route.admit(self.partition, chunk(keys, start=self.next), self.now)
        self.next += len(keys)

    def send(self) -> Flight | None:
        """Send a request, if one wants to leave."""
        if not self.route.wants_to_send(self.now):
            return None
        self.put += 1
        return self.route.next_flight(self.put, self.lease, self.now)

    def sent(self, keys: str = "a") -> Flight:
        """Let a chunk come in and leave at once."""
        self.admit(keys)
        flight = self.send()
        assert flight is not None
        return flight

    def answered(self, flight: Flight, failed: Mapping[int, str] | None = None) -> list[Fact]:
        """Answer a request."""
        return self.route.answered(PutAnswered(flight.put, failed or {}), self.now)[0]

    def refused(self, flight: Flight, code: str) -> list[Fact]:
        """Refuse a request as a whole."""
        return self.route.refused(PutRefused(flight.put, code, "because"), self.now)

    def block(self, code: str = "ResourceNotFoundException") -> None:
        """Block the route by a refused request, which stays to be sent again."""
        self.refused(self.sent("z"), code)
        assert self.route.blocked == code

    def tend_poison(self) -> list[Fact]:
        """Let the policy have its way with what was met; give the facts."""
        return self.route.tend_poison(self.now, lambda: 1)[1]

    def probe_in(self) -> int:
        """Give the time in ns until the route probes."""
        wake = self.route.next_wake(self.now)
        assert wake is not None
        return wake - self.now


class TestStream:
    """What is known about the stream decides what may be sent."""

    def test_nothing_is_sent_before_it_is_described(self) -> None:
        """An unknown stream is asked about once, and meanwhile nothing leaves."""
        scene = Scene(opened=False)
        assert "its stream is not described yet" == scene.route.blocked
        scene.admit("a")
        assert [None, True, False] == [
            scene.send(),
            scene.route.wants_description(scene.now),
            scene.route.wants_description(scene.now),
        ]

    @pytest.mark.parametrize("status", ["ACTIVE", "UPDATING"])
    def test_opens_when_it_takes_records(self, status: str) -> None:
        """A stream that is active, or resharding, opens the route, and its ARN goes with each request."""
        scene = Scene(opened=False)
        assert [RouteOpened("orders", 0)] == scene.route.described(described(status=status), scene.now)
        assert (None, True, described().arn) == (
            scene.route.blocked,
            scene.route.standing.knows_limits,
            scene.route.standing.stream_arn,
        )

    @pytest.mark.parametrize("status", ["CREATING", "DELETING"])
    def test_blocks_while_it_takes_none(self, status: str) -> None:
        """A stream that is being made or deleted blocks the route, which asks again and opens once it is active."""
        scene = Scene(opened=False)
        reason = f"stream_{status.lower()}"
        expected = [RouteBlocked("orders", reason, f"the stream is {status}")]
        assert expected == scene.route.described(described(status=status), scene.now)
        wait = scene.probe_in()
        assert [False, True] == [scene.route.wants_description(scene.now + ns) for ns in (wait - 1, wait)]
        scene.now += wait
        assert [RouteOpened("orders", wait)] == scene.route.described(described(), scene.now)

    def test_in_auto_distribution_breaks_order(self) -> None:
        """A stream that ignores keys blocks a route that keeps order, with the cure, and opens one that does not."""
        strict, loose = Scene(opened=False), Scene(opened=False, ordering=Ordering.NONE)
        facts = strict.route.described(described(honours_keys=False), strict.now)
        assert isinstance(facts[0], RouteBlocked)
        assert ("auto_distribution", True) == (facts[0].reason, "ordering: none" in facts[0].message)
        loose.route.described(described(honours_keys=False), loose.now)
        assert loose.route.blocked is None

    def test_in_auto_distribution_stays_blocked_when_describing_is_denied(self) -> None:
        """What is known to break order is not forgotten because nobody may look any more."""
        scene = Scene(opened=False)
        scene.route.described(described(honours_keys=False), scene.now)
        scene.route.undescribed(StreamRefused("orders", DENIED), scene.now)
        assert DENIED == scene.route.blocked

    def test_that_may_not_be_described_is_assumed(self) -> None:
        """Puts may work without DescribeStreamSummary: the default limit is assumed, loudly."""
        scene = Scene(opened=False)
        facts = scene.route.undescribed(StreamRefused("orders", DENIED), scene.now)
        assert [StreamFactsAssumed("orders", DENIED), RouteOpened("orders", 0)] == facts
        scene.route.admit(scene.partition, chunk("ab", values=[b"x" * RECORD_BYTES_DEFAULT, b"x"]), scene.now)
        assert [RecordsPoisoned("orders", ORDERS, 0, "RecordTooLarge", "block")] == scene.tend_poison()
        assert scene.route.standing.stream_arn is None

    @pytest.mark.parametrize("code", ["ResourceNotFoundException", "ThrottlingException", "timeout", "Unheard"])
    def test_that_cannot_be_described_blocks(self, code: str) -> None:
        """Any other answer blocks the route with that reason, and is probed by asking again."""
        scene = Scene(opened=False)
        assert scene.route.wants_description(scene.now) is True
        assert [RouteBlocked("orders", code, "why")] == scene.route.undescribed(
            StreamRefused("orders", code, "why"), scene.now
        )
        scene.now += scene.probe_in()
        assert scene.route.wants_description(scene.now) is True

    def test_described_with_a_dead_lease_rejects_the_lease(self) -> None:
        """A question that was signed with an expired lease says nothing about the stream."""
        scene = Scene(opened=False)
        assert [] == scene.route.undescribed(StreamRefused("orders", EXPIRED, lease=7), scene.now)
        assert ((7, EXPIRED), RouteState.UNKNOWN) == (scene.route.lease_to_reject, scene.route.standing.state)
        assert scene.route.wants_description(scene.now) is True

    def test_is_not_asked_about_again_while_all_is_well(self) -> None:
        """An open route does not describe."""
        assert Scene().route.wants_description(10**18) is False

    def test_its_own_limit_counts(self) -> None:
        """A record above the default limit lands where the stream takes it."""
        scene = Scene(opened=False)
        scene.route.described(described(record_bytes_max=2 * RECORD_BYTES_DEFAULT), scene.now)
        scene.route.admit(scene.partition, chunk("a", values=[b"x" * RECORD_BYTES_DEFAULT]), scene.now)
        assert [] == scene.tend_poison()


class TestWhenToSend:
    """A request leaves when it is full, when nothing else is in flight, or when it has waited."""

    def test_at_once_when_nothing_is_in_flight(self) -> None:
        """With an idle stream one record goes at once."""
        assert Scene().sent("a") is not None

    def test_waits_a_moment_to_be_filled(self) -> None:
        """Beside another request, one that is not full waits 5 ms, and the loop is told when."""
        scene = Scene()
        scene.sent("a")
        scene.admit("b")
        assert (None, PARTIAL_PUT_WAIT_NS) == (scene.send(), scene.probe_in())
        scene.now += PARTIAL_PUT_WAIT_NS
        assert scene.send() is not None

    def test_full_goes_at_once(self) -> None:
        """A full request waits for nothing."""
        scene = Scene()
        scene.sent("a")
        scene.admit("bcde")
        assert scene.send() is not None

    def test_nothing_ready_sends_nothing(self) -> None:
        """Without records nothing leaves and nothing wakes."""
        scene = Scene()
        assert (None, None) == (scene.send(), scene.route.next_wake(scene.now))


class TestAnswered:
    """A request that was accepted, in whole or in part."""

    def test_settles(self) -> None:
        """What landed is settled and told with its count, its bytes and its time."""
        scene = Scene()
        flight = scene.sent("abc")
        scene.now += 20 * MS
        assert [RecordsSettled("orders", 3, 3, 20 * MS)] == scene.answered(flight)
        assert (0, {}, 1) == (scene.open, scene.route.outbox.flights, scene.route.landed_with)

    @pytest.mark.parametrize(
        ("code", "ambiguous", "wait"),
        [(SLOW, False, 5 * MS), ("InternalFailure", True, 5 * MS), ("Unheard", False, 5 * MS)],
    )
    def test_refused_entries_go_again_after_a_wait(self, code: str, ambiguous: bool, wait: int) -> None:  # noqa: FBT001 - a case
        """What was refused stays, is told by its code, and leaves again after a backoff; the rest is settled."""
        scene = Scene()
        flight = scene.sent("abc")
        assert [
            RecordsSettled("orders", 2, 2, 0),
            RecordsFailed("orders", code, 1, ambiguous=ambiguous),
        ] == scene.answered(flight, {1: code})
        assert (1, None, wait) == (scene.open, scene.send(), scene.probe_in())
        scene.now += wait
        again = scene.send()
        assert again is not None
        assert ["b"] == again.keys

    @pytest.mark.parametrize(("code", "last"), [(SLOW, 5), ("InternalFailure", 10), ("Unheard", 60)])
    def test_the_wait_grows_to_its_bound(self, code: str, last: int) -> None:
        """Each refusal of the same record doubles its wait, up to the bound of its kind."""
        scene = Scene()
        flight: Flight | None = scene.sent("ab")
        waits = []
        for _ in range(20):
            assert flight is not None
            scene.answered(flight, {0: code} | ({1: code} if len(flight.keys) > 1 else {}))
            waits.append(scene.probe_in())
            scene.now += scene.probe_in()
            flight = scene.send()
        assert sorted(waits) == waits
        assert (5 * MS, last * SECOND // 20) == (waits[0], waits[-1])

    def test_a_wholly_refused_answer_tells_no_success(self) -> None:
        """200 with every entry refused landed nothing, and says nothing good about the lease."""
        scene = Scene()
        flight = scene.sent("ab")
        facts = scene.answered(flight, {0: SLOW, 1: SLOW})
        assert [RecordsFailed("orders", SLOW, 2, ambiguous=False)] == facts
        assert scene.route.landed_with is None

    @pytest.mark.parametrize(("shards", "seconds"), [((), 5), ((ShardRange("shardId-000000000000", 0),), 1)])
    def test_a_paced_shard_is_tried_each_second(self, shards: tuple[ShardRange, ...], seconds: int) -> None:
        """Where the shard's pace bounds the rate, a throttled record waits a second at most; else its own backoff must."""
        scene = Scene()
        scene.route.outbox.pacer.learn(shards)
        flight: Flight | None = scene.sent("a")
        waits = []
        for _ in range(20):
            assert flight is not None
            scene.answered(flight, {0: SLOW})
            waits.append(scene.probe_in())
            scene.now += scene.probe_in()
            flight = scene.send()
        assert seconds * SECOND // 20 == waits[-1] == max(waits)  # the luckiest draw is a twentieth of the ceiling

    def test_throttling_of_entries_never_blocks(self) -> None:
        """However long a shard refuses, the route stays open for the others."""
        scene = Scene()
        flight: Flight | None = scene.sent("a")
        for _ in range(50):
            assert flight is not None
            scene.answered(flight, {0: SLOW})
            scene.now += scene.probe_in()
            flight = scene.send()
        assert scene.route.blocked is None


class TestRefused:
    """A request that was refused as a whole."""

    @pytest.mark.parametrize("code", sorted(REQUEST))
    def test_loses_nothing(self, code: str) -> None:
        """Whatever the code, every record stays and leaves again."""
        scene = Scene()
        flight = scene.sent("abc")
        facts = scene.refused(flight, code)
        verdict = REQUEST[code]
        assert RecordsFailed("orders", code, 3, ambiguous=verdict is Verdict.AMBIGUOUS) == facts[0]
        scene.lease = 2
        wake = scene.route.next_wake(scene.now)
        scene.now = max(scene.now, wake or 0)
        again = scene.send()
        assert again is not None
        alone = ["a"]  # a search begins with half of it
        assert (3, alone if verdict is Verdict.ISOLATE else ["a", "b", "c"]) == (scene.open, again.keys)

    @pytest.mark.parametrize("code", [c for c, v in REQUEST.items() if v is Verdict.LEASE])
    def test_a_dead_lease_is_rejected_and_the_records_wait_for_none(self, code: str) -> None:
        """The lease is named for rejection; the route stays open and needs no backoff."""
        scene = Scene()
        scene.lease = 7
        facts = scene.refused(scene.sent("ab"), code)
        assert ((7, code), None, 1) == (scene.route.lease_to_reject, scene.route.blocked, len(facts))
        assert scene.send() is not None

    @pytest.mark.parametrize("code", [*[c for c, v in REQUEST.items() if v is Verdict.BLOCKED], "Unheard"])
    def test_a_permanent_cause_blocks(self, code: str) -> None:
        """The route says so with the service's words, and sends nothing until its probe."""
        scene = Scene()
        facts = scene.refused(scene.sent("ab"), code)
        assert RouteBlocked("orders", code, "because") == facts[-1]
        assert (code, None) == (scene.route.blocked, scene.send())

    def test_one_request_at_a_time_after_a_failure(self) -> None:
        """After a failed request only one is in flight, until one succeeds: a black hole takes no more."""
        scene = Scene()
        flight = scene.sent("abcd")
        scene.admit("efghijkl")
        scene.refused(flight, SLOW)
        probe = scene.send()
        assert probe is not None
        scene.now += SECOND
        assert scene.send() is None
        scene.answered(probe)
        assert [True, True] == [scene.send() is not None for _ in range(2)]

    def test_throttling_never_blocks(self) -> None:
        """However often whole requests are throttled, the route stays open, and tries at least every 5 s."""
        scene = Scene()
        flight: Flight | None = scene.sent("a")
        for _ in range(50):
            assert flight is not None
            scene.refused(flight, SLOW)
            assert scene.probe_in() <= 5 * SECOND
            scene.now += scene.probe_in()
            flight = scene.send()
        assert scene.route.blocked is None

    def test_throttling_does_not_count_towards_blocking(self) -> None:
        """A lost answer after many throttled requests is the first of its kind."""
        scene = Scene()
        flight: Flight | None = scene.sent("a")
        for _ in range(10):
            assert flight is not None
            scene.refused(flight, SLOW)
            scene.now += scene.probe_in()
            flight = scene.send()
        assert flight is not None
        scene.route.unknown(PutAmbiguous(flight.put, "timeout"), scene.now)
        assert scene.route.blocked is None


class TestUnknown:
    """Nobody knows what became of a request, or it never left."""

    def test_ambiguous_goes_again_and_is_told_as_such(self) -> None:
        """Unknown never means failed: the records may have landed, and go again after a wait."""
        scene = Scene()
        flight = scene.sent("ab")
        facts = scene.route.unknown(PutAmbiguous(flight.put, "timeout"), scene.now)
        assert [RecordsFailed("orders", "timeout", 2, ambiguous=True)] == facts
        assert (2, None, 5 * MS) == (scene.open, scene.send(), scene.probe_in())

    def test_unsent_makes_no_duplicates(self) -> None:
        """A request that never left is told as not ambiguous."""
        scene = Scene()
        flight = scene.sent("ab")
        facts = scene.route.unknown(PutUnsent(flight.put, "no connection"), scene.now)
        assert [RecordsFailed("orders", "no connection", 2, ambiguous=False)] == facts

    def test_five_in_a_row_block(self) -> None:
        """The fifth failure without a success in between blocks the route, and says why."""
        scene = Scene()
        flight: Flight | None = scene.sent("a")
        blocked = []
        for _ in range(5):
            assert flight is not None
            facts = scene.route.unknown(PutUnsent(flight.put, "no connection"), scene.now)
            blocked.append(RouteBlocked("orders", "no connection", "no request succeeds") in facts)
            scene.now += scene.probe_in()
            flight = scene.send()
        assert [False] * 4 + [True] == blocked

    def test_a_success_in_between_begins_the_count_anew(self) -> None:
        """Four failures, a success, four failures: still open."""
        scene = Scene()
        for _ in range(2):
            flight: Flight | None = scene.sent("a")
            for _ in range(4):
                assert flight is not None
                scene.route.unknown(PutAmbiguous(flight.put, "timeout"), scene.now)
                scene.now += scene.probe_in()
                flight = scene.send()
            assert flight is not None
            scene.answered(flight)
        assert scene.route.blocked is None


class TestDenied:
    """AccessDenied: a revoked session, or a missing permission?"""

    def landed(self) -> Scene:
        """Give a route on which lease 1 landed something."""
        scene = Scene()
        scene.answered(scene.sent("a"))
        return scene

    def test_before_anything_landed_blocks(self) -> None:
        """A lease that never worked here is not suspected: the permission is missing."""
        scene = Scene()
        scene.refused(scene.sent("a"), DENIED)
        assert (DENIED, None) == (scene.route.blocked, scene.route.lease_to_reject)

    def test_of_a_lease_that_worked_rejects_it_once(self) -> None:
        """The first denial is the lease's fault, the denial of the next lease is the policy's."""
        scene = self.landed()
        scene.refused(scene.sent("b"), DENIED)
        assert ((1, DENIED), None) == (scene.route.lease_to_reject, scene.route.blocked)
        scene.route.lease_to_reject, scene.lease = None, 2
        flight = scene.send()
        assert flight is not None
        scene.refused(flight, DENIED)
        assert (None, DENIED) == (scene.route.lease_to_reject, scene.route.blocked)

    def test_of_all_requests_in_flight_is_one_denial(self) -> None:
        """Several requests of the revoked lease are refused alike: that is one rejection and no block."""
        scene = self.landed()
        flights = [scene.sent(keys) for keys in ("bcde", "fghi", "jklm")]
        for flight in flights:
            scene.refused(flight, DENIED)
        assert (None, 12) == (scene.route.blocked, scene.open)

    def test_after_a_success_is_suspected_again(self) -> None:
        """Once the next lease has landed something, it may be revoked as well."""
        scene = self.landed()
        scene.refused(scene.sent("b"), DENIED)
        scene.lease = 2
        flight = scene.send()
        assert flight is not None
        scene.answered(flight)
        scene.refused(scene.sent("c"), DENIED)
        assert ((2, DENIED), None) == (scene.route.lease_to_reject, scene.route.blocked)


class TestBlocked:
    """A blocked route probes, and needs no restart."""

    def test_probes_with_one_request(self) -> None:
        """After its backoff exactly one request leaves."""
        scene = Scene()
        flight = scene.sent("abcd")
        scene.admit("efghijkl")
        scene.refused(flight, "ResourceNotFoundException")
        assert scene.send() is None
        scene.now += scene.probe_in()
        assert [True, False] == [scene.send() is not None for _ in range(2)]

    def test_takes_what_is_delayed_for_its_probe(self) -> None:
        """A record that waits for its own next try is not waited for: it is the probe, where nothing else is ready."""
        scene = Scene()
        scene.sent("a")
        for _ in range(12):  # its own wait is 3 s by now
            scene.answered(scene.route.outbox.flights[scene.put], {0: "Unheard"})
            scene.now += scene.probe_in()
            assert scene.send() is not None
        scene.answered(scene.route.outbox.flights[scene.put], {0: "Unheard"})
        scene.route.standing.block("ResourceNotFoundException", "", scene.now)
        assert 25 * MS == scene.probe_in()
        scene.now += 25 * MS
        assert scene.send() is not None

    def test_opens_with_the_first_put_that_lands(self) -> None:
        """A probe that lands opens the route, which says how long it was blocked."""
        scene = Scene()
        scene.block()
        wait = scene.probe_in()
        scene.now += wait
        probe = scene.send()
        assert probe is not None
        facts = scene.answered(probe)
        assert ([RouteOpened("orders", wait)], None) == (facts[1:], scene.route.blocked)

    def test_probes_by_describing_when_it_has_nothing_to_send(self) -> None:
        """Without records of its own a blocked route asks about its stream, and opens when that is there."""
        scene = Scene()
        scene.block()
        scene.partition.gone = True
        scene.route.outbox.forget_unsent(scene.partition)
        assert scene.route.wants_description(scene.now) is False
        scene.now += scene.probe_in()
        assert scene.route.wants_description(scene.now) is True
        scene.route.described(described(), scene.now)
        assert scene.route.blocked is None

    def test_finds_its_way_out_where_describing_is_denied(self) -> None:
        """With nothing to send and no right to describe, the next record is the probe: it opens."""
        scene = Scene(opened=False)
        scene.route.undescribed(StreamRefused("orders", DENIED), scene.now)
        scene.block()
        scene.partition.gone = True
        scene.route.outbox.forget_unsent(scene.partition)
        scene.now += scene.probe_in()
        assert scene.route.wants_description(scene.now) is True
        assert [RouteOpened("orders", 25 * MS)] == scene.route.undescribed(StreamRefused("orders", DENIED), scene.now)

    def test_does_not_describe_while_it_has_records(self) -> None:
        """With records the put is the probe: it asks the very question that matters."""
        scene = Scene()
        scene.block()
        assert scene.route.wants_description(scene.now + 60 * SECOND) is False

    def test_probes_ever_more_rarely_up_to_a_minute(self) -> None:
        """Each failed probe doubles the wait, and it never exceeds a minute."""
        scene = Scene()
        scene.block()
        waits = []
        for _ in range(12):
            waits.append(scene.probe_in())
            scene.now += scene.probe_in()
            probe = scene.send()
            assert probe is not None
            scene.refused(probe, "ResourceNotFoundException")
        assert sorted(waits) == waits
        assert (25 * MS, BACKOFF_LAST_NS // 20) == (waits[0], waits[-1])

    def test_a_burst_of_refusals_is_one_block(self) -> None:
        """Requests that were in flight when it was blocked do not lengthen the wait, and are told once."""
        scene = Scene()
        flights = [scene.sent(keys) for keys in ("abcd", "efgh", "ijkl", "mnop")]
        blocks = [
            sum(isinstance(fact, RouteBlocked) for fact in scene.refused(flight, "ResourceNotFoundException"))
            for flight in flights
        ]
        assert ([1, 0, 0, 0], 25 * MS) == (blocks, scene.probe_in())

    def test_a_new_reason_is_told(self) -> None:
        """A probe that fails in another way names the new reason, once."""
        scene = Scene()
        scene.block("ResourceNotFoundException")
        told = []
        for code in ("KMSDisabledException", "KMSDisabledException"):
            scene.now += scene.probe_in()
            probe = scene.send()
            assert probe is not None
            told.append([f.reason for f in scene.refused(probe, code) if isinstance(f, RouteBlocked)])
        assert [["KMSDisabledException"], []] == told

    @pytest.mark.parametrize("code", [SLOW, "InternalFailure"])
    def test_a_probe_that_fails_otherwise_stays_a_probe(self, code: str) -> None:
        """A throttled or lost probe does not open the route."""
        scene = Scene()
        scene.block()
        scene.now += scene.probe_in()
        probe = scene.send()
        assert probe is not None
        scene.refused(probe, code)
        assert code == scene.route.blocked

    def test_goes_on_when_the_lease_is_back(self) -> None:
        """Blocked for want of a lease, a described route opens with the next lease, without a probe."""
        scene = Scene()
        scene.route.standing.block("lease_refused:AccessDenied", "no", scene.now)
        assert [RouteOpened("orders", 0)] == scene.route.standing.lease_is_back(scene.now)
        assert [] == scene.route.standing.lease_is_back(scene.now)

    def test_is_described_first_when_the_lease_is_back(self) -> None:
        """Blocked for want of a lease before its stream was known, it asks about the stream next."""
        scene = Scene(opened=False)
        scene.route.standing.block("lease_refused:AccessDenied", "no", scene.now)
        assert [] == scene.route.standing.lease_is_back(scene.now)
        assert (RouteState.UNKNOWN, True) == (scene.route.standing.state, scene.route.wants_description(scene.now))


def test_poison_is_told_with_its_policy() -> None:
    """What can never land is told by place and code, never by content."""
    for policy in (OnPoison.BLOCK, OnPoison.DROP):
        scene = Scene(on_poison=policy)
        scene.admit(["a", "", "x" * 257])
        expected = [
            RecordsPoisoned("orders", ORDERS, 1, "EmptyPartitionKey", policy.value),
            RecordsPoisoned("orders", ORDERS, 2, "PartitionKeyTooLong", policy.value),
        ]
        assert (expected[:1] if policy is OnPoison.BLOCK else expected) == scene.tend_poison()


def test_an_envelope_counts_what_it_holds() -> None:
    """With an envelope the held bytes grow by what was made, and all of it is free once it has settled."""
    scene = Scene(envelope=True)
    fetched = chunk("ab", originals=[Extras(), Extras()])
    scene.budget.take(scene.partition, 502 + 2, 2)  # as the intake does: payload and overhead
    scene.route.admit(scene.partition, fetched, scene.now)
    assert scene.budget.held > 504
    flight = scene.send()
    assert flight is not None
    scene.answered(flight)
    assert (0, 0) == (scene.budget.held, scene.partition.held_bytes)


def test_status_shows_reason_and_figures() -> None:
    """Figures of a route: why it is blocked, what is in flight, what waits."""
    scene = Scene()
    scene.sent("a")
    scene.admit("bc")
    status = scene.route.status()
    assert ("orders", None, 1, 2) == (status.route, status.blocked, status.in_flight, status.waiting)


class TestIsolate:
    """A request that is refused because of something in it is searched for the record that is wrong."""

    @staticmethod
    def run(scene: Scene, bad: set[int], requests: int = 60) -> list[int]:
        """Answer every request by whether it holds a bad record; give what landed, in order."""
        landed: list[int] = []
        for _ in range(requests):
            flight = scene.send()
            if flight is None:
                continue
            offsets = [part.chunk.offsets[place] for part in flight.parts for place in part.places]
            if bad & set(offsets):
                scene.refused(flight, "ValidationException")
            else:
                scene.answered(flight)
                landed += offsets
        return landed

    def test_finds_the_one_and_lands_the_others(self) -> None:
        """Of four records in a request the bad one is quarantined, the others land, and the route stays open."""
        scene = Scene()
        scene.admit("abcd")
        assert [0, 1, 3] == sorted(self.run(scene, {2}))
        assert [RecordsPoisoned("orders", ORDERS, 2, "ValidationException", "block")] == scene.tend_poison()
        assert (None, 1) == (scene.route.blocked, scene.open)

    def test_keeps_the_order_of_every_key(self) -> None:
        """Records behind the bad one of their key wait; those of other keys land in order."""
        scene = Scene()
        scene.admit("abab")
        scene.admit("abab")
        assert [1, 3, 5, 7] == self.run(scene, {0})
        assert 4 == scene.open

    def test_a_wrong_stream_makes_no_poison(self) -> None:
        """Where everything is refused the route blocks, and every record stays to be sent."""
        scene = Scene()
        scene.admit("abcd")
        assert [] == self.run(scene, {0, 1, 2, 3})
        facts = scene.tend_poison()
        assert [fact for fact in facts if isinstance(fact, RecordsPoisoned)] == []
        assert ("ValidationException", 4) == (scene.route.blocked, scene.open)
        scene.now += scene.probe_in()
        assert sorted(self.run(scene, set())) == [0, 1, 2, 3]
        assert (None, 0) == (scene.route.blocked, scene.open)

    def test_of_a_lone_record_waits_for_a_control(self) -> None:
        """One bad record on an idle route blocks it; as soon as another lands beside it, it is poison."""
        scene = Scene()
        scene.admit("a")
        self.run(scene, {0})
        scene.tend_poison()
        assert "ValidationException" == scene.route.blocked
        scene.admit("b")
        scene.now += scene.probe_in()
        assert [1] == self.run(scene, {0})
        assert [0] == [fact.offset for fact in scene.tend_poison() if isinstance(fact, RecordsPoisoned)]
        assert scene.route.blocked is None

    def test_an_entry_refused_among_others_that_landed(self) -> None:
        """Where the service names the entry, the others of the same request are the control."""
        scene = Scene()
        flight = scene.sent("abc")
        scene.answered(flight, {1: "ValidationException"})
        assert [RecordsPoisoned("orders", ORDERS, 1, "ValidationException", "block")] == scene.tend_poison()
        assert 1 == scene.open

    def test_goes_on_through_other_failures(self) -> None:
        """A throttled, an ambiguous and an expired request of the search are sent again, and it ends well."""
        scene = Scene()
        scene.admit("abcd")
        first = scene.send()
        assert first is not None
        scene.refused(first, "ValidationException")
        for trouble in (SLOW, EXPIRED, "InternalFailure"):
            flight = scene.send()
            assert flight is not None
            scene.refused(flight, trouble)
            scene.now += 10 * SECOND
        assert [1, 2, 3] == sorted(self.run(scene, {0}))
        assert 1 == scene.open

    def test_the_search_ends_with_its_partition(self) -> None:
        """A partition that is lost meanwhile leaves nothing to search for."""
        scene = Scene()
        flight = scene.sent("abcd")
        scene.refused(flight, "ValidationException")
        scene.partition.gone = True
        scene.route.forget_unsent(scene.partition)
        assert [] == self.run(scene, set())
        assert scene.route.holds(scene.partition) is False

    def test_too_much_poison_blocks_the_route(self) -> None:
        """More than the limit within a minute: it is not the records that are wrong."""
        scene = Scene(limits=LimitRules(request_records=4, poison_per_minute=2), on_poison=OnPoison.DROP)
        scene.admit(["", "", "", "", "a"])
        facts = scene.tend_poison()
        assert 2 == sum(isinstance(fact, RecordsPoisoned) for fact in facts)
        assert "too_much_poison" == scene.route.blocked
        assert 60 * SECOND == scene.probe_in()


class TestPacing:
    """A hot shard is slowed down by itself."""

    def test_a_throttled_shard_waits_while_the_other_goes_on(self) -> None:
        """After a throttled entry the records of its shard leave at the shard's pace; the others at once."""
        scene = Scene(limits=LimitRules(request_records=500))
        half = 1 << 127
        scene.route.described(described(shards=(ShardRange("a", 0), ShardRange("b", half))), scene.now)
        keys = [str(number) for number in range(2_000)]
        hot = next(i for i, key in enumerate(keys) if hash_key(key) < half)
        flight = scene.sent(keys[hot])
        scene.answered(flight, {0: SLOW})
        scene.admit([key for i, key in enumerate(keys) if i != hot])
        sent: list[str] = []
        while (packed := scene.send()) is not None:
            sent += packed.keys
            scene.answered(packed)
        cold = [key for key in sent if hash_key(key) >= half]
        assert len(cold) == sum(hash_key(key) >= half for key in keys)
        assert len(sent) - len(cold) <= 110
        assert scene.open == 2_000 - len(sent)

    def test_what_was_held_back_leaves_in_time(self) -> None:
        """Nothing that waits for its shard's pace is forgotten."""
        scene = Scene(limits=LimitRules(request_records=500))
        scene.route.described(described(shards=(ShardRange("a", 0),)), scene.now)
        flight = scene.sent("z")
        scene.answered(flight, {0: SLOW})
        scene.admit([str(number) for number in range(1_000)])
        began = scene.now
        while scene.open:
            packed = scene.send()
            if packed is None:
                wake = scene.route.next_wake(scene.now)
                assert wake is not None
                scene.now = max(wake, scene.now + 1)
            else:
                scene.answered(packed)
        assert 0.8 * SECOND < scene.now - began < 2 * SECOND
