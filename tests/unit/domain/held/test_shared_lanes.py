from __future__ import annotations

from collections.abc import Sequence

import pytest

from doka.domain.held.lanes import Lanes, Run
from doka.domain.held.ledger import HeldChunk, OffsetLedger
from doka.domain.held.shared_lanes import SharedLane, SharedLanes
from doka.domain.limits import PUT_RECORDS_MAX
from tests.unit.domain.builders import ORDERS, held


@pytest.fixture
def owner() -> OffsetLedger:
    """Give the ledger of a partition."""
    return OffsetLedger(ORDERS, 0, Lanes())


@pytest.fixture
def lanes() -> SharedLanes:
    """Give lanes without records."""
    return SharedLanes()


def admit(lanes: SharedLanes, chunk: HeldChunk) -> tuple[Sequence[int], list[Run]]:
    """Let a chunk come; give the places of what may leave alone, and what leaves together."""
    runs: list[Run] = []
    return lanes.admit(chunk, runs), runs


def release(lanes: SharedLanes, keys: Sequence[str]) -> tuple[list[int], list[Run]]:
    """Settle records of these keys; give the offsets of what may leave alone, and what leaves together."""
    runs: list[Run] = []
    return lanes.release(keys, runs), runs


def test_lets_different_keys_go_together(lanes: SharedLanes, owner: OffsetLedger) -> None:
    """Where no key repeats, the whole chunk leaves at once, each record alone in its lane."""
    assert (range(3), []) == admit(lanes, held(owner, "abc"))
    assert 3 == len(lanes)


def test_lets_all_records_of_a_free_key_go(lanes: SharedLanes, owner: OffsetLedger) -> None:
    """Of a key that repeats within a chunk all records leave, together; the others leave alone."""
    assert ([1, 4], [("a", [0, 2, 3])]) == admit(lanes, held(owner, "abaac"))


def test_adds_to_what_leaves_together(lanes: SharedLanes, owner: OffsetLedger) -> None:
    """What other lanes let go before it stays in front."""
    runs: list[Run] = [("z", [7, 8])]
    lanes.admit(held(owner, "aa"), runs)
    assert [("z", [7, 8]), ("a", [0, 1])] == runs


def test_holds_a_key_that_is_on_its_way(lanes: SharedLanes, owner: OffsetLedger) -> None:
    """Records wait while earlier ones of their key, from an earlier chunk, are un-settled."""
    admit(lanes, held(owner, "ab"))
    assert ([3], []) == admit(lanes, held(owner, "bbbc", 2))
    assert [2, 3, 4] == list(lanes.waiting())


def test_lets_go_all_that_waits_when_the_last_is_settled(lanes: SharedLanes, owner: OffsetLedger) -> None:
    """A lane is free when each record that it let go is settled, and then all that waits leaves, in offset order."""
    admit(lanes, held(owner, "aa"))
    admit(lanes, held(owner, "aa", 2))
    admit(lanes, held(owner, "a", 4))
    assert ([], []) == release(lanes, ["a"])
    assert ([], [("a", [2, 3, 4])]) == release(lanes, ["a"])


def test_a_record_that_waits_by_itself_leaves_alone(lanes: SharedLanes, owner: OffsetLedger) -> None:
    """One record is no run."""
    admit(lanes, held(owner, "ab"))
    admit(lanes, held(owner, "ab", 2))
    assert ([2, 3], []) == release(lanes, ["a", "b"])


def test_frees_a_lane_in_which_nobody_waits(lanes: SharedLanes, owner: OffsetLedger) -> None:
    """After the last records of a key the lane is gone, and the next of that key leaves at once."""
    admit(lanes, held(owner, "abb"))
    assert ([], []) == release(lanes, ["a", "b", "b"])
    assert 0 == len(lanes)
    assert (range(1), []) == admit(lanes, held(owner, "a", 3))


def test_what_is_taken_back_is_first_the_next_time(lanes: SharedLanes, owner: OffsetLedger) -> None:
    """Records that found no room wait before all others, and for those that left."""
    admit(lanes, held(owner, "aaaa"))
    admit(lanes, held(owner, "a", 4))
    lanes.take_back("a", [2, 3])
    assert [2, 3, 4] == list(lanes.waiting())
    assert ([], [("a", [2, 3, 4])]) == release(lanes, ["a", "a"])


def test_lets_no_more_go_than_a_request_holds(lanes: SharedLanes, owner: OffsetLedger) -> None:
    """Of a key that waits in thousands one request is let go at a time: more would only be taken back."""
    _, runs = admit(lanes, held(owner, ["a"] * (PUT_RECORDS_MAX + 7)))
    assert [("a", list(range(PUT_RECORDS_MAX)))] == runs
    assert list(range(PUT_RECORDS_MAX, PUT_RECORDS_MAX + 7)) == list(lanes.waiting())


def test_forgets_what_waits_above_an_offset(lanes: SharedLanes, owner: OffsetLedger) -> None:
    """A drain forgets what nobody sent; what is on its way keeps its lane."""
    admit(lanes, held(owner, "aab"))
    admit(lanes, held(owner, "aab", 3))
    lanes.forget_from(4)
    assert ([3], 2) == (list(lanes.waiting()), len(lanes))


def test_what_is_in_doubt_stays_in_doubt_while_it_waits(lanes: SharedLanes, owner: OffsetLedger) -> None:
    """What is known of records that wait again is kept when they are let go, and dropped for those that settled."""
    admit(lanes, held(owner, "aaaa"))
    lanes.take_back("a", [2, 3])
    doubts = lanes.doubts("a")
    assert doubts == {}
    doubts |= {0: True, 2: False, 3: True}
    release(lanes, ["a", "a"])
    assert {2: False, 3: True} == lanes.doubts("a")


def test_only_a_lane_with_several_records_is_told(lanes: SharedLanes, owner: OffsetLedger) -> None:
    """A record that is alone has nothing to be remembered."""
    admit(lanes, held(owner, "abb"))
    assert (None, {}) == (lanes.doubts("a"), lanes.doubts("b"))


def test_a_lane_says_what_waits() -> None:
    """For a person who debugs."""
    assert "SharedLane(2 out, 1 wait)" == repr(SharedLane(2, [5]))
