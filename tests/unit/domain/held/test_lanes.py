from __future__ import annotations

from collections.abc import Sequence

import pytest

from doka.domain.errors import InvariantError
from doka.domain.held.lanes import KeyLanes, Lanes, Run
from doka.domain.held.ledger import HeldChunk, OffsetLedger
from tests.unit.domain.builders import ORDERS, held


@pytest.fixture
def owner() -> OffsetLedger:
    """Give the ledger of a partition."""
    return OffsetLedger(ORDERS, 0, Lanes())


@pytest.fixture
def lanes() -> KeyLanes:
    """Give lanes without records."""
    return KeyLanes()


def admit(lanes: Lanes, chunk: HeldChunk) -> Sequence[int]:
    """Let a chunk come; give the places of what may leave, each record by itself."""
    runs: list[Run] = []
    alone = lanes.admit(chunk, runs)
    assert [] == runs
    return alone


def release(lanes: Lanes, keys: Sequence[str]) -> list[int]:
    """Settle records of these keys; give the offsets of what may leave, each record by itself."""
    runs: list[Run] = []
    alone = lanes.release(keys, runs)
    assert [] == runs
    return alone


def test_lets_different_keys_go_together(lanes: KeyLanes, owner: OffsetLedger) -> None:
    """Where no key repeats, the whole chunk leaves at once."""
    assert range(3) == admit(lanes, held(owner, "abc"))
    assert len(lanes) == 3


def test_lets_only_the_first_of_a_key_go(lanes: KeyLanes, owner: OffsetLedger) -> None:
    """Of a key that repeats within a chunk, the first record leaves and the others wait."""
    assert [0, 1, 4] == admit(lanes, held(owner, "abaac"))
    assert [2, 3] == sorted(lanes.waiting())


def test_holds_a_key_that_is_on_its_way(lanes: KeyLanes, owner: OffsetLedger) -> None:
    """A record waits while an earlier one of its key, from an earlier chunk, is un-settled."""
    admit(lanes, held(owner, "ab"))
    assert [1] == list(admit(lanes, held(owner, "bc", 2)))


def test_hands_the_lane_on_in_offset_order(lanes: KeyLanes, owner: OffsetLedger) -> None:
    """Each settled record lets exactly the next of its key go, across chunks."""
    admit(lanes, held(owner, "aa"))
    admit(lanes, held(owner, "aa", 2))
    gone = [release(lanes, ["a"]) for _ in range(4)]
    assert [[1], [2], [3], []] == gone


def test_frees_a_lane_in_which_nobody_waits(lanes: KeyLanes, owner: OffsetLedger) -> None:
    """After the last record of a key the lane is gone, and the next of that key leaves at once."""
    admit(lanes, held(owner, "ab"))
    assert [] == release(lanes, ["a", "b"])
    assert len(lanes) == 0
    assert range(1) == admit(lanes, held(owner, "a", 2))


def test_frees_a_lane_whose_queue_is_empty(lanes: KeyLanes, owner: OffsetLedger) -> None:
    """A lane that once had waiting records is gone as well, once all are settled."""
    admit(lanes, held(owner, "aa"))
    release(lanes, ["a"])
    release(lanes, ["a"])
    assert len(lanes) == 0


def test_releases_many_lanes_at_once(lanes: KeyLanes, owner: OffsetLedger) -> None:
    """Of the lanes of one answer, those with waiting records hand on and the others are freed."""
    admit(lanes, held(owner, "abcb"))
    assert [3] == release(lanes, ["a", "b", "c"])
    assert len(lanes) == 1


def test_never_lets_two_of_a_key_go(lanes: KeyLanes, owner: OffsetLedger) -> None:
    """Whatever the order of settling, at most one record of a key is on its way."""
    chunk = held(owner, "abcabcabc")
    on_their_way = {chunk.keys[i]: i for i in admit(lanes, chunk)}
    settled: list[int] = []
    while on_their_way:
        key, index = max(on_their_way.items(), key=lambda item: (item[1], item[0]))
        del on_their_way[key]
        settled.append(index)
        for freed in release(lanes, [key]):
            assert chunk.keys[freed] not in on_their_way
            on_their_way[chunk.keys[freed]] = freed
    assert list(range(9)) == sorted(settled)
    by_key = [[i for i in settled if i % 3 == key] for key in range(3)]
    assert [sorted(order) for order in by_key] == by_key


class TestForgetFrom:
    """A drain forgets the waiting records that nobody sent."""

    def test_forgets_at_and_above(self, lanes: KeyLanes, owner: OffsetLedger) -> None:
        """Waiting records at or above the offset are gone, those below still get their turn."""
        admit(lanes, held(owner, "aaaa"))
        lanes.forget_from(2)
        assert [[1], []] == [release(lanes, ["a"]) for _ in range(2)]

    def test_keeps_the_lane_of_what_is_on_its_way(self, lanes: KeyLanes, owner: OffsetLedger) -> None:
        """A record on its way keeps its lane, though all behind it are forgotten."""
        admit(lanes, held(owner, "aa"))
        lanes.forget_from(1)
        assert [] == admit(lanes, held(owner, "a", 1))

    def test_after_some_had_their_turn(self, lanes: KeyLanes, owner: OffsetLedger) -> None:
        """Records that left before are not handed out again."""
        admit(lanes, held(owner, "aaaa"))
        release(lanes, ["a"])
        lanes.forget_from(3)
        assert [[2], []] == [release(lanes, ["a"]) for _ in range(2)]


def test_a_long_queue_does_not_keep_what_left(lanes: KeyLanes, owner: OffsetLedger) -> None:
    """A lane that is never empty lets go of the records that left it, and loses none of the others."""
    chunk = held(owner, "a" * 1000)
    admit(lanes, chunk)
    order = [release(lanes, ["a"])[0] for _ in range(900)]
    assert list(range(1, 901)) == order
    queue = lanes._busy["a"]
    assert queue is not None
    assert len(queue) == 99
    assert list(range(901, 1000)) == list(lanes.waiting())


def test_no_lanes_hold_nobody(owner: OffsetLedger) -> None:
    """Without order every record leaves at once, nobody waits, nothing is forgotten and no order is told of."""
    lanes = Lanes()
    assert range(3) == admit(lanes, held(owner, "aaa"))
    assert [] == release(lanes, ["a", "a", "a"])
    lanes.forget_from(0)
    assert range(2) == admit(lanes, held(owner, "aa", 3))
    assert ([], None) == (list(lanes.waiting()), lanes.doubts("a"))


@pytest.mark.parametrize("lanes", [Lanes(), KeyLanes()])
def test_what_leaves_one_by_one_never_comes_back_together(lanes: Lanes) -> None:
    """Only lanes that let go several records of a key may be asked to take some of them back."""
    with pytest.raises(InvariantError, match="let go one by one"):
        lanes.take_back("a", [1, 2])


def test_a_long_queue_keeps_its_order_over_chunks(lanes: KeyLanes, owner: OffsetLedger) -> None:
    """However many wait in one lane, they leave in offset order, and forgetting cuts them at the offset."""
    for start in range(0, 900, 300):
        admit(lanes, held(owner, "a" * 300, start))
    assert list(range(1, 500)) == [release(lanes, ["a"])[0] for _ in range(499)]
    lanes.forget_from(700)
    assert list(range(500, 700)) == [release(lanes, ["a"])[0] for _ in range(200)]
    assert [] == release(lanes, ["a"])
    assert len(lanes) == 0
