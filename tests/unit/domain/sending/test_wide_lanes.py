"""What waits in the lanes of aggregates, and when it may leave."""

from __future__ import annotations

from doka.domain.held.lanes import Lanes
from doka.domain.held.ledger import OffsetLedger, Part
from doka.domain.rules import AggregationRules
from doka.domain.sending.wide_lanes import WideLane, WideLanes
from tests.unit.domain.aggregating import keys_of_lane
from tests.unit.domain.builders import MS, ORDERS, SECOND, held

NOW = 100 * SECOND
A, B = keys_of_lane(0, 2)
OTHER = keys_of_lane(1, 1)[0]
LINGER = 100 * MS


def lanes(target_bytes: int = 10_000) -> WideLanes:
    """Make four empty lanes."""
    return WideLanes(AggregationRules(target_bytes, LINGER, 4))


def owned() -> OffsetLedger:
    """Make the ledger of an owned partition."""
    return OffsetLedger(ORDERS, 0, Lanes())


def admit(to: WideLanes, owner: OffsetLedger, keys: list[str], start: int = 0, at: int = NOW) -> None:
    """Let a chunk wait."""
    to.admit(held(owner, keys, start, arrived=at), range(len(keys)), at)


def offsets(parts: list[Part]) -> list[int]:
    """Give the offsets of parts."""
    return [part.chunk.offsets[place] for part in parts for place in part.places]


def take(of: WideLanes, now: int, records: int = 1_000) -> list[int]:
    """Take from the lane whose turn it is."""
    lane = of.next_ready(now)
    return [] if lane is None else offsets(of.take(lane, 10_000, records))


def test_a_lane_lingers_from_its_oldest_record_on() -> None:
    """What comes later does not make it wait longer."""
    made, owner = lanes(), owned()
    admit(made, owner, [A])
    admit(made, owner, [B], 1, NOW + 50 * MS)
    made.wake(NOW + LINGER - 1, all_of_them=False)
    assert (0, NOW + LINGER) == (made.ready, made.next_wake)
    made.wake(NOW + LINGER, all_of_them=False)
    assert (1, [0, 1]) == (made.ready, take(made, NOW + LINGER))


def test_what_a_drain_left_of_a_chunk_comes_back() -> None:
    """What waited behind poison and had been sent is taken in again, though its chunk was cut behind it."""
    made, owner = lanes(target_bytes=30), owned()
    chunk = held(owner, [A, B, A])
    owner.append(chunk)
    owner.note_sent(0)
    owner.begin_drain()
    made.admit(chunk, [0], NOW)
    made.wake(NOW + LINGER, all_of_them=False)
    assert [0] == take(made, NOW + LINGER)


def test_a_full_lane_is_ready_at_once() -> None:
    """By the bytes that wait in it."""
    made, owner = lanes(target_bytes=30), owned()
    admit(made, owner, [A])
    assert 0 == made.ready
    admit(made, owner, [A], 1)
    assert 1 == made.ready


def test_a_lane_whose_aggregate_is_out_is_not_ready() -> None:
    """Whatever waits in it, and however long; it is looked at when that is answered."""
    made, owner = lanes(), owned()
    admit(made, owner, [A])
    (lane,) = made
    lane.out = True
    made.wake(NOW + SECOND, all_of_them=True)
    assert 0 == made.ready
    lane.out = False
    made.look(lane, NOW + SECOND)
    assert [0] == take(made, NOW + SECOND)


def test_what_failed_goes_first_and_after_its_backoff() -> None:
    """As the same records; what waits goes after them."""
    made, owner = lanes(), owned()
    admit(made, owner, [A, B])
    made.wake(NOW + LINGER, all_of_them=False)
    lane = made.next_ready(NOW + LINGER)
    assert lane is not None
    failed = made.take(lane, 10_000, 1)
    made.send_again(failed, NOW + SECOND, NOW + LINGER)
    assert [] == take(made, NOW + SECOND - 1)
    made.wake(NOW + SECOND, all_of_them=False)
    assert [0] == take(made, NOW + SECOND)
    assert [1] == offsets(made.take(lane, 10_000, 10))


def test_a_probe_waits_for_nobody() -> None:
    """Neither for the linger nor for a backoff."""
    made, owner = lanes(), owned()
    admit(made, owner, [A, OTHER])
    made.wake(NOW, all_of_them=True)
    assert 2 == made.ready


def test_a_time_that_no_longer_holds_delays_nothing() -> None:
    """What comes after a probe took what waited for a pace lingers as anything else, and not until that pace was over."""
    made, owner = lanes(), owned()
    admit(made, owner, [A])
    (lane,) = made
    made.postpone(lane, NOW + 10 * SECOND, NOW)
    made.wake(NOW + LINGER, all_of_them=True)
    assert [0] == take(made, NOW + LINGER)
    admit(made, owner, [B], 1, NOW + 2 * LINGER)
    assert NOW + 3 * LINGER == made.next_wake


def test_a_hot_key_is_taken_piece_by_piece() -> None:
    """A part of thousands gives what is asked for, and stays in order."""
    made, owner = lanes(), owned()
    admit(made, owner, [A] * 3_000)
    (lane,) = made
    found = [offsets(made.take(lane, 10**9, 700)) for _ in range(5)]
    assert list(range(3_000)) == [offset for some in found for offset in some]
    assert ([700] * 4 + [200], 0) == (list(map(len, found)), made.waiting)


def test_what_did_not_fit_goes_first() -> None:
    """It is given back to the front of the queue."""
    made, owner = lanes(), owned()
    admit(made, owner, [A, B, A])
    (lane,) = made
    parts = made.take(lane, 10_000, 2)
    made.give_back(lane, parts, NOW, again=False)
    assert ([0, 1, 2], 0) == (offsets(made.take(lane, 10_000, 10)), made.waiting)


def test_a_drain_keeps_what_was_sent_and_hurries() -> None:
    """What lies above is forgotten; a hole below leaves at once."""
    made, owner = lanes(), owned()
    admit(made, owner, [A, B, OTHER])
    owner.sent_to = 1
    made.forget_unsent(owner)
    assert (1, 1) == (made.waiting, made.ready)
    assert [0] == take(made, NOW)


def test_what_goes_again_is_counted_when_a_lane_is_sifted() -> None:
    """Records that wait for another try stay waiting when those behind them go."""
    made, owner = lanes(), owned()
    admit(made, owner, [A, A, A, B])
    (lane,) = made
    made.send_again(made.take(lane, 10_000, 2), NOW + SECOND, NOW)
    assert 4 == made.waiting
    made.sift(lane, [], lane.again)
    assert (2, [0, 1]) == (made.waiting, offsets(lane.again))


def test_a_lane_says_what_waits() -> None:
    """For a person who debugs."""
    made, owner = lanes(), owned()
    admit(made, owner, [A, B])
    (lane,) = made
    assert ("WideLane(0, 2 wait, 0 again)", lane.bytes) == (repr(lane), lane.next_bytes)
    assert lane.bytes > 0
    assert isinstance(lane, WideLane)


def test_what_waits_for_its_backoff_is_not_asked_before() -> None:
    """Not even as a control: whatever else waits in its lane is behind it."""
    made, owner = lanes(), owned()
    admit(made, owner, [A, B])
    made.wake(NOW + LINGER, all_of_them=False)
    lane = made.next_ready(NOW + LINGER)
    assert lane is not None
    assert lane.may_be_asked
    failed = made.take(lane, 10_000, 1)
    made.look(lane, NOW + LINGER)  # as after an answer: it is ready for what is behind
    made.send_again(failed, NOW + SECOND, NOW + LINGER)
    assert not lane.may_be_asked
    made.wake(NOW + SECOND, all_of_them=False)
    assert lane.may_be_asked
