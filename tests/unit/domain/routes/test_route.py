from __future__ import annotations

from typing import Any

import pytest

from doka.adapters.compression.gzip import GZIP
from doka.domain.events import PutAmbiguous, PutAnswered, PutUnsent, ShardRange
from doka.domain.facts import LeaseRejected, RecordsFailed, RecordsPoisoned, RecordsSettled, RouteBlocked
from doka.domain.limits import (
    DESCRIBE_EVERY_NS,
    PARTIAL_PUT_WAIT_NS,
    RECORD_BYTES_DEFAULT,
    RECORD_OVERHEAD_BYTES,
)
from doka.domain.rules import AggregationRules, LimitRules, OnPoison, Ordering
from doka.domain.sending.pacing import hash_key
from doka.domain.sending.put import Put
from doka.domain.status import RouteStatus, StreamStatus
from doka.domain.turn import Turn
from doka.domain.verdicts import REQUEST, Verdict
from tests.unit.domain.builders import MS, ORDERS, SECOND, STAMP_MS, Extras, chunk, described
from tests.unit.domain.routing import DENIED, EXPIRED, SLOW, Scene


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
        # This moment has come: it is none that time alone brings. The next is the next look at the stream.
        assert scene.route.next_wake(scene.now) == scene.route.standing.watch.at
        assert scene.send() is not None

    def test_full_goes_at_once(self) -> None:
        """A full request waits for nothing."""
        scene = Scene()
        scene.sent("a")
        scene.admit("bcde")
        assert scene.send() is not None

    def test_nothing_ready_sends_nothing(self) -> None:
        """Without records nothing leaves, and nothing wakes but the next look at the stream."""
        scene = Scene()
        assert (None, DESCRIBE_EVERY_NS // 2) == (scene.send(), scene.probe_in())


class TestAnswered:
    """A request that was accepted, in whole or in part."""

    def test_settles(self) -> None:
        """What landed is settled and told with its count, its bytes and its time, and its watermark may have moved."""
        scene, turn = Scene(), Turn()
        put = scene.sent("abc")
        scene.now += 20 * MS
        scene.route.answered(PutAnswered(put.number), scene.now, turn)
        assert [RecordsSettled("orders", 3, 3, 20 * MS, {STAMP_MS: 3})] == turn.commands
        assert (0, {}, [scene.leg.ledger]) == (scene.open, scene.route.puts, [*turn.moved])

    @pytest.mark.parametrize(
        ("code", "ambiguous", "wait"),
        [(SLOW, False, 5 * MS), ("InternalFailure", True, 5 * MS), ("Unheard", False, 5 * MS)],
    )
    def test_refused_entries_go_again_after_a_wait(self, code: str, ambiguous: bool, wait: int) -> None:  # noqa: FBT001 - a case
        """What was refused stays, is told by its code, and leaves again after a backoff; the rest is settled."""
        scene = Scene()
        put = scene.sent("abc")
        assert [
            RecordsSettled("orders", 2, 2, 0, {STAMP_MS: 2}),
            RecordsFailed("orders", code, 1, ambiguous=ambiguous),
        ] == scene.answered(put, {1: code})
        assert (1, None, wait) == (scene.open, scene.send(), scene.probe_in())
        scene.now += wait
        again = scene.send()
        assert again is not None
        assert ["b"] == again.keys

    @pytest.mark.parametrize(("code", "last"), [(SLOW, 5), ("InternalFailure", 10), ("Unheard", 60)])
    def test_the_wait_grows_to_its_bound(self, code: str, last: int) -> None:
        """Each refusal of the same record doubles its wait, up to the bound of its kind."""
        scene = Scene()
        put: Put | None = scene.sent("ab")
        waits = []
        for _ in range(20):
            assert put is not None
            scene.answered(put, {0: code} | ({1: code} if len(put.keys) > 1 else {}))
            waits.append(scene.probe_in())
            scene.now += scene.probe_in()
            put = scene.send()
        assert sorted(waits) == waits
        assert (5 * MS, last * SECOND // 20) == (waits[0], waits[-1])

    def test_a_wholly_refused_answer_tells_no_success(self) -> None:
        """200 with every entry refused landed nothing, and says nothing good about the lease."""
        scene = Scene()
        put = scene.sent("ab")
        facts = scene.answered(put, {0: SLOW, 1: SLOW})
        assert [RecordsFailed("orders", SLOW, 2, ambiguous=False)] == facts
        scene.now += scene.probe_in()
        again = scene.send()
        assert again is not None
        scene.refused(again, DENIED)
        assert DENIED == scene.route.blocked  # and does not suspect a lease that worked

    @pytest.mark.parametrize(("failed", "at_once"), [({}, True), ({0: SLOW}, True), ({0: SLOW, 1: SLOW}, False)])
    def test_what_lands_shows_that_its_lease_is_good(self, failed: dict[int, str], at_once: bool) -> None:  # noqa: FBT001 - a column
        """After two leases that died, the death of one that landed something is renewed at once, of another one is not."""
        scene = Scene()
        for serial in (1, 2, 3):
            scene.lend(serial)
            if serial == 3:
                scene.answered(scene.sent("ab"), failed)
            scene.keeper.rejected(serial, EXPIRED, scene.now, Turn())
        assert at_once == scene.keeper.wants_lease(scene.now, needed=True)

    @pytest.mark.parametrize(("shards", "seconds"), [((), 5), ((ShardRange("shardId-000000000000", 0),), 1)])
    def test_a_paced_shard_is_tried_each_second(self, shards: tuple[ShardRange, ...], seconds: int) -> None:
        """Where the shard's pace bounds the rate, a throttled record waits a second at most; else its own backoff must."""
        scene = Scene()
        scene.route.outbox.pacer.learn(shards)
        put: Put | None = scene.sent("a")
        waits = []
        for _ in range(20):
            assert put is not None
            scene.answered(put, {0: SLOW})
            waits.append(scene.probe_in())
            scene.now += scene.probe_in()
            put = scene.send()
        assert seconds * SECOND // 20 == waits[-1] == max(waits)  # the luckiest draw is a twentieth of the ceiling

    def test_throttling_of_entries_never_blocks(self) -> None:
        """However long a shard refuses, the route stays open for the others."""
        scene = Scene()
        put: Put | None = scene.sent("a")
        for _ in range(50):
            assert put is not None
            scene.answered(put, {0: SLOW})
            scene.now += scene.probe_in()
            put = scene.send()
        assert scene.route.blocked is None


class TestRefused:
    """A request that was refused as a whole."""

    def test_comes_back_to_a_blocked_route_too(self) -> None:
        """What fails while the route is blocked already waits with the rest for the next probe."""
        scene = Scene()
        first, second = scene.sent("a"), scene.sent("bcde")
        scene.refused(first, "ResourceNotFoundException")
        scene.unknown(PutAmbiguous(second.number, "timeout"))
        assert (5, 5) == (scene.route.outbox.waiting, scene.open)

    @pytest.mark.parametrize("code", sorted(REQUEST))
    def test_loses_nothing(self, code: str) -> None:
        """Whatever the code, every record stays and leaves again."""
        scene = Scene()
        put = scene.sent("abc")
        facts = scene.refused(put, code)
        verdict = REQUEST[code]
        assert RecordsFailed("orders", code, 3, ambiguous=verdict is Verdict.AMBIGUOUS) == facts[0]
        scene.lease = 2
        wake = scene.route.next_wake(scene.now)
        scene.now = max(scene.now, wake or 0)
        again = scene.send()
        assert again is not None
        alone = ["a"]  # a search begins with half of it
        assert (3, alone if verdict is Verdict.SEARCH else ["a", "b", "c"]) == (scene.open, again.keys)

    @pytest.mark.parametrize("code", [c for c, v in REQUEST.items() if v is Verdict.LEASE])
    def test_a_dead_lease_is_rejected_and_the_records_wait_for_none(self, code: str) -> None:
        """The role's lease is rejected; the route stays open and needs no backoff."""
        scene = Scene()
        scene.lend(7)
        facts = scene.refused(scene.sent("ab"), code)
        expected = [RecordsFailed("orders", code, 2, ambiguous=False), LeaseRejected("writer", 7, code, 0)]
        assert (expected, None) == (facts, scene.route.blocked)
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
        put = scene.sent("abcd")
        scene.admit("efghijkl")
        scene.refused(put, SLOW)
        probe = scene.send()
        assert probe is not None
        scene.now += SECOND
        assert scene.send() is None
        scene.answered(probe)
        assert [True, True] == [scene.send() is not None for _ in range(2)]

    def test_throttling_never_blocks(self) -> None:
        """However often whole requests are throttled, the route stays open, and tries at least every 5 s."""
        scene = Scene()
        put: Put | None = scene.sent("a")
        for _ in range(50):
            assert put is not None
            scene.refused(put, SLOW)
            assert scene.probe_in() <= 5 * SECOND
            scene.now += scene.probe_in()
            put = scene.send()
        assert scene.route.blocked is None

    def test_throttling_does_not_count_towards_blocking(self) -> None:
        """A lost answer after many throttled requests is the first of its kind."""
        scene = Scene()
        put: Put | None = scene.sent("a")
        for _ in range(10):
            assert put is not None
            scene.refused(put, SLOW)
            scene.now += scene.probe_in()
            put = scene.send()
        assert put is not None
        scene.unknown(PutAmbiguous(put.number, "timeout"))
        assert scene.route.blocked is None


class TestUnknown:
    """Nobody knows what became of a request, or it never left."""

    def test_ambiguous_goes_again_and_is_told_as_such(self) -> None:
        """Unknown never means failed: the records may have landed, and go again after a wait."""
        scene = Scene()
        put = scene.sent("ab")
        facts = scene.unknown(PutAmbiguous(put.number, "timeout"))
        assert [RecordsFailed("orders", "timeout", 2, ambiguous=True)] == facts
        assert (2, None, 5 * MS) == (scene.open, scene.send(), scene.probe_in())

    def test_unsent_makes_no_duplicates(self) -> None:
        """A request that never left is told as not ambiguous."""
        scene = Scene()
        put = scene.sent("ab")
        facts = scene.unknown(PutUnsent(put.number, "no connection"))
        assert [RecordsFailed("orders", "no connection", 2, ambiguous=False)] == facts

    def test_five_in_a_row_block(self) -> None:
        """The fifth failure without a success in between blocks the route, and says why."""
        scene = Scene()
        put: Put | None = scene.sent("a")
        blocked = []
        for _ in range(5):
            assert put is not None
            facts = scene.unknown(PutUnsent(put.number, "no connection"))
            blocked.append(RouteBlocked("orders", "no connection", "no request succeeds") in facts)
            scene.now += scene.probe_in()
            put = scene.send()
        assert [False] * 4 + [True] == blocked

    def test_a_success_in_between_begins_the_count_anew(self) -> None:
        """Four failures, a success, four failures: still open."""
        scene = Scene()
        for _ in range(2):
            put: Put | None = scene.sent("a")
            for _ in range(4):
                assert put is not None
                scene.unknown(PutAmbiguous(put.number, "timeout"))
                scene.now += scene.probe_in()
                put = scene.send()
            assert put is not None
            scene.answered(put)
        assert scene.route.blocked is None


def test_failures_before_the_stream_was_described_do_not_count() -> None:
    """Four requests in a row of which nobody knows are forgotten when its stream answers; the fifth blocks nothing."""
    scene = Scene()
    put: Put | None = scene.sent()
    for failures in range(5):
        assert put is not None
        if failures == 4:
            scene.route.described(described(), scene.now, Turn())
        scene.unknown(PutAmbiguous(put.number, "timeout"))
        scene.now += scene.probe_in()
        put = scene.send()
    assert scene.route.blocked is None


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
    ledger = scene.leg.ledger
    scene.budget.take(ledger, 502 + 2, 2)  # as the intake does: payload and overhead
    scene.route.admit(ledger, fetched, scene.now, Turn())
    assert scene.budget.held > 504
    put = scene.send()
    assert put is not None
    scene.answered(put)
    assert (0, 0) == (scene.budget.held, ledger.held_bytes)


@pytest.mark.parametrize("whole", [False, True], ids=["values alone", "whole records"])
@pytest.mark.parametrize(
    ("rules", "size"), [({"compression": GZIP}, 29), ({"newline": True}, 1_001)], ids=["compressed", "newline"]
)
def test_what_is_made_of_values_is_what_is_held(rules: dict[str, Any], size: int, *, whole: bool) -> None:
    """What came is let go, but where whole records are held for dead letters; all of it is free once it has settled."""
    scene = Scene(on_poison=OnPoison.DEAD_LETTER if whole else OnPoison.BLOCK, **rules)
    fetched = chunk("ab", values=[b"x" * 1_000] * 2, originals=[Extras(), Extras()] if whole else ())
    ledger = scene.leg.ledger
    came = fetched.payload_bytes + 2 * RECORD_OVERHEAD_BYTES
    scene.budget.take(ledger, came, 2)  # as the intake does
    scene.route.admit(ledger, fetched, scene.now, Turn())
    held = came + 2 * size if whole else came + 2 * (size - 1_000)
    assert (held, held, held) == (scene.budget.held, ledger.held_bytes, ledger.open_bytes())
    put = scene.send()
    assert put is not None
    scene.answered(put)
    assert (0, 0) == (scene.budget.held, ledger.held_bytes)


def test_status_shows_reason_and_figures() -> None:
    """Figures of a route: why it is blocked, what is in flight, what waits, which keys became base64."""
    scene = Scene()
    scene.sent("a")
    scene.route.admit(scene.leg.ledger, chunk(["b", b"\xff", b"\xff"], start=1), scene.now, Turn())
    stream = StreamStatus(RECORD_BYTES_DEFAULT, distribution="by partition key", described_at=scene.now)
    assert RouteStatus("orders", None, in_flight=1, waiting=2, key_fallbacks=1, stream=stream) == scene.route.status()
    scene.route.standing.block("gone", "", scene.now, Turn())
    assert "gone" == scene.route.status().blocked


@pytest.mark.parametrize(
    ("rules", "aggregates", "shares", "records"),
    [
        ({}, False, False, 1),
        ({"aggregation": AggregationRules(linger=0)}, True, False, 2),
        ({"ordering": Ordering.KEY_IN_REQUEST}, False, True, 2),
        ({"ordering": Ordering.NONE}, False, False, 2),
    ],
)
def test_a_route_sends_by_its_ordering_and_aggregation(
    rules: dict[str, object],
    aggregates: bool,  # noqa: FBT001 - a column
    shares: bool,  # noqa: FBT001 - a column
    records: int,
) -> None:
    """One with aggregation aggregates, with key_in_request records of a key share requests, else each goes by itself."""
    put = Scene(**rules).sent("aa")  # type: ignore[arg-type]  # the rows name rules
    assert (aggregates, shares, records) == (put.groups is not None, put.shares, put.records)


class TestPacing:
    """A hot shard is slowed down by itself."""

    def test_a_throttled_shard_waits_while_the_other_goes_on(self) -> None:
        """After a throttled entry the records of its shard leave at the shard's pace; the others at once."""
        scene = Scene(limits=LimitRules(request_records=500, linger=0))
        half = 1 << 127
        scene.route.described(described(shards=(ShardRange("a", 0), ShardRange("b", half))), scene.now, Turn())
        keys = [str(number) for number in range(2_000)]
        hot = next(i for i, key in enumerate(keys) if hash_key(key) < half)
        put = scene.sent(keys[hot])
        scene.answered(put, {0: SLOW})
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
        scene = Scene(limits=LimitRules(request_records=500, linger=0))
        scene.route.described(described(shards=(ShardRange("a", 0),)), scene.now, Turn())
        put = scene.sent("z")
        scene.answered(put, {0: SLOW})
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
