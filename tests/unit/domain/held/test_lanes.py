from __future__ import annotations

import pytest

from doka.domain.held.lanes import KeyLanes, NoLanes
from doka.domain.partitions.partition import Partition
from tests.unit.domain.builders import held, partition


@pytest.fixture
def owner() -> Partition:
    """Give the partition."""
    return partition()


@pytest.fixture
def lanes() -> KeyLanes:
    """Give lanes without records."""
    return KeyLanes()


def test_lets_different_keys_go_together(lanes: KeyLanes, owner: Partition) -> None:
    """Where no key repeats, the whole chunk leaves at once."""
    assert range(3) == lanes.admit(held(owner, "abc"))
    assert len(lanes) == 3


def test_lets_only_the_first_of_a_key_go(lanes: KeyLanes, owner: Partition) -> None:
    """Of a key that repeats within a chunk, the first record leaves and the others wait."""
    assert [0, 1, 4] == lanes.admit(held(owner, "abaac"))
    assert [2, 3] == sorted(lanes.waiting())


def test_holds_a_key_that_is_on_its_way(lanes: KeyLanes, owner: Partition) -> None:
    """A record waits while an earlier one of its key, from an earlier chunk, is un-settled."""
    lanes.admit(held(owner, "ab"))
    assert [1] == list(lanes.admit(held(owner, "bc", 2)))


def test_hands_the_lane_on_in_offset_order(lanes: KeyLanes, owner: Partition) -> None:
    """Each settled record lets exactly the next of its key go, across chunks."""
    lanes.admit(held(owner, "aa"))
    lanes.admit(held(owner, "aa", 2))
    gone = [lanes.release(["a"]) for _ in range(4)]
    assert [[1], [2], [3], []] == gone


def test_frees_a_lane_in_which_nobody_waits(lanes: KeyLanes, owner: Partition) -> None:
    """After the last record of a key the lane is gone, and the next of that key leaves at once."""
    lanes.admit(held(owner, "ab"))
    assert [] == lanes.release(["a", "b"])
    assert len(lanes) == 0
    assert range(1) == lanes.admit(held(owner, "a", 2))


def test_frees_a_lane_whose_queue_is_empty(lanes: KeyLanes, owner: Partition) -> None:
    """A lane that once had waiting records is gone as well, once all are settled."""
    lanes.admit(held(owner, "aa"))
    lanes.release(["a"])
    lanes.release(["a"])
    assert len(lanes) == 0


def test_releases_many_lanes_at_once(lanes: KeyLanes, owner: Partition) -> None:
    """Of the lanes of one answer, those with waiting records hand on and the others are freed."""
    lanes.admit(held(owner, "abcb"))
    assert [3] == lanes.release(["a", "b", "c"])
    assert len(lanes) == 1


def test_never_lets_two_of_a_key_go(lanes: KeyLanes, owner: Partition) -> None:
    """Whatever the order of settling, at most one record of a key is on its way."""
    chunk = held(owner, "abcabcabc")
    on_their_way = {chunk.keys[i]: i for i in lanes.admit(chunk)}
    settled: list[int] = []
    while on_their_way:
        key, index = max(on_their_way.items(), key=lambda item: (item[1], item[0]))
        del on_their_way[key]
        settled.append(index)
        for freed in lanes.release([key]):
            assert chunk.keys[freed] not in on_their_way
            on_their_way[chunk.keys[freed]] = freed
    assert list(range(9)) == sorted(settled)
    by_key = [[i for i in settled if i % 3 == key] for key in range(3)]
    assert [sorted(order) for order in by_key] == by_key


class TestForgetFrom:
    """A drain forgets the waiting records that nobody sent."""

    def test_forgets_at_and_above(self, lanes: KeyLanes, owner: Partition) -> None:
        """Waiting records at or above the offset are gone, those below still get their turn."""
        lanes.admit(held(owner, "aaaa"))
        lanes.forget_from(2)
        assert [[1], []] == [lanes.release(["a"]) for _ in range(2)]

    def test_keeps_the_lane_of_what_is_on_its_way(self, lanes: KeyLanes, owner: Partition) -> None:
        """A record on its way keeps its lane, though all behind it are forgotten."""
        lanes.admit(held(owner, "aa"))
        lanes.forget_from(1)
        assert [] == lanes.admit(held(owner, "a", 1))

    def test_after_some_had_their_turn(self, lanes: KeyLanes, owner: Partition) -> None:
        """Records that left before are not handed out again."""
        lanes.admit(held(owner, "aaaa"))
        lanes.release(["a"])
        lanes.forget_from(3)
        assert [[2], []] == [lanes.release(["a"]) for _ in range(2)]


def test_a_long_queue_does_not_keep_what_left(lanes: KeyLanes, owner: Partition) -> None:
    """A lane that is never empty lets go of the records that left it, and loses none of the others."""
    chunk = held(owner, "a" * 1000)
    lanes.admit(chunk)
    order = [lanes.release(["a"])[0] for _ in range(900)]
    assert list(range(1, 901)) == order
    queue = lanes._busy["a"]
    assert queue is not None
    assert len(queue) == 99
    assert list(range(901, 1000)) == list(lanes.waiting())


def test_no_lanes_hold_nobody(owner: Partition) -> None:
    """Without order every record leaves at once, nobody waits and nothing is forgotten."""
    lanes = NoLanes()
    assert range(3) == lanes.admit(held(owner, "aaa"))
    assert [] == lanes.release(["a", "a", "a"])
    lanes.forget_from(0)
    assert range(2) == lanes.admit(held(owner, "aa", 3))


def test_a_long_queue_keeps_its_order_over_chunks(lanes: KeyLanes, owner: Partition) -> None:
    """However many wait in one lane, they leave in offset order, and forgetting cuts them at the offset."""
    for start in range(0, 900, 300):
        lanes.admit(held(owner, "a" * 300, start))
    assert list(range(1, 500)) == [lanes.release(["a"])[0] for _ in range(499)]
    lanes.forget_from(700)
    assert list(range(500, 700)) == [lanes.release(["a"])[0] for _ in range(200)]
    assert [] == lanes.release(["a"])
    assert len(lanes) == 0
