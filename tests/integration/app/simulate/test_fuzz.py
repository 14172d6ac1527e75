from __future__ import annotations

from doka.app.simulate.fuzz import SEEDS_A_JOB, draw_scene, run_seeds, shares
from tests.integration.app.simulate.forwarders import LosesOne


def test_a_seed_draws_the_same_scene_always() -> None:
    """Two draws are equal, two seeds are not, and together they draw every kind of trouble that may come."""
    assert draw_scene(3) == draw_scene(3)
    assert draw_scene(3) != draw_scene(4)
    drawn = {trouble.kind for seed in range(300) for trouble in draw_scene(seed).troubles}
    assert {"sts_down", "crash", "rebalance", "shard_hot", "suspended", "tokens_revoked"} <= drawn
    assert not drawn & {"retention", "stream_refusing"}


def test_doka_stands_it() -> None:
    """Some seeds, all of them delivered and in order."""
    told: list[float] = []
    share = run_seeds(range(12), told.append)
    assert (12, None) == (share.seeds, share.failed)
    assert share.records > 0
    assert [(i + 1) / 12 for i in range(12)] == told


def test_the_first_seed_that_fails_is_given() -> None:
    """A forwarder that loses one record is found, and the search ends there."""
    share = run_seeds(range(50), lambda _: None, forwarder=LosesOne)
    assert share.failed is not None
    seed, side = share.failed
    assert "lost" == side.verdict
    assert share.seeds == seed + 1


def test_seeds_are_cut_into_jobs() -> None:
    """None is left out, none is run twice."""
    cut = shares(5, SEEDS_A_JOB + 3)
    assert [SEEDS_A_JOB, 3] == [len(share) for share in cut]
    assert list(range(5, SEEDS_A_JOB + 8)) == [seed for share in cut for seed in share]
