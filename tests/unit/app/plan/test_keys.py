"""Counting keys within a bound: exactly while they are few, and never wrong by more than it says."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doka.app.plan.keys import SMALLEST, KeyCounts, KeyFigures
from doka.domain.records import TopicPartition

P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)


def test_few_keys_are_counted() -> None:
    """A key of two partitions is one key, and two lanes."""
    counts = KeyCounts()
    counts.add(P0, ["a", "b", "a"])
    counts.add(P1, ["a", "a", "a"])
    assert KeyFigures(seen=2, counted=True, hottest=5, hottest_lane=3, error=0) == counts.figures()


def test_without_records_there_are_none() -> None:
    """And nothing fails."""
    assert KeyFigures(seen=0, counted=True, hottest=0, hottest_lane=0, error=0) == KeyCounts().figures()


@given(st.lists(st.lists(st.integers(0, 60).map(str), max_size=40), max_size=30))
def test_the_most_frequent_is_within_its_bounds(chunks: list[list[str]]) -> None:
    """Whatever comes in whatever order: the count is too low by `error` at most, and never too high."""
    counts, exact = KeyCounts(counted_max=20, kept=5), Counter[str]()
    for keys in chunks:
        counts.add(P0, keys)
        exact.update(keys)
    found, most = counts.figures(), max(exact.values(), default=0)
    assert found.hottest <= most <= found.hottest + found.error
    assert found.error * 5 <= exact.total()
    assert found.counted == (found.error == 0)
    if found.counted:
        assert len(exact) == found.seen


def test_many_keys_are_estimated_in_bounded_memory() -> None:
    """A hot key among 100,000 that occur once or twice; how many there are is told within 10 %, three times its deviation."""
    draw = random.Random(1)
    counts, seen = KeyCounts(counted_max=2_000, kept=500), set[str]()
    for _ in range(150):
        keys = [f"k{draw.randrange(100_000)}" for _ in range(900)] + ["hot"] * 100
        seen.update(keys)
        counts.add(P0, keys)
        assert len(counts._counts) <= 2_000
    found = counts.figures()
    assert not found.counted
    assert len(seen) == pytest.approx(found.seen, rel=0.1)
    assert found.hottest <= 15_000 <= found.hottest + found.error
    assert found.error < 600


def test_as_many_as_are_kept_are_counted_exactly() -> None:
    """The estimate begins where the smallest hashes are no longer all of them."""
    counts = KeyCounts(counted_max=10, kept=1)
    counts.add(P0, [f"k{number}" for number in range(SMALLEST - 1)] + ["k0"])
    assert (False, SMALLEST - 1) == (counts.figures().counted, counts.figures().seen)
