"""Which setting is chosen, and why: order is never given up for money."""

from __future__ import annotations

import pytest

from doka.app.plan.choice import Asked, Choice, changed, choose
from doka.app.plan.prices import Prices, parse_prices, read_prices
from doka.app.plan.traffic import Figures
from doka.app.plan.ways import Way, loads
from doka.domain.rules import AggregationRules
from tests.unit.app.plan.played import figures_of, records

PRICES = read_prices(None)
NO_PRICES = parse_prices('{version: 1, region: eu-west-1, currency: EUR, as_of: "2026", source: nobody}')
KEY = Asked(Way.KEY, drawn=False, aggregates=True)
PLAIN = Asked(Way.KEY, drawn=False, aggregates=False)

FEW = figures_of([records([f"k{number}" for number in range(10)], 900)])
MANY_SMALL = figures_of([records([f"k{number}" for number in range(5_000)])])
HOT = figures_of([records(["a"] * 80 + [f"k{number}" for number in range(80)], 900)])
TOO_HOT = figures_of([records(["a"] * 1_500)])


def chosen(figures: Figures, asked: Asked, prices: Prices = PRICES) -> Choice:
    """Choose as the command does."""
    return choose(figures, loads(figures, AggregationRules(), 0.015), prices, asked)


def test_a_quiet_route_stays_as_simple_as_it_is() -> None:
    """Aggregates would save cents, and every consumer would have to take them apart."""
    choice = chosen(FEW, KEY)
    assert Way.KEY is choice.way
    assert choice.why[0].endswith("the order holds, whatever fails.")
    assert "needs 1 shard, with nothing to spare. Cheapest is a stream that is provisioned: 11." in choice.why[-1]


def test_many_small_records_are_aggregated_for_their_price() -> None:
    """With both prices, and what it asks of consumers."""
    choice = chosen(MANY_SMALL, KEY)
    assert Way.AGGREGATED is choice.way
    assert choice.why[0].startswith("Aggregates cost ")
    assert choice.why[0].endswith(" USD, and keep each key's order.")
    assert "the KCL and Firehose do, Lambda does not" in choice.why[1]
    assert "for it waits for others" in choice.why[2]


def test_where_consumers_cannot_take_them_apart_there_are_none() -> None:
    """And that is said."""
    choice = chosen(MANY_SMALL, PLAIN)
    assert Way.KEY is choice.way
    assert "Aggregates were left out, as --no-aggregation says." in choice.why


def test_a_hot_key_asks_for_aggregates_or_else_for_shared_requests() -> None:
    """80 a second are more than one by one can go in a round trip of 15 ms."""
    choice = chosen(HOT, KEY)
    assert Way.AGGREGATED is choice.way
    assert choice.why[0].startswith("The most frequent key asks for 80 records/s at its busiest, and by themselves ")
    assert Way.KEY_IN_REQUEST is chosen(HOT, Asked(Way.KEY_IN_REQUEST, drawn=False, aggregates=True)).way
    plain = chosen(HOT, PLAIN)
    assert Way.KEY_IN_REQUEST is plain.way
    assert "ordering: key sends only " in plain.why[0]
    assert "may then land behind a later record of its key, which is counted" in plain.why[1]


def test_a_key_that_no_way_can_carry_is_said() -> None:
    """More than a shard takes: only aggregates, or another key."""
    assert Way.AGGREGATED is chosen(TOO_HOT, KEY).way
    plain = chosen(TOO_HOT, PLAIN)
    assert Way.KEY_IN_REQUEST is plain.way
    assert "No number of shards takes the busiest interval: too much of it is one key." == plain.why[-1]
    large = figures_of([records(["a"] * 30, 100_000)])
    assert "No number of shards" in chosen(large, KEY).why[-1]


def test_no_round_trip_is_blamed_for_what_a_shard_takes() -> None:
    """Where the round trip is quick, one by one goes as far as the shard does."""
    figures = figures_of([records(["a"] * 900)])
    choice = choose(figures, loads(figures, AggregationRules(), 0.001), PRICES, PLAIN)
    assert Way.KEY is choice.way
    assert "No ordering is quicker for it: it is 100% of all. Another partition_key spreads it." in choice.why[0]


@pytest.mark.parametrize(
    "asked", [Asked(Way.NONE, drawn=False, aggregates=True), Asked(Way.KEY, drawn=True, aggregates=True)]
)
def test_where_no_order_is_kept_none_is_chosen(asked: Asked) -> None:
    """Nothing waits for another record there."""
    choice = chosen(HOT, asked)
    assert "The route keeps no order, so nothing waits for another record." == choice.why[0]
    assert Way.NONE is choice.way


def test_what_aggregates_now_stays_so_unless_it_costs_more() -> None:
    """Its consumers can take them apart, as it seems."""
    now = Asked(Way.AGGREGATED, drawn=False, aggregates=True)
    assert Way.AGGREGATED is chosen(MANY_SMALL, now).way
    assert Way.AGGREGATED is chosen(FEW, now, NO_PRICES).way
    dearer = figures_of([records(["a", "b"], 25_590)])  # the frame pushes each into a second unit
    assert Way.KEY is chosen(dearer, now).way


def test_without_prices_order_alone_decides() -> None:
    """And which mode is cheaper is not known."""
    choice = chosen(MANY_SMALL, KEY, NO_PRICES)
    assert Way.KEY is choice.way
    assert choice.why[-1].endswith("which mode is cheaper is not known without all prices: add --prices.")


def test_only_what_the_choice_is_about_is_changed() -> None:
    """What nobody has set stays unset, and what somebody has stays as it is."""
    found = loads(MANY_SMALL, AggregationRules(), 0.015)
    load, aggregated = found[Way.AGGREGATED], Choice(Way.AGGREGATED, ())
    route = {"topics": ["orders"], "stream": {"name": "s"}}
    assert route | {"aggregation": {"enabled": True}} == changed(route, aggregated, load, 64)
    assert {"enabled": True, "linger_ms": 5, "lanes": 64} == changed(
        {**route, "aggregation": {"linger_ms": 5, "lanes": 4}}, aggregated, load, 4
    )["aggregation"]
    shared = {**route, "ordering": "key_in_request"}
    assert "key" == changed(shared, aggregated, load, 64)["ordering"]
    assert shared == changed(route, Choice(Way.KEY_IN_REQUEST, ()), found[Way.KEY_IN_REQUEST], 64)
    back = changed({**route, "aggregation": {"enabled": True}}, Choice(Way.KEY, ()), found[Way.KEY], 64)
    assert route | {"ordering": "key", "aggregation": {"enabled": False}} == back
