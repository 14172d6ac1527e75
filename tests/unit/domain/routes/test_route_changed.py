"""A stream that is changed while its route sends."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from doka.domain.commands import Command, SendLetter
from doka.domain.events import ShardRange, StreamRefused
from doka.domain.facts import (
    LanesBelowShards,
    RecordFreed,
    RecordsPoisoned,
    RouteBlocked,
    RouteOpened,
    StreamChanged,
    StreamLookFailed,
)
from doka.domain.limits import DESCRIBE_EVERY_NS, RECORD_BYTES_DEFAULT, SURE_OF_LIMIT_NS
from doka.domain.poison.quarantine import TOO_LARGE
from doka.domain.routes.standing import AUTO_DISTRIBUTION, RouteState
from doka.domain.rules import AggregationRules, OnPoison, Ordering
from doka.domain.turn import Turn
from tests.unit.domain.builders import ORDERS, SECOND, Extras, chunk, described, told
from tests.unit.domain.routing import DENIED, EXPIRED, SLOW, Scene

MIB = RECORD_BYTES_DEFAULT
LARGE = b"x" * MIB  # too large by its key
LATER = 1_000 * SECOND
WAYS = (
    {"ordering": Ordering.KEY},
    {"ordering": Ordering.KEY_IN_REQUEST},
    {"ordering": Ordering.NONE},
    {"aggregation": AggregationRules(linger=0)},
)


def scene_of(rules: dict[str, object]) -> Scene:
    """Give a route with these rules."""
    return Scene(**rules)  # type: ignore[arg-type]  # the caller names fields


def look(scene: Scene, **changes: object) -> list[Command]:
    """Let the route look at its stream, as it is by now; give what it tells."""
    scene.now = max(scene.now, scene.route.standing.watch.at or 0)
    assert scene.route.wants_description(scene.now)
    return told(scene.route.described, described("orders", **changes), scene.now)


def look_fails(scene: Scene, code: str) -> list[Command]:
    """Let a look fail; give what it tells."""
    scene.now = max(scene.now, scene.route.standing.watch.at or 0)
    assert scene.route.wants_description(scene.now)
    return told(scene.route.undescribed, StreamRefused("orders", code, "why", 1), scene.now)


def admit(scene: Scene, keys: str, values: Iterable[bytes]) -> list[Command]:
    """Let records come in, and the policy have its way with what can never land."""
    originals = [Extras() for _ in keys]
    made = chunk(keys, start=scene.next, values=list(values), originals=originals)
    scene.route.admit(scene.leg.ledger, made, scene.now, Turn())
    scene.next += len(keys)
    return scene.tend_poison()


def sent_to_the_end(scene: Scene) -> list[bytes]:
    """Let everything leave and land; give the values in the order in which they did."""
    found: list[bytes] = []
    for _ in range(20):
        put = scene.send()
        if put is None:
            break
        found += [chunk.values[i] for chunk, places, _ in put.parts for i in places]
        scene.answered(put)
        scene.now += SECOND // 100
    return found


class TestRecordLimit:
    """A limit that is raised frees what waited as too large; one that is lowered is told."""

    @pytest.mark.parametrize("rules", WAYS)
    def test_frees_what_blocks_a_lane_in_order(self, rules: dict[str, object]) -> None:
        """What is parked goes before what waits behind it, each is told, and the partition is stuck no more."""
        scene = scene_of(rules)
        facts = admit(scene, "aab", [LARGE, b"2", b"3"])
        assert [RecordsPoisoned("orders", ORDERS, 0, TOO_LARGE, "block")] == facts
        sent_to_the_end(scene)
        stuck = scene.route.quarantine.stopped_lane(scene.leg.ledger, scene.now)
        assert stuck is not None
        assert "raise the stream's record limit to 1025 KiB or more, see on_poison" in stuck.sentence
        facts = look(scene, record_bytes_max=2 * MIB)
        assert [StreamChanged("orders", "record_limit", MIB, 2 * MIB), RecordFreed("orders", ORDERS, 0)] == facts
        landed = sent_to_the_end(scene)
        assert landed == ([LARGE] if rules.get("ordering") is Ordering.NONE else [LARGE, b"2"])
        assert (0, None) == (scene.open, scene.route.quarantine.stopped_lane(scene.leg.ledger, scene.now))

    @pytest.mark.parametrize("rules", WAYS)
    def test_frees_what_is_behind_it_and_too_large_itself(self, rules: dict[str, object]) -> None:
        """Two of a key: the second was marked when it came, and goes after the first without being told as poison."""
        scene = scene_of(rules)
        admit(scene, "aaa", [LARGE, LARGE, b"3"])
        look(scene, record_bytes_max=2 * MIB)
        landed: list[bytes] = []
        for _ in range(3):  # what a lane lets go is looked at by the quarantine first
            landed += sent_to_the_end(scene)
            assert [] == scene.tend_poison()
        assert 0 == scene.open
        assert sorted([LARGE, LARGE, b"3"]) == sorted(landed)
        assert landed[-1] == b"3" or rules.get("ordering") is Ordering.NONE

    def test_frees_only_what_fits(self) -> None:
        """A limit that is raised a little leaves the larger ones where they are."""
        scene = Scene()
        admit(scene, "ab", [b"x" * 3 * MIB, b"x" * MIB])
        assert RecordFreed("orders", ORDERS, 1) in look(scene, record_bytes_max=2 * MIB)
        assert [RecordFreed("orders", ORDERS, 0)] == look(scene, record_bytes_max=4 * MIB)[1:]

    def test_frees_what_the_service_refused_where_it_explains_the_refusal(self) -> None:
        """A limit was lowered, and the service met the record before doka knew: its own code hides what it is."""
        scene = Scene()
        look(scene, record_bytes_max=4 * MIB)
        admit(scene, "abc", [b"x" * MIB, b"2", b"3"])
        for _ in range(20):  # the search for it
            put = scene.send()
            if put is None:
                break
            large = {i: "InvalidArgumentException" for i, value in enumerate(put.values) if len(value) >= MIB}
            scene.answered(put, large)
            scene.now += SECOND
        assert [RecordsPoisoned("orders", ORDERS, 0, "InvalidArgumentException", "block")] == scene.tend_poison()
        assert [StreamChanged("orders", "record_limit", 4 * MIB, MIB)] == look(scene, record_bytes_max=MIB)
        assert RecordFreed("orders", ORDERS, 0) in look(scene, record_bytes_max=4 * MIB)

    def test_frees_nothing_of_who_drains_or_is_gone(self) -> None:
        """Whoever reads on there reads the record again."""
        scene = Scene()
        admit(scene, "a", [LARGE])
        scene.leg.ledger.begin_drain()
        stuck = scene.route.quarantine.stopped_lane(scene.leg.ledger, scene.now)
        assert stuck is not None
        assert "raise" not in stuck.sentence  # its bytes are forgotten
        assert [StreamChanged("orders", "record_limit", MIB, 2 * MIB)] == look(scene, record_bytes_max=2 * MIB)
        assert scene.send() is None
        scene.lose()
        assert [StreamChanged("orders", "record_limit", 2 * MIB, 4 * MIB)] == look(scene, record_bytes_max=4 * MIB)
        assert scene.send() is None

    @pytest.mark.parametrize("policy", [OnPoison.DROP, OnPoison.DEAD_LETTER])
    def test_nothing_is_put_aside_by_what_was_told_long_ago(self, policy: OnPoison) -> None:
        """A record that is too large by old facts waits for the stream to be asked, and lands if the limit was raised."""
        scene = Scene(on_poison=policy)
        scene.now += SURE_OF_LIMIT_NS
        assert [] == admit(scene, "a", [LARGE])
        assert scene.route.standing.watch.due(scene.now)
        look(scene, record_bytes_max=2 * MIB)
        assert [] == scene.tend_poison()
        assert ([LARGE], 0) == (sent_to_the_end(scene), scene.open)

    @pytest.mark.parametrize("answer", ["the same", "ThrottlingException", DENIED])
    def test_what_stays_too_large_is_put_aside_once_the_stream_was_asked(self, answer: str) -> None:
        """Also where it does not answer: then what was known last must do."""
        scene = Scene(on_poison=OnPoison.DEAD_LETTER)
        scene.now += SURE_OF_LIMIT_NS
        admit(scene, "a", [LARGE])
        look(scene) if answer == "the same" else look_fails(scene, answer)
        commands = scene.tend_poison()
        assert [RecordsPoisoned, SendLetter] == [type(command) for command in commands]
        facts = admit(scene, "b", [LARGE])  # the next of this moment needs no question
        assert [RecordsPoisoned, SendLetter] == [type(command) for command in facts]

    def test_a_doubted_record_goes_with_its_partition(self) -> None:
        """What was never sent of a partition that drains is forgotten, wherever it waits."""
        scene = Scene(on_poison=OnPoison.DROP)
        scene.now += SURE_OF_LIMIT_NS
        admit(scene, "a", [LARGE])
        scene.leg.ledger.begin_drain()
        scene.route.forget_unsent(scene.leg.ledger)
        look(scene, record_bytes_max=2 * MIB)
        assert ([], None) == (scene.tend_poison(), scene.send())

    def test_a_role_that_is_renewed_on_demand_gets_a_lease_for_the_look(self) -> None:
        """Else a record would wait for ever behind a role that nothing else needs."""
        scene = Scene()
        scene.now += LATER
        assert not scene.route.needs_lease(scene.now)
        admit(scene, "a", [LARGE])
        assert scene.route.needs_lease(scene.now)


class TestDistribution:
    """A switch to AUTO stops routes that keep order, as the start would refuse it."""

    def test_blocks_a_route_that_keeps_order_and_nothing_but_its_end_opens_it(self) -> None:
        """What was in flight lands, is throttled or refused, and changes neither the state nor the reason."""
        scene = Scene()
        puts = [scene.sent(keys) for keys in ("abcd", "efgh", "ijkl", "mnop")]
        facts = look(scene, honours_keys=False)
        assert StreamChanged("orders", "distribution", "by partition key", "AUTO") == facts[0]
        assert (RouteBlocked, AUTO_DISTRIBUTION) == (type(facts[1]), scene.route.blocked)
        scene.answered(puts[0])
        scene.answered(puts[1], dict.fromkeys(range(4), SLOW))
        scene.refused(puts[2], "ResourceNotFoundException")
        scene.refused(puts[3], "ThrottlingException")
        assert (AUTO_DISTRIBUTION, RouteState.BLOCKED) == (scene.route.blocked, scene.route.standing.state)
        scene.now += LATER
        assert scene.send() is None
        assert scene.route.wants_description(scene.now)
        opened = told(scene.route.described, described(), scene.now)
        assert [StreamChanged, RouteOpened] == [type(fact) for fact in opened]
        assert scene.send() is not None

    def test_is_told_to_a_route_without_order(self) -> None:
        """It goes on, and says what is news."""
        scene = Scene(ordering=Ordering.NONE)
        facts = look(scene, honours_keys=False)
        assert [StreamChanged("orders", "distribution", "by partition key", "AUTO")] == facts
        assert scene.route.blocked is None


class TestTheRest:
    """Shards, keys, and looks that fail."""

    def test_a_changed_key_is_told(self) -> None:
        """Also that there is none any more."""
        scene = Scene()
        assert [StreamChanged("orders", "encryption", None, "k1")] == look(scene, kms_key="k1")
        assert [StreamChanged("orders", "encryption", "k1", None)] == look(scene)
        assert [] == look(scene)

    def test_new_shards_widen_the_pace(self) -> None:
        """The paces of the old shards mean nothing, and the count is told; a list that failed takes none away."""
        scene = Scene()
        halves = (ShardRange("1", 0), ShardRange("2", 1 << 127))
        look(scene, open_shards=2, shards=halves)
        put = scene.sent("abcd")
        scene.answered(put, {0: SLOW, 1: SLOW})
        paces = scene.route.outbox.pacer.paces
        assert paces
        assert ([], True) == (look(scene, open_shards=2), bool(paces))
        quarters = tuple(ShardRange(str(i), i << 126) for i in range(4))
        assert [StreamChanged("orders", "shards", 2, 4)] == look(scene, open_shards=4, shards=quarters)
        assert not paces

    def test_lanes_that_a_split_made_too_few_are_told(self) -> None:
        """A lane of aggregates reaches one shard."""
        scene = Scene(aggregation=AggregationRules(lanes=2))
        look(scene, open_shards=2)
        assert LanesBelowShards("orders", 2, 4) in look(scene, open_shards=4)
        assert [] == look(scene, open_shards=4)

    def test_a_look_opens_nothing(self) -> None:
        """A route that is blocked by its answers is opened by them."""
        scene = Scene()
        scene.block("KMSDisabledException")
        assert [] == look(scene)
        assert "KMSDisabledException" == scene.route.blocked

    @pytest.mark.parametrize("code", [DENIED, EXPIRED, "ThrottlingException", "not_connected", "Unheard"])
    def test_a_look_that_fails_is_said_once_and_hurts_nobody(self, code: str) -> None:
        """Neither route nor lease suffers, what is known stands, and it is said again only after one that went well."""
        scene = Scene()
        scene.lend(1)
        look(scene, record_bytes_max=2 * MIB)
        assert [StreamLookFailed("orders", code, "why")] == look_fails(scene, code)
        assert [] == look_fails(scene, code)
        assert (None, 2 * MIB) == (scene.route.blocked, scene.route.standing.record_bytes_max)
        assert [] == look(scene, record_bytes_max=2 * MIB)
        assert [StreamLookFailed("orders", code, "why")] == look_fails(scene, code)

    def test_what_was_assumed_is_said_once(self) -> None:
        """Where describing is denied from the start, the looks say nothing more; the first that is allowed tells the limit."""
        scene = Scene(opened=False)
        scene.route.undescribed(StreamRefused("orders", DENIED), scene.now, Turn())
        assert [] == look_fails(scene, DENIED)
        assert [StreamChanged("orders", "record_limit", MIB, 5 * MIB)] == look(scene, record_bytes_max=5 * MIB)

    def test_a_stream_that_is_gone_blocks_a_route_that_sends_nothing(self) -> None:
        """With records a put says so, or that it is there all the same."""
        idle, busy = Scene(), Scene()
        busy.sent()
        assert [RouteBlocked("orders", "ResourceNotFoundException", "why")] == look_fails(
            idle, "ResourceNotFoundException"
        )
        assert [StreamLookFailed("orders", "ResourceNotFoundException", "why")] == look_fails(
            busy, "ResourceNotFoundException"
        )
        assert busy.route.blocked is None

    def test_a_stream_that_is_deleted_blocks(self) -> None:
        """As it would at the start."""
        scene = Scene()
        assert RouteBlocked("orders", "stream_deleting", "the stream is DELETING") in look(scene, status="DELETING")

    def test_looks_again_within_minutes(self) -> None:
        """Each answer sets the next."""
        scene = Scene()
        look(scene)
        assert scene.now + DESCRIBE_EVERY_NS // 2 == scene.route.standing.watch.at
