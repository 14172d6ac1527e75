"""The draw of a campaign: it repeats with its seed, and a score of rounds meets everything."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.chaos.plan import ROUNDS_PER_WORLD, WORLDS_AT_ONCE, Change, Moment, draw_worlds


def test_a_seed_draws_the_same_again() -> None:
    """Worlds, moments, weathers and instants are the seed's alone, and another seed has others."""
    assert draw_worlds(7, 120) == draw_worlds(7, 120)
    assert draw_worlds(7, 120) != draw_worlds(8, 120)


@pytest.mark.parametrize("rounds", [1, 2, 3, 20, 100, 101, 2_000])
def test_every_round_is_in_one_world(rounds: int) -> None:
    """Rounds are numbered through, and no world has more of them than its judge can hold."""
    worlds = draw_worlds(3, rounds)
    assert list(range(1, rounds + 1)) == sorted(each.number for world in worlds for each in world.rounds)
    assert len(worlds) >= min(WORLDS_AT_ONCE, rounds)
    assert max(len(world.rounds) for world in worlds) <= ROUNDS_PER_WORLD
    assert len(worlds) == len({world.name for world in worlds})


@pytest.mark.parametrize("seed", range(5))
def test_a_score_of_rounds_meets_every_moment_and_every_fault(seed: int) -> None:
    """Moments and weathers are dealt, so that chance leaves none out."""
    rounds = [each for world in draw_worlds(seed, 20) for each in world.rounds]
    moments = Counter(each.moment for each in rounds)
    assert set(Moment) == moments.keys()
    assert min(moments.values()) >= 3
    weathers = [each.weather for each in rounds]
    assert {0.0, 0.01, 0.5} == {weather.refused for weather in weathers}
    assert {True, False} == {weather.torn for weather in weathers} == {weather.revoked for weather in weathers}
    assert len({str(weather) for weather in weathers}) >= 6
    changes = Counter(each.change for each in rounds)
    assert set(Change) == changes.keys()
    assert 4 == changes[Change.REFUSED]
    assert {True, False} == {world.static for world in draw_worlds(seed, 20)}


def test_no_rounds_are_refused() -> None:
    """A campaign without a round would judge nothing."""
    with pytest.raises(ValueError, match="at least one"):
        draw_worlds(1, 0)
