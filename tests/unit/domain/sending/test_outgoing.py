"""What every outgoing promises its route, whatever a request of it is made of."""

from __future__ import annotations

import pytest

from doka.domain.held.ledger import OffsetLedger, count
from doka.domain.rules import AggregationRules, Ordering
from doka.domain.sending.put import Put
from tests.unit.domain.builders import MS, SECOND, STAMP_MS, held, leg, route_rules

NOW = 100 * SECOND
INVALID = "InvalidArgumentException"

RULES: dict[str, dict[str, object]] = {
    "key": {},
    "none": {"ordering": Ordering.NONE},
    "key_in_request": {"ordering": Ordering.KEY_IN_REQUEST},
    "aggregated": {"aggregation": AggregationRules(linger=0, lanes=1)},
}
"""Of a route for each way of sending."""


class Scene:
    """What the route of one partition sends by, played by hand."""

    def __init__(self, kind: str) -> None:
        owner = leg(rules=route_rules(**RULES[kind]))
        self.ledger = owner.ledger
        self.quarantine = owner.route.quarantine
        self.outgoing = owner.route.outbox
        self.moved: dict[OffsetLedger, None] = {}

    def admit(self, keys: str) -> None:
        """Let a chunk come in."""
        chunk = held(self.ledger, keys, timestamp_ms=STAMP_MS)
        self.ledger.append(chunk)
        self.outgoing.admit(chunk, NOW)

    def send(self, now: int = NOW) -> Put:
        """Send what may leave now; something must."""
        assert 0 == self.outgoing.leaves_at(now, idle=True)
        put = self.outgoing.pack(1, 1, now)
        assert put is not None
        return put

    @property
    def here(self) -> int:
        """Records that wait for their turn or their time."""
        return count(self.outgoing.parts())


@pytest.fixture(params=RULES)
def scene(request: pytest.FixtureRequest) -> Scene:
    """Give one for each way of sending."""
    return Scene(request.param)


@pytest.mark.parametrize(
    ("kind", "entries", "records", "shares"),
    [("key", 2, 2, False), ("none", 3, 3, False), ("key_in_request", 3, 3, True), ("aggregated", 1, 3, False)],
)
def test_a_route_sends_by_its_ordering_and_aggregation(kind: str, entries: int, records: int, *, shares: bool) -> None:
    """Each key's first record, all of them without order, all of a key side by side, or all of a lane as one."""
    scene = Scene(kind)
    scene.admit("aab")
    put = scene.send()
    assert (entries, records, shares) == (len(put.values), put.records, put.shares)


def test_nothing_to_send_has_no_moment(scene: Scene) -> None:
    """Without records no time makes a request."""
    assert (None, None, 0) == (
        scene.outgoing.leaves_at(NOW, idle=True),
        scene.outgoing.pack(1, 1, NOW),
        scene.outgoing.waiting,
    )


def test_what_landed_is_settled(scene: Scene) -> None:
    """It is in the request alone until then; after it the partition has moved, and nothing is left."""
    scene.admit("ab")
    assert (2, 2) == (scene.here, scene.outgoing.waiting)
    put = scene.send()
    assert (0, 0, 2) == (scene.here, scene.outgoing.waiting, scene.ledger.open)
    assert {STAMP_MS: 2} == scene.outgoing.settle(put, {}, scene.moved, NOW)
    assert ([scene.ledger], 0, 2, 0) == (list(scene.moved), scene.ledger.open, scene.ledger.watermark, scene.here)


def test_what_failed_comes_back_at_its_time(scene: Scene) -> None:
    """A request that failed as a whole waits, with one more attempt, and leaves again as the same entries."""
    scene.admit("ab")
    put = scene.send()
    scene.outgoing.delay(scene.outgoing.unsettled(put, NOW), NOW + SECOND)
    assert (2, NOW + SECOND) == (scene.here, scene.outgoing.leaves_at(NOW, idle=True))
    assert NOW + SECOND == scene.outgoing.leaves_at(NOW + SECOND - 1, idle=True)
    again = scene.send(NOW + SECOND)
    assert (put.values, put.keys, 2, 0) == (again.values, again.keys, again.attempts, scene.here)


def test_what_is_put_back_leaves_at_once(scene: Scene) -> None:
    """Nobody is to blame for it, so it does not wait."""
    scene.admit("ab")
    put = scene.send()
    scene.outgoing.put_back(scene.outgoing.unsettled(put, NOW), NOW)
    assert put.values == scene.send().values


def test_a_probe_waits_for_no_time(scene: Scene) -> None:
    """What waits for its backoff leaves with it."""
    scene.admit("ab")
    put = scene.send()
    scene.outgoing.delay(scene.outgoing.unsettled(put, NOW), NOW + 60 * SECOND)
    assert 0 == scene.outgoing.leaves_at(NOW + MS, idle=True, probe=True)
    assert put.values == scene.send(NOW + MS).values


def test_what_went_with_its_partition_is_left_alone(scene: Scene) -> None:
    """A late answer neither settles nor brings back what belongs to somebody else."""
    scene.admit("ab")
    put = scene.send()
    scene.ledger.gone = True
    assert {} == scene.outgoing.settle(put, {}, scene.moved, NOW)
    assert ({}, 2, []) == (scene.moved, scene.ledger.open, put.again())


def test_a_request_that_failed_without_its_partition_does_not_come_back(scene: Scene) -> None:
    """Nothing of it is owned, so nothing of it is sent again."""
    scene.admit("ab")
    put = scene.send()
    scene.ledger.gone = True
    assert [] == scene.outgoing.unsettled(put, NOW)
    assert (0, None) == (scene.here, scene.outgoing.leaves_at(NOW, idle=True))


def test_what_nobody_sent_is_forgotten(scene: Scene) -> None:
    """A drain, or the next owner, takes it from here."""
    scene.admit("ab")
    scene.outgoing.forget_unsent(scene.ledger)
    assert (0, 0, None) == (scene.here, scene.outgoing.waiting, scene.outgoing.leaves_at(NOW, idle=True))


def test_poison_is_handed_over_and_settles_by_itself(scene: Scene) -> None:
    """It is in the quarantine, not here, until a letter or a drop settles it."""
    scene.admit("a")
    parts = scene.outgoing.unsettled(scene.send(), NOW)
    scene.outgoing.poisoned(parts, INVALID)
    (poison,) = scene.quarantine.waiting
    assert ((0, INVALID, 1), 0, 1) == ((poison.offset, poison.code, poison.attempts), scene.here, scene.ledger.open)
    scene.outgoing.settle_poison(poison, NOW)
    assert (0, 1) == (scene.ledger.open, scene.ledger.watermark)


def test_a_control_is_taken_and_sent_by_itself(scene: Scene) -> None:
    """A search gets at most as many records as it asks for, and just these make a request."""
    scene.admit("abc")
    taken = scene.outgoing.take_for_control(2)
    assert (2, 1) == (count(taken), scene.here)
    put, rest = scene.outgoing.pack_parts(taken, 1, 1, NOW)
    assert (2, 0, 1) == (put.records, len(rest), scene.here)
