"""What each way of sending asks of a stream, and how long it takes: held against the machine itself."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doka.app.plan.traffic import SLICES
from doka.app.plan.ways import Way, loads, shards_needed, way_of
from doka.domain.limits import SHARD_BYTES_PER_SECOND, SHARD_RECORDS_PER_SECOND
from doka.domain.rules import AggregationRules, Ordering
from tests.unit.app.plan.played import figures_of, play, records
from tests.unit.domain.builders import route_rules

ROUND_TRIP = 0.015
RULES = AggregationRules()


@pytest.mark.parametrize(
    ("ordering", "rate", "keys"),
    [(Ordering.KEY, 100, 1_000), (Ordering.NONE, 2_000, 1_000), (Ordering.KEY_IN_REQUEST, 100, 1_000)],
)
def test_latencies_are_those_of_the_machine(ordering: Ordering, rate: int, keys: int) -> None:
    """On average, within a tenth."""
    played = play(route_rules(ordering=ordering), rate, 3, keys=keys, size=50)
    load = loads(played.figures, RULES, ROUND_TRIP)[Way(ordering.value)]
    assert sum(played.took) / len(played.took) == pytest.approx(load.latency, rel=0.1)
    assert played.a_second(len(played.sizes)) == pytest.approx(load.records)


@pytest.mark.parametrize(
    ("ordering", "rate", "seconds"),
    [(Ordering.KEY, 40, 6), (Ordering.KEY_IN_REQUEST, 60, 5), (Ordering.KEY_IN_REQUEST, 1_000, 2)],
)
def test_so_are_those_of_a_hot_key(ordering: Ordering, rate: int, seconds: int) -> None:
    """One key alone: behind itself it waits, as far as its ordering lets it; within a fifth."""
    played = play(route_rules(ordering=ordering), rate, seconds, keys=1, size=50)
    hot = loads(played.figures, RULES, ROUND_TRIP)[Way(ordering.value)].hot
    assert sum(played.took) / len(played.took) == pytest.approx(hot.latency, rel=0.2)


def test_a_key_that_asks_for_more_than_one_by_one_falls_behind() -> None:
    """As the machine does: 100 records a second of one key, a round trip of 15 ms each; the other ways hold it."""
    found = loads(figures_of([records(["a"] * 100)]), RULES, ROUND_TRIP)
    assert (None, False) == (found[Way.KEY].hot.latency, found[Way.KEY].hot.holds)
    assert 1 / ROUND_TRIP == found[Way.KEY].hot.at_most
    assert [True] * 3 == [found[way].hot.holds for way in Way if way is not Way.KEY]
    played = play(route_rules(), 100, 3, keys=1, size=50)
    assert max(played.took) > 1


def test_a_key_that_is_too_much_for_a_shard_needs_no_number_of_shards() -> None:
    """Nor does another ordering help; aggregates carry it as far as its bytes go."""
    found = loads(figures_of([records(["a"] * 5_000)]), RULES, ROUND_TRIP)
    assert [None, None, None, 1] == [found[way].shards for way in Way]
    assert SHARD_RECORDS_PER_SECOND == found[Way.NONE].hot.at_most
    large = loads(figures_of([records(["a"] * 30, 100_000)]), RULES, ROUND_TRIP)
    assert [None] * 4 == [large[way].shards for way in Way]
    assert large[Way.NONE].hot.at_most == pytest.approx(SHARD_BYTES_PER_SECOND / 100_001)


def test_records_and_bytes_both_ask_for_shards() -> None:
    """Of the busiest second, not of the mean."""
    keys = [f"k{number}" for number in range(10_000)]
    small = loads(figures_of([records(keys, 50)], seconds=10), RULES, ROUND_TRIP)
    assert small[Way.KEY].shards in range(10, 14)
    assert 1 == small[Way.AGGREGATED].shards
    large = loads(figures_of([records(keys[:2_000], 4_000)]), RULES, ROUND_TRIP)
    assert large[Way.KEY].shards in range(8, 11)


def test_aggregates_get_as_many_lanes_as_they_need_shards() -> None:
    """No shard without a lane of its own; the lanes that are set are never made fewer."""
    keys = [f"k{number}" for number in range(4_000)]
    busy = figures_of([records(keys, 5_000)])
    load = loads(busy, AggregationRules(lanes=4), ROUND_TRIP)[Way.AGGREGATED]
    assert load.lanes >= (load.shards or 0) >= 20
    assert load.lanes == 1 << load.lanes.bit_length() - 1
    quiet = loads(figures_of([records(["a"])]), AggregationRules(lanes=2_048), ROUND_TRIP)[Way.AGGREGATED]
    assert (2_048, 1) == (quiet.lanes, quiet.shards)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(0, 400), min_size=64, max_size=64),
    st.lists(st.floats(0, 400_000), min_size=64, max_size=64),
)
def test_no_shard_of_those_that_are_told_has_too_much(of_records: list[float], of_bytes: list[float]) -> None:
    """And with one less some shard would, or there would be too few for all of it."""
    needed = shards_needed(of_records, of_bytes)
    assert needed is not None  # no slice alone is too much
    assert fits(of_records, of_bytes, needed)
    least = max(ceil(sum(of_records) / SHARD_RECORDS_PER_SECOND), ceil(sum(of_bytes) / SHARD_BYTES_PER_SECOND), 1)
    assert needed == least or not fits(of_records, of_bytes, needed - 1)


def fits(of_records: list[float], of_bytes: list[float], shards: int) -> bool:
    """Say whether equal shards take all slices, each the slices whose middle lies in it."""
    loads = [[0.0, 0.0] for _ in range(shards)]
    for place, (count, size) in enumerate(zip(of_records, of_bytes, strict=True)):
        of_shard = loads[int((place + 0.5) * shards / len(of_records))]
        of_shard[0] += count
        of_shard[1] += size
    return all(
        count <= SHARD_RECORDS_PER_SECOND + 1e-6 and size <= SHARD_BYTES_PER_SECOND + 1e-6 for count, size in loads
    )


@pytest.mark.parametrize(("records_each", "needed"), [(0.0, 1), (999.0, SLICES), (1_001.0, None)])
def test_the_bounds_of_the_search_for_shards(records_each: float, needed: int | None) -> None:
    """Nothing needs one; a slice that fills a shard needs it for itself; more than that fits nowhere."""
    assert needed == shards_needed([records_each] * SLICES, [0.0] * SLICES)


def test_the_way_of_a_route_is_that_of_its_rules() -> None:
    """Aggregation goes before the ordering, as in the machine."""
    assert [Way.KEY, Way.KEY_IN_REQUEST, Way.NONE] == [way_of(ordering, None) for ordering in Ordering]
    assert Way.AGGREGATED is way_of(Ordering.KEY, RULES)
