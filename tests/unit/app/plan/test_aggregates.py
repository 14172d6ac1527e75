"""What is reckoned of aggregates, held against what the machine itself sends."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doka.app.plan.aggregates import Aggregates, summed
from doka.app.plan.traffic import BILLED_BYTES, PAYLOAD_UNIT_BYTES
from doka.domain.rules import AggregationRules
from tests.unit.app.plan.played import figures_of, play, records
from tests.unit.domain.builders import MS, route_rules

ROUND_TRIP = 0.015


@pytest.mark.parametrize(
    ("rate", "size", "keys", "linger_ms", "seconds"),
    [
        (1_000, 100, 1_000, 100, 3),  # a few in each
        (300, 4_000, 100, 1_000, 10),  # a long wait
        (2_000, 1_000, 5, 100, 2),  # few keys: full ones
        (1_000, 100, 1_000, 0, 2),  # no wait but that for the one on its way
    ],
)
def test_it_is_what_the_machine_sends(rate: int, size: int, keys: int, linger_ms: int, seconds: int) -> None:
    """How many, their bytes, what is billed of them, and how long a record takes: within a tenth."""
    rules = AggregationRules(linger=linger_ms * MS)
    played = play(route_rules(aggregation=rules), rate, seconds, keys=keys, size=size)
    reckoned = Aggregates(played.figures, rules, rules.lanes, ROUND_TRIP)
    sent = reckoned.sent()
    of = {
        "records": (len(played.sizes), sent.records),
        "bytes": (sum(played.sizes), sent.bytes),
        "billed": (sum(-(-size // BILLED_BYTES) for size in played.sizes), sent.billed),
        "units": (sum(-(-size // PAYLOAD_UNIT_BYTES) for size in played.sizes), sent.payload_units),
    }
    assert {name: played.a_second(seen) for name, (seen, _) in of.items()} == pytest.approx(
        {name: told for name, (_, told) in of.items()}, rel=0.1
    )
    assert sum(played.took) / len(played.took) == pytest.approx(reckoned.wait() + ROUND_TRIP, rel=0.25)


@settings(max_examples=40, deadline=None)
@given(
    keys=st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=60),
    size=st.integers(0, 60_000),
    linger_ms=st.integers(0, 2_000),
    lanes=st.sampled_from([1, 4, 64]),
    seconds=st.sampled_from([1, 10, 100]),
)
def test_there_are_never_more_than_records(
    keys: list[str], size: int, linger_ms: int, lanes: int, seconds: int
) -> None:
    """Nor fewer than fill them; and none is billed as less than it holds."""
    figures = figures_of([records(keys, size)], seconds)
    rules = AggregationRules(linger=linger_ms * MS, lanes=lanes)
    sent = Aggregates(figures, rules, lanes, ROUND_TRIP).sent()
    plain = figures.records / seconds
    assert 0 < sent.records <= plain * 1.000001
    assert sent.payload_units >= sent.records * 0.999999
    assert sent.billed * BILLED_BYTES >= sent.bytes * 0.999999
    if size <= PAYLOAD_UNIT_BYTES / 2:  # a record that its frame does not push over the edge of a unit
        assert sent.payload_units <= figures.payload_units / seconds * 1.000001


def test_a_lane_without_records_sends_nothing() -> None:
    """And all lanes together send what is sent."""
    figures = figures_of([records(["a"] * 10)])
    lanes = Aggregates(figures, AggregationRules(), 64, ROUND_TRIP).of_lanes((10.0, 1_000.0))
    assert (64, 1) == (len(lanes), sum(lane.records > 0 for lane in lanes))
    assert summed(lanes).records == max(lane.records for lane in lanes)


def test_records_of_another_time_are_sent_all_the_same() -> None:
    """What lies outside the window has no part in the rates by time, but in what is sent."""
    some = figures_of([records(["a", "b", "c"]), records(["d"], at_ms=99_000, start=3)])
    assert Aggregates(some, AggregationRules(), 64, ROUND_TRIP).sent().records == pytest.approx(4.0, rel=0.2)
