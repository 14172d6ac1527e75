from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from doka.domain.errors import InvariantError
from doka.domain.events import Landings, PutAnswered
from doka.domain.held.budget import Budget
from doka.domain.held.ledger import OffsetLedger
from doka.domain.held.shared_lanes import SharedLanes
from doka.domain.poison.quarantine import Quarantine
from doka.domain.rules import LimitRules, OnPoison
from doka.domain.sending.order_breaks import count_breaks, in_order
from doka.domain.sending.outbox import Outbox
from doka.domain.sending.put import Put
from tests.unit.domain.builders import ORDERS, SECOND, held, no_jitter

NOW = 100 * SECOND
SLOW = "ProvisionedThroughputExceededException"
UNSURE = "InternalFailure"
NEVER = "ValidationException"


class Scene:
    """One partition whose keys share requests, its requests answered by hand."""

    def __init__(self) -> None:
        self.owner = OffsetLedger(ORDERS, 0, SharedLanes())
        quarantine = Quarantine("orders", OnPoison.BLOCK, 1, no_jitter)
        self.outbox = Outbox(LimitRules(), Budget(10**9), quarantine, shares=True)
        self.next = 0

    def admit(self, keys: str) -> None:
        """Let a chunk come in."""
        chunk = held(self.owner, keys, self.next)
        self.next += len(keys)
        self.owner.append(chunk)
        self.outbox.admit(chunk, NOW)

    def sent(self, keys: str = "") -> Put:
        """Let a chunk come in, and send all that may leave."""
        if keys:
            self.admit(keys)
        self.outbox.leaves_at(NOW, idle=True, probe=True)
        put = self.outbox.pack(1, 1, NOW)
        assert put is not None
        return put

    def answered(
        self, put: Put, failed: Mapping[int, str], numbers: Sequence[int] = (), shards: Sequence[str] = ()
    ) -> Mapping[str, int]:
        """Answer a request; what landed has these sequence numbers, ascending unless given, in one shard."""
        entries = range(put.records)
        landings = Landings(
            ["" if i in failed else (shards or ["s"] * put.records)[i] for i in entries],
            ["" if i in failed else str((numbers or entries)[i]) for i in entries],
        )
        found = count_breaks(put, PutAnswered(put.number, failed, landings))
        self.outbox.settle(put, failed, {}, NOW)
        for refusal in put.refusals(failed):
            self.outbox.delay(refusal.parts, NOW)
        return found

    def lost(self, put: Put) -> Mapping[str, int]:
        """Lose the answer of a request; it goes again."""
        found = count_breaks(put, None)
        self.outbox.delay(self.outbox.unsettled(put, NOW), NOW)
        return found


@pytest.fixture
def scene() -> Scene:
    """Give one."""
    return Scene()


@pytest.mark.parametrize(
    ("keys", "failed", "expected"),
    [
        ("aaa", {}, {}),
        ("aaa", {0: SLOW}, {"refused": 1}),
        ("aaa", {0: SLOW, 1: SLOW}, {"refused": 2}),
        ("aaa", {1: SLOW, 2: SLOW}, {}),
        ("aaa", {0: SLOW, 1: SLOW, 2: SLOW}, {}),
        ("aabb", {0: SLOW, 3: SLOW}, {"refused": 1}),
        ("abc", {0: SLOW}, {}),
        ("aaa", {0: "Unheard"}, {"refused": 1}),
        ("aaa", {0: UNSURE}, {"unknown": 1}),
        ("aaa", {0: UNSURE, 1: UNSURE, 2: UNSURE}, {"unknown": 2}),
        ("aaa", {2: UNSURE}, {"unknown": 2}),
        ("aaa", {0: SLOW, 2: UNSURE}, {"refused": 1, "unknown": 1}),
        ("aaa", {0: SLOW, 1: UNSURE, 2: SLOW}, {"unknown": 1}),
        ("aaa", {0: NEVER}, {}),
        ("aaa", {0: SLOW, 1: NEVER}, {"refused": 1}),
        ("aaa", {0: SLOW, 1: NEVER, 2: NEVER}, {}),
    ],
)
def test_what_was_refused_while_a_later_one_landed(
    scene: Scene, keys: str, failed: Mapping[int, str], expected: Mapping[str, int]
) -> None:
    """A record is overtaken when a later one of its key landed; where either may have landed, nobody knows."""
    assert expected == scene.answered(scene.sent(keys), failed)


@pytest.mark.parametrize(
    ("keys", "numbers", "expected"),
    [
        ("aaa", [1, 2, 3], {}),
        ("aaa", [9, 10, 11], {}),
        ("aaa", [2, 1, 3], {"reordered": 1}),
        ("aaa", [3, 2, 1], {"reordered": 2}),
        ("aaa", [10, 9, 11], {"reordered": 1}),
        ("aabb", [3, 4, 1, 2], {}),
        ("abc", [3, 2, 1], {}),
    ],
)
def test_what_the_service_reordered(
    scene: Scene, keys: str, numbers: Sequence[int], expected: Mapping[str, int]
) -> None:
    """A record that landed behind a later one of its key has the higher sequence number; numbers are no texts."""
    assert expected == scene.answered(scene.sent(keys), {}, numbers)


def test_numbers_of_two_shards_are_not_compared(scene: Scene) -> None:
    """Sequence numbers ascend within a shard; between two they mean nothing."""
    assert {} == scene.answered(scene.sent("aaa"), {}, [5, 1, 6], ["s", "t", "s"])
    assert {"reordered": 1} == scene.answered(scene.sent("bbb"), {}, [6, 1, 5], ["s", "t", "s"])


def test_a_record_is_counted_once(scene: Scene) -> None:
    """What was overtaken and is refused again, while others of its key land, was counted before."""
    assert {"refused": 2} == scene.answered(scene.sent("aaa"), {0: SLOW, 1: SLOW})
    assert {} == scene.answered(scene.sent(), {0: SLOW})
    assert {} == scene.answered(scene.sent(), {})


def test_what_may_have_landed_before_is_not_counted_for_certain(scene: Scene) -> None:
    """A record of which an earlier try is unknown may be in the stream already: nobody knows whether it is overtaken."""
    assert {"unknown": 1} == scene.answered(scene.sent("aaa"), {1: UNSURE, 2: SLOW})  # of the first
    assert {"unknown": 1} == scene.answered(scene.sent(), {0: SLOW})  # of the second, which may have landed then


def test_a_request_of_which_nobody_knows(scene: Scene) -> None:
    """Of each key all but the last record may have been overtaken, and are counted, once."""
    assert {"unknown": 3} == scene.lost(scene.sent("aaabbc"))
    assert {} == scene.lost(scene.sent())
    assert {} == scene.answered(scene.sent(), {0: SLOW})


def test_what_went_with_its_partition_is_not_counted_for_certain(scene: Scene) -> None:
    """The next owner may have landed what was refused here."""
    put = scene.sent("aa")
    scene.owner.gone = True
    assert {"unknown": 1} == scene.answered(put, {0: SLOW})


def test_an_answer_without_numbers_is_an_error(scene: Scene) -> None:
    """Where records of a key share a request, a sink that tells no numbers would hide what it should show."""
    put = scene.sent("aa")
    with pytest.raises(InvariantError):
        count_breaks(put, PutAnswered(put.number))


@pytest.mark.parametrize(
    ("keys", "numbers", "expected"),
    [
        ("aab", ["08", "09", "10"], True),
        ("abb", ["10", "08", "09"], True),
        ("aab", ["09", "08", "10"], False),
        ("abb", ["08", "10", "09"], False),
        ("aa", ["9", "10"], False),
    ],
)
def test_order_is_seen_at_a_glance(keys: str, numbers: Sequence[str], expected: bool) -> None:  # noqa: FBT001 - of the table
    """Neighbours of one key whose numbers ascend are in order; where numbers differ in length it is not said here."""
    assert expected is in_order(keys, Landings(["s"] * len(keys), numbers))
