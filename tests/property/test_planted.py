"""The bugs of tests/simulation/planted that the machine alone can have: each of them must be found here too.

Storms that pass on the true domain find them, or a scene that is too rare for storms.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable

import pytest

from doka.domain.errors import DokaError
from doka.domain.limits import NS_PER_SECOND
from doka.domain.rules import OnPoison
from tests.property.calm import heal
from tests.property.setup import TPS, Setup
from tests.property.storm import run
from tests.property.truth import New
from tests.property.world import World
from tests.simulation.planted.bug import Bug, planted
from tests.simulation.planted.catalogue import PLANTED_IN_THE_MODEL

SEEDS = 1_000
SEEN_INSIDE = "I14"
"""The model world looks into the machine after each step: a record that is out of place is seen before what follows."""
FALL = "I12"  # an error that would end the process


def storms() -> None:
    """Run storms until one fails."""
    for seed in range(SEEDS):
        run(seed, 100)


def a_search_whose_culprit_goes_away() -> None:
    """Refuse a request of two partitions' records, after the one with the bad record was lost: too rare for storms.

    Two other records of the search have landed by then: without that control nobody is poison.
    """
    world = World(Setup(request_records=4, on_poison=OnPoison.DROP))
    one, other = TPS[:2]
    world.assign(one)
    world.assign(other)
    world.issue("writer", None)
    for route in list(world.describing):
        world.describe(route)
    world.wait(NS_PER_SECOND)
    world.undecided = 2
    world.fetch(other, 2, [New(b"a"), New(b"b")])
    world.fetch(one, 1, [New(b"a", bad=True)])
    world.fetch(other, 1, [New(b"c")])
    (whole,) = world.flights
    world.refuse(whole, "ValidationException")
    (good_half,) = world.flights
    world.answer(good_half)
    (bad_half,) = world.flights
    world.lose(one)
    world.refuse(bad_half, "ValidationException")
    heal(world)
    assert [True, True, True] == [record.landings > 0 for record in world.logs[other].records.values()]


SCENES: dict[str, Callable[[], None]] = {"call_the_rest_of_many_poison": a_search_whose_culprit_goes_away}
"""By the name of the bug that only shows there."""


def rule_of(error: BaseException) -> str:
    """Give the rule that was broken; an error of the bug's own is none."""
    of_the_bug = traceback.extract_tb(error.__traceback__)[-1].name.startswith("planted")
    if isinstance(error, AssertionError):
        rule = re.match(r"I\d+", str(error))
        assert rule is not None, f"no rule: {error}"
        return rule[0]
    return "the bug itself" if of_the_bug else FALL


@pytest.mark.parametrize("scene", SCENES)
def test_the_rare_scenes_are_fine_without_a_bug(scene: str) -> None:
    """On the true domain all good records land."""
    SCENES[scene]()


@pytest.mark.parametrize("this", PLANTED_IN_THE_MODEL, ids=lambda this: this.name)
def test_a_planted_bug_is_found(this: Bug) -> None:
    """Within some hundred storms, or in its scene, a rule is broken that is there for it."""
    with planted(this), pytest.raises((AssertionError, DokaError, LookupError, ValueError)) as found:
        SCENES.get(this.name, storms)()
    assert rule_of(found.value) in this.rules | {SEEN_INSIDE}, str(found.value)[:300]
