from __future__ import annotations

import pytest

from doka.domain.held.lanes import KeyLanes, Lanes
from doka.domain.held.shared_lanes import SharedLanes
from doka.domain.limits import RECORD_BYTES_DEFAULT
from doka.domain.partitions.partition import Partition
from doka.domain.rules import AggregationRules, Ordering
from doka.domain.status import LogStatus
from doka.domain.turn import Turn
from tests.unit.domain.builders import SECOND, chunk, described, held, leg_of, partition, route_rules
from tests.unit.domain.routing import SLOW, Scene

NOW = 100 * SECOND


@pytest.fixture
def owner() -> Partition:
    """Give an owned partition that was read from 5 on."""
    return partition(start=5)


def test_begins_where_it_is_read_from() -> None:
    """A new partition expects, has committed and has sent everything below its start."""
    owner = partition(start=7)
    ledger = leg_of(owner).ledger
    assert [7] * 4 == [owner.expected, ledger.committed, ledger.sent_to, ledger.watermark]
    assert owner.drained is True


@pytest.mark.parametrize(
    ("changes", "lanes"),
    [
        ({}, KeyLanes),
        ({"ordering": Ordering.KEY_IN_REQUEST}, SharedLanes),
        ({"ordering": Ordering.NONE}, Lanes),
        ({"aggregation": AggregationRules()}, Lanes),
    ],
)
def test_keeps_order_as_its_route_says(changes: dict[str, object], lanes: type[Lanes]) -> None:
    """One record of a key at a time, or one request of a key; aggregates keep their order in lanes of their own."""
    assert lanes is type(leg_of(partition(rules=route_rules(**changes))).ledger.lanes)


class TestDrained:
    """Nothing that was sent of a partition is on its way."""

    def test_waits_for_what_is_sent_or_goes_again(self) -> None:
        """Ready, in flight and delayed records are waited for; then nothing is."""
        scene = Scene()
        seen = [scene.leg.drained]
        scene.admit("a")
        seen.append(scene.leg.drained)
        put = scene.send()
        assert put is not None
        seen.append(scene.leg.drained)
        scene.answered(put, {0: SLOW})
        seen.append(scene.leg.drained)
        scene.now += SECOND
        again = scene.send()
        assert again is not None
        scene.answered(again)
        assert [True, False, False, False, True] == [*seen, scene.leg.drained]

    def test_does_not_wait_for_what_can_never_land(self, owner: Partition) -> None:
        """Poison that stays in its lane would hold up a rebalance for ever."""
        route, ledger = leg_of(owner).route, leg_of(owner).ledger
        route.described(described(), NOW, Turn())
        route.admit(ledger, chunk("a", start=5, values=[bytes(RECORD_BYTES_DEFAULT + 1)]), NOW, Turn())
        assert (1, True) == (ledger.open, owner.drained)


class TestStatus:
    """The figures of one partition."""

    def test_of_a_quiet_partition(self, owner: Partition) -> None:
        """With nothing held, there is no age and no reason to wait."""
        status = owner.status(NOW, None)
        assert ("orders", 5, 5, 0, 0) == (
            status.route,
            status.watermark,
            status.committed,
            status.unsettled,
            status.ahead,
        )
        assert [None] * 4 == [
            status.oldest_unsettled_age,
            status.oldest_timestamp_ms,
            status.stuck,
            status.log_end,
        ]

    def test_counts_backlog_and_age(self, owner: Partition) -> None:
        """Un-settled counts what is held and what waits to be; the age is that of the oldest, the end is passed on."""
        leg = leg_of(owner)
        taken = held(leg, "ab", 5, arrived=NOW - 3 * SECOND, timestamp_ms=1_700)
        leg.ledger.append(taken)
        leg.backlog.extend([chunk("cd", start=7), 12])
        status = owner.status(NOW, LogStatus(20, NOW))
        assert (4, 3 * SECOND, 1_700, 20) == (
            status.unsettled,
            status.oldest_unsettled_age,
            status.oldest_timestamp_ms,
            status.log_end,
        )

    def test_without_a_timestamp(self, owner: Partition) -> None:
        """A record without a timestamp shows none, never a negative one."""
        leg_of(owner).ledger.append(held(leg_of(owner), "a", 5))
        assert owner.status(NOW, None).oldest_timestamp_ms is None

    def test_says_why_it_waits(self, owner: Partition) -> None:
        """A gap is told first; a record that does not settle is told by its offset, unless the route is blocked."""
        leg = leg_of(owner)
        leg.stuck_told = True
        leg.route.described(described(), NOW, Turn())
        reasons = [owner.status(NOW, None).stuck]
        leg.route.standing.block("AccessDeniedException", "", NOW, Turn())
        reasons.append(owner.status(NOW, None).stuck)
        owner.gap = "a gap"
        reasons.append(owner.status(NOW, None).stuck)
        assert ["the record at or above offset 5 does not settle", None, "a gap"] == reasons

    def test_says_why_in_one_word(self, owner: Partition) -> None:
        """Each way of waiting has a word of its own, for a label."""
        assert owner.status(NOW, None).stuck_reason is None
        leg = leg_of(owner)
        leg.route.described(described(), NOW, Turn())
        leg.held_up = leg.stuck_told = True
        words = [owner.status(NOW, None).stuck_reason]
        leg.ledger.append(held(leg, "a", 5))
        leg.route.quarantine.note_unknown(held(leg, "a", 5), 0, "NewError", NOW)
        told = owner.status(NOW, None)
        words.append(told.stuck_reason)
        assert told.stuck is not None
        assert told.stuck.endswith("limits.ahead_records is reached")
        owner.gap = "a gap"
        words.append(owner.status(NOW, None).stuck_reason)
        assert ["not_settled", "unknown_code", "gap"] == words


def test_shows_itself_without_records() -> None:
    """What a log or an error may print names place and counts only."""
    owner = partition(rules=route_rules())
    leg = leg_of(owner)
    leg.ledger.append(held(leg, "secret", 5))
    assert "Partition(orders[0] at 0, 6 open)" == repr(owner)
    assert "HeldChunk(orders[0] ..11, 6 of 6 open)" == repr(leg.ledger.oldest)
