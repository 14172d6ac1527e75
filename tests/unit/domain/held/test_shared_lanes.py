from __future__ import annotations

import pytest

from doka.domain.held.shared_lanes import SharedLanes
from doka.domain.limits import PUT_RECORDS_MAX
from doka.domain.partitions.partition import Partition
from tests.unit.domain.builders import held, partition


@pytest.fixture
def owner() -> Partition:
    """Give the partition."""
    return partition()


@pytest.fixture
def lanes() -> SharedLanes:
    """Give lanes without records."""
    return SharedLanes()


def test_lets_different_keys_go_together(lanes: SharedLanes, owner: Partition) -> None:
    """Where no key repeats, the whole chunk leaves at once, each record alone in its lane."""
    assert range(3) == lanes.admit(held(owner, "abc"))
    assert (3, []) == (len(lanes), lanes.take_runs())


def test_lets_all_records_of_a_free_key_go(lanes: SharedLanes, owner: Partition) -> None:
    """Of a key that repeats within a chunk all records leave, together; the others leave alone."""
    assert [1, 4] == list(lanes.admit(held(owner, "abaac")))
    assert [("a", [0, 2, 3])] == lanes.take_runs()
    assert [] == lanes.take_runs()


def test_holds_a_key_that_is_on_its_way(lanes: SharedLanes, owner: Partition) -> None:
    """Records wait while earlier ones of their key, from an earlier chunk, are un-settled."""
    lanes.admit(held(owner, "ab"))
    assert [3] == list(lanes.admit(held(owner, "bbbc", 2)))
    assert ([2, 3, 4], []) == (list(lanes.waiting()), lanes.take_runs())


def test_lets_go_all_that_waits_when_the_last_is_settled(lanes: SharedLanes, owner: Partition) -> None:
    """A lane is free when each record that it let go is settled, and then all that waits leaves, in offset order."""
    lanes.admit(held(owner, "aa"))
    lanes.take_runs()
    lanes.admit(held(owner, "aa", 2))
    lanes.admit(held(owner, "a", 4))
    assert ([], []) == (lanes.release(["a"]), lanes.take_runs())
    assert ([], [("a", [2, 3, 4])]) == (lanes.release(["a"]), lanes.take_runs())


def test_a_record_that_waits_by_itself_leaves_alone(lanes: SharedLanes, owner: Partition) -> None:
    """One record is no run."""
    lanes.admit(held(owner, "ab"))
    lanes.admit(held(owner, "ab", 2))
    assert ([2, 3], []) == (lanes.release(["a", "b"]), lanes.take_runs())


def test_frees_a_lane_in_which_nobody_waits(lanes: SharedLanes, owner: Partition) -> None:
    """After the last records of a key the lane is gone, and the next of that key leaves at once."""
    lanes.admit(held(owner, "abb"))
    assert [] == lanes.release(["a", "b", "b"])
    assert 0 == len(lanes)
    assert range(1) == lanes.admit(held(owner, "a", 3))


def test_what_is_taken_back_is_first_the_next_time(lanes: SharedLanes, owner: Partition) -> None:
    """Records that found no room wait before all others, and for those that left."""
    lanes.admit(held(owner, "aaaa"))
    lanes.admit(held(owner, "a", 4))
    lanes.take_runs()
    lanes.take_back("a", [2, 3])
    assert [2, 3, 4] == list(lanes.waiting())
    lanes.release(["a", "a"])
    assert [("a", [2, 3, 4])] == lanes.take_runs()


def test_lets_no_more_go_than_a_request_holds(lanes: SharedLanes, owner: Partition) -> None:
    """Of a key that waits in thousands one request is let go at a time: more would only be taken back."""
    lanes.admit(held(owner, ["a"] * (PUT_RECORDS_MAX + 7)))
    assert [("a", list(range(PUT_RECORDS_MAX)))] == lanes.take_runs()
    assert list(range(PUT_RECORDS_MAX, PUT_RECORDS_MAX + 7)) == list(lanes.waiting())


def test_forgets_what_waits_above_an_offset(lanes: SharedLanes, owner: Partition) -> None:
    """A drain forgets what nobody sent; what is on its way keeps its lane."""
    lanes.admit(held(owner, "aab"))
    lanes.admit(held(owner, "aab", 3))
    lanes.forget_from(4)
    assert ([3], 2) == (list(lanes.waiting()), len(lanes))


def test_what_is_in_doubt_stays_in_doubt_while_it_waits(lanes: SharedLanes, owner: Partition) -> None:
    """What is known of records that wait again is kept when they are let go, and dropped for those that settled."""
    lanes.admit(held(owner, "aaaa"))
    lanes.take_back("a", [2, 3])
    lane = lanes.lane("a")
    assert lane is not None
    lane.doubts = {0: True, 2: False, 3: True}
    lanes.release(["a", "a"])
    assert {2: False, 3: True} == lane.doubts


def test_only_a_lane_with_several_records_is_told(lanes: SharedLanes, owner: Partition) -> None:
    """A record that is alone has nothing to be remembered."""
    lanes.admit(held(owner, "abb"))
    assert lanes.lane("a") is None
    assert "Lane(2 out, 0 wait)" == repr(lanes.lane("b"))
