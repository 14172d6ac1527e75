from __future__ import annotations

from collections.abc import Mapping

import pytest

from doka.domain.commands import Command
from doka.domain.events import Landings, PutAmbiguous, PutAnswered, PutUnsent
from doka.domain.facts import OrderBroken, RecordsFailed, RecordsPoisoned
from doka.domain.rules import LimitRules, OnPoison, Ordering
from doka.domain.sending.put import Put
from tests.unit.domain.builders import ORDERS, SECOND, told
from tests.unit.domain.routing import SLOW, Scene

UNSURE = "InternalFailure"
NEVER = "ValidationException"


class Sharing(Scene):
    """A route in which records of a key share requests."""

    def __init__(self, on_poison: OnPoison = OnPoison.BLOCK) -> None:
        limits = LimitRules(request_records=8)
        super().__init__(limits=limits, ordering=Ordering.KEY_IN_REQUEST, on_poison=on_poison)
        self.last: Put | None = None

    def answered(self, put: Put, failed: Mapping[int, str] | None = None) -> list[Command]:
        refused = failed or {}
        numbers = ["" if i in refused else str(10 + i) for i in range(put.records)]
        event = PutAnswered(put.number, refused, Landings(["s"] * put.records, numbers))
        return told(self.route.answered, event, self.now)

    def offsets(self, *, after: int = 0) -> list[int]:
        """Send what wants to leave after a time; give its offsets."""
        self.now += after
        put = self.send()
        self.last = put
        return [] if put is None else [int(value) for value in put.values]


@pytest.fixture
def scene() -> Sharing:
    """Give one."""
    return Sharing()


def breaks(facts: list[Command]) -> list[Command]:
    """Give what is told of the order."""
    return [fact for fact in facts if isinstance(fact, OrderBroken)]


def test_a_break_is_told_once_for_each_answer_and_cause(scene: Sharing) -> None:
    """Two records that were refused while a later one of their key landed are one fact."""
    facts = scene.answered(scene.sent("aaabb"), {0: SLOW, 1: SLOW, 3: UNSURE})
    assert [OrderBroken("orders", "refused", 2), OrderBroken("orders", "unknown", 1)] == sorted(breaks(facts), key=repr)


def test_a_request_of_which_nobody_knows_is_told(scene: Sharing) -> None:
    """Its records may have landed in any order; what never left has not landed."""
    put = scene.sent("aab")
    assert [OrderBroken("orders", "unknown", 1)] == breaks(scene.unknown(PutAmbiguous(put.number, "timeout")))
    scene.now += 10 * SECOND
    again = scene.send()
    assert again is not None
    assert [] == breaks(scene.unknown(PutUnsent(again.number, "not_connected")))


def test_a_request_that_failed_inside_the_service_is_told(scene: Sharing) -> None:
    """A refusal that says nothing of what landed is as good as no answer."""
    assert [OrderBroken("orders", "unknown", 1)] == breaks(scene.refused(scene.sent("aa"), UNSURE))


def test_a_request_that_was_refused_breaks_nothing(scene: Sharing) -> None:
    """Nothing of it landed, and it goes again as it was."""
    assert [] == breaks(scene.refused(scene.sent("aa"), SLOW))
    assert [0, 1] == scene.offsets(after=SECOND)


def test_what_was_refused_of_a_key_goes_again_after_one_wait(scene: Sharing) -> None:
    """Whatever the codes, it waits as long as the one that waits longest, and leaves together and in order."""
    facts = scene.answered(scene.sent("aaa"), {0: SLOW, 2: UNSURE})
    failures = [(fact.code, fact.records, fact.ambiguous) for fact in facts if isinstance(fact, RecordsFailed)]
    assert [(SLOW, 1, False), (UNSURE, 1, True)] == failures
    scene.admit("a")
    assert [] == scene.offsets()
    assert [0, 2] == scene.offsets(after=SECOND)
    assert scene.last is not None
    scene.answered(scene.last)
    assert [3] == scene.offsets()


@pytest.mark.parametrize("policy", [OnPoison.DROP, OnPoison.BLOCK])
def test_a_search_for_poison_keeps_the_order_of_its_key(policy: OnPoison) -> None:
    """A request that is refused for one record lands the others in order; what is behind it of its key waits for it."""
    scene = Sharing(policy)
    scene.admit("aabaab")
    landed: list[int] = []
    for _ in range(30):
        offsets = scene.offsets(after=SECOND)
        if 3 in offsets:
            assert scene.last is not None
            scene.refused(scene.last, NEVER)
        elif scene.last is not None:
            scene.answered(scene.last)
            landed += offsets
        scene.tend_poison()
    expected = [0, 1, 2, 4, 5] if policy is OnPoison.DROP else [0, 1, 2, 5]
    assert expected == sorted(landed)
    assert [offset for offset in landed if offset not in {2, 5}] == expected[:2] + expected[3:-1]
    assert (6 - len(expected) - (policy is OnPoison.DROP), None) == (scene.open, scene.route.blocked)


def test_poison_in_the_middle_of_a_key_is_met_after_what_is_before_it(scene: Sharing) -> None:
    """Where the service names the entry and refuses others of its key too, these go first or wait, by their place."""
    scene.answered(scene.sent("aaaa"), {0: SLOW, 1: NEVER, 3: SLOW})
    assert [0, 1, 3] == scene.offsets(after=SECOND)
    assert scene.last is not None
    scene.answered(scene.last, {1: NEVER, 2: SLOW})
    found: list[list[int]] = []
    for _ in range(6):
        found.append(scene.offsets(after=SECOND))
        if found[-1] and scene.last is not None:
            scene.answered(scene.last, dict.fromkeys((i for i, o in enumerate(found[-1]) if o == 1), NEVER))
    assert [[1], [], [], [], [], []] == found
    assert [RecordsPoisoned("orders", ORDERS, 1, NEVER, "block")] == scene.tend_poison()
    assert 2 == scene.open
