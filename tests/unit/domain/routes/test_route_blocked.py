from __future__ import annotations

from collections.abc import Iterable

import pytest

from doka.domain.commands import Command
from doka.domain.events import StreamRefused
from doka.domain.facts import LeaseRejected, RecordsPoisoned, RouteBlocked, RouteOpened, StreamFactsAssumed
from doka.domain.limits import BACKOFF_LAST_NS, DESCRIBE_EVERY_NS, DESCRIBE_HINT_NS, RECORD_BYTES_DEFAULT
from doka.domain.routes.standing import RouteState
from doka.domain.rules import Ordering
from doka.domain.turn import Turn
from tests.unit.domain.builders import MS, ORDERS, chunk, described, told
from tests.unit.domain.routing import DENIED, EXPIRED, SLOW, Scene


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
        assert [RouteOpened("orders", 0)] == told(scene.route.described, described(status=status), scene.now)
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
        assert expected == told(scene.route.described, described(status=status), scene.now)
        wait = scene.probe_in()
        assert [False, True] == [scene.route.wants_description(scene.now + ns) for ns in (wait - 1, wait)]
        scene.now += wait
        assert [RouteOpened("orders", wait)] == told(scene.route.described, described(), scene.now)

    def test_in_auto_distribution_breaks_order(self) -> None:
        """A stream that ignores keys blocks a route that keeps order, with the cure, and opens one that does not."""
        strict, loose = Scene(opened=False), Scene(opened=False, ordering=Ordering.NONE)
        facts = told(strict.route.described, described(honours_keys=False), strict.now)
        assert isinstance(facts[0], RouteBlocked)
        assert ("auto_distribution", True) == (facts[0].reason, "ordering: none" in facts[0].message)
        loose.route.described(described(honours_keys=False), loose.now, Turn())
        assert loose.route.blocked is None

    def test_in_auto_distribution_stays_blocked_when_describing_is_denied(self) -> None:
        """What is known to break order is not forgotten because nobody may look any more."""
        scene = Scene(opened=False)
        scene.route.described(described(honours_keys=False), scene.now, Turn())
        scene.route.undescribed(StreamRefused("orders", DENIED), scene.now, Turn())
        assert DENIED == scene.route.blocked

    def test_that_may_not_be_described_is_assumed(self) -> None:
        """Puts may work without DescribeStreamSummary: the default limit is assumed, loudly."""
        scene = Scene(opened=False)
        facts = told(scene.route.undescribed, StreamRefused("orders", DENIED), scene.now)
        assert [StreamFactsAssumed("orders", DENIED), RouteOpened("orders", 0)] == facts
        scene.route.admit(scene.leg.ledger, chunk("ab", values=[b"x" * RECORD_BYTES_DEFAULT, b"x"]), scene.now, Turn())
        assert [RecordsPoisoned("orders", ORDERS, 0, "RecordTooLarge", "block")] == scene.tend_poison()
        assert scene.route.standing.stream_arn is None

    @pytest.mark.parametrize("code", ["ResourceNotFoundException", "ThrottlingException", "timeout", "Unheard"])
    def test_that_cannot_be_described_blocks(self, code: str) -> None:
        """Any other answer blocks the route with that reason, and is probed by asking again."""
        scene = Scene(opened=False)
        assert scene.route.wants_description(scene.now) is True
        assert [RouteBlocked("orders", code, "why")] == told(
            scene.route.undescribed, StreamRefused("orders", code, "why"), scene.now
        )
        scene.now += scene.probe_in()
        assert scene.route.wants_description(scene.now) is True

    def test_described_with_a_dead_lease_rejects_the_lease(self) -> None:
        """A question that was signed with an expired lease says nothing about the stream."""
        scene = Scene(opened=False)
        scene.lend(7)
        facts = told(scene.route.undescribed, StreamRefused("orders", EXPIRED, lease=7), scene.now)
        assert ([LeaseRejected("writer", 7, EXPIRED, 0)], RouteState.UNKNOWN) == (facts, scene.route.standing.state)
        assert scene.route.wants_description(scene.now) is True

    def test_is_looked_at_now_and_then_while_all_is_well(self) -> None:
        """An open route describes its stream again after minutes, once until that is answered, whatever is in flight."""
        scene = Scene()
        scene.sent()
        early, due = scene.now + DESCRIBE_EVERY_NS // 2 - 1, scene.now + DESCRIBE_EVERY_NS // 2
        assert [False, True, False] == [scene.route.wants_description(at) for at in (early, due, due)]

    def test_its_own_limit_counts(self) -> None:
        """A record above the default limit lands where the stream takes it."""
        scene = Scene(opened=False)
        scene.route.described(described(record_bytes_max=2 * RECORD_BYTES_DEFAULT), scene.now, Turn())
        scene.route.admit(scene.leg.ledger, chunk("a", values=[b"x" * RECORD_BYTES_DEFAULT]), scene.now, Turn())
        assert [] == scene.tend_poison()


class TestDenied:
    """AccessDenied: a revoked session, or a missing permission?"""

    @staticmethod
    def landed() -> Scene:
        """Give a route on which lease 1 landed something."""
        scene = Scene()
        scene.lend(1)
        scene.answered(scene.sent("a"))
        return scene

    @staticmethod
    def rejected(facts: Iterable[Command]) -> list[int]:
        """Give which leases were rejected."""
        return [fact.serial for fact in facts if isinstance(fact, LeaseRejected)]

    def test_before_anything_landed_blocks(self) -> None:
        """A lease that never worked here is not suspected: the permission is missing."""
        scene = Scene()
        scene.lend(1)
        facts = scene.refused(scene.sent("a"), DENIED)
        assert (DENIED, []) == (scene.route.blocked, self.rejected(facts))

    def test_of_a_lease_that_worked_rejects_it_once(self) -> None:
        """The first denial is the lease's fault, the denial of the next lease is the policy's."""
        scene = self.landed()
        facts = scene.refused(scene.sent("b"), DENIED)
        assert ([1], None) == (self.rejected(facts), scene.route.blocked)
        scene.lend(2)
        put = scene.send()
        assert put is not None
        facts = scene.refused(put, DENIED)
        assert ([], DENIED) == (self.rejected(facts), scene.route.blocked)

    def test_of_all_requests_in_flight_is_one_denial(self) -> None:
        """Several requests of the revoked lease are refused alike: that is one rejection and no block."""
        scene = self.landed()
        puts = [scene.sent(keys) for keys in ("bcde", "fghi", "jklm")]
        facts = [fact for put in puts for fact in scene.refused(put, DENIED)]
        assert ([1], None, 12) == (self.rejected(facts), scene.route.blocked, scene.open)

    def test_after_a_success_is_suspected_again(self) -> None:
        """Once the next lease has landed something, it may be revoked as well."""
        scene = self.landed()
        scene.refused(scene.sent("b"), DENIED)
        scene.lend(2)
        put = scene.send()
        assert put is not None
        scene.answered(put)
        facts = scene.refused(scene.sent("c"), DENIED)
        assert ([2], None) == (self.rejected(facts), scene.route.blocked)

    @pytest.mark.parametrize(("age", "asks"), [(BACKOFF_LAST_NS - 1, False), (BACKOFF_LAST_NS, True)])
    @pytest.mark.parametrize("describes", [False, True])
    def test_that_blocks_doubts_a_lease_that_is_a_minute_old(self, describes: bool, age: int, asks: bool) -> None:  # noqa: FBT001 - columns
        """A session may have been revoked before it landed anything: another lease is asked for, this one is kept."""
        scene = Scene()
        scene.lend(1)
        scene.now += age
        if describes:
            scene.route.undescribed(StreamRefused("orders", DENIED, lease=1), scene.now, Turn())
        else:
            scene.refused(scene.sent("a"), DENIED)
        assert (DENIED, asks) == (scene.route.blocked, scene.keeper.wants_lease(scene.now, needed=True))
        assert scene.keeper.for_signing(scene.now) is not None


class TestBlocked:
    """A blocked route probes, and needs no restart."""

    def test_probes_with_one_request(self) -> None:
        """After its backoff exactly one request leaves."""
        scene = Scene()
        put = scene.sent("abcd")
        scene.admit("efghijkl")
        scene.refused(put, "ResourceNotFoundException")
        assert scene.send() is None
        scene.now += scene.probe_in()
        assert [True, False] == [scene.send() is not None for _ in range(2)]

    def test_takes_what_is_delayed_for_its_probe(self) -> None:
        """A record that waits for its own next try is not waited for: it is the probe, where nothing else is ready."""
        scene = Scene()
        scene.sent("a")
        for _ in range(12):  # its own wait is 3 s by now
            scene.answered(scene.route.puts[scene.put], {0: "Unheard"})
            scene.now += scene.probe_in()
            assert scene.send() is not None
        scene.answered(scene.route.puts[scene.put], {0: "Unheard"})
        scene.route.standing.block("ResourceNotFoundException", "", scene.now, Turn())
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
        scene.lose()
        assert scene.route.wants_description(scene.now) is False
        scene.now += scene.probe_in()
        assert scene.route.wants_description(scene.now) is True
        scene.route.described(described(), scene.now, Turn())
        assert scene.route.blocked is None

    def test_finds_its_way_out_where_describing_is_denied(self) -> None:
        """With nothing to send and no right to describe, the next record is the probe: it opens."""
        scene = Scene(opened=False)
        scene.route.undescribed(StreamRefused("orders", DENIED), scene.now, Turn())
        scene.block()
        scene.lose()
        scene.now += scene.probe_in()
        assert scene.route.wants_description(scene.now) is True
        assert [RouteOpened("orders", 25 * MS)] == told(
            scene.route.undescribed, StreamRefused("orders", DENIED), scene.now
        )

    def test_does_not_describe_while_it_has_records(self) -> None:
        """With records the put is the probe, which asks the very question that matters; what is described opens nothing."""
        scene = Scene()
        scene.block()
        assert scene.route.wants_description(scene.now + DESCRIBE_HINT_NS - 1) is False
        assert scene.route.wants_description(scene.now + DESCRIBE_HINT_NS) is True  # its refusal hints at a change
        assert [] == told(scene.route.described, described(), scene.now + DESCRIBE_HINT_NS)
        assert "ResourceNotFoundException" == scene.route.blocked

    def test_probes_ever_more_rarely_up_to_a_minute(self) -> None:
        """Each failed probe doubles the wait, and it never exceeds a minute."""
        scene = Scene()
        scene.block()
        waits = []
        for _ in range(12):
            waits.append(scene.route.standing.probe_at - scene.now)
            scene.now += waits[-1]
            probe = scene.send()
            assert probe is not None
            scene.refused(probe, "ResourceNotFoundException")
        assert sorted(waits) == waits
        assert (25 * MS, BACKOFF_LAST_NS // 20) == (waits[0], waits[-1])

    def test_a_burst_of_refusals_is_one_block(self) -> None:
        """Requests that were in flight when it was blocked do not lengthen the wait, and are told once."""
        scene = Scene()
        puts = [scene.sent(keys) for keys in ("abcd", "efgh", "ijkl", "mnop")]
        blocks = [
            sum(isinstance(fact, RouteBlocked) for fact in scene.refused(put, "ResourceNotFoundException"))
            for put in puts
        ]
        assert ([1, 0, 0, 0], 25 * MS) == (blocks, scene.probe_in())

    def test_a_new_reason_is_told(self) -> None:
        """A probe that fails in another way names the new reason, once."""
        scene = Scene()
        scene.block("ResourceNotFoundException")
        reasons = []
        for code in ("KMSDisabledException", "KMSDisabledException"):
            scene.now += scene.probe_in()
            probe = scene.send()
            assert probe is not None
            reasons.append([f.reason for f in scene.refused(probe, code) if isinstance(f, RouteBlocked)])
        assert [["KMSDisabledException"], []] == reasons

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
        scene.route.standing.block("lease_refused:AccessDenied", "no", scene.now, Turn())
        assert [RouteOpened("orders", 0)] == told(scene.route.standing.lease_is_back, scene.now)
        assert [] == told(scene.route.standing.lease_is_back, scene.now)

    def test_is_described_first_when_the_lease_is_back(self) -> None:
        """Blocked for want of a lease before its stream was known, it asks about the stream next."""
        scene = Scene(opened=False)
        scene.route.standing.block("lease_refused:AccessDenied", "no", scene.now, Turn())
        assert [] == told(scene.route.standing.lease_is_back, scene.now)
        assert (RouteState.UNKNOWN, True) == (scene.route.standing.state, scene.route.wants_description(scene.now))
