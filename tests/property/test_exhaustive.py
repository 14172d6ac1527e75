"""Small enough to try everything: two partitions, three keys, four records, whatever fails, whatever comes first.

Each of the first requests may have any subset of its entries refused, and requests are answered in every order.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations

import pytest

from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.rules import AggregationRules
from tests.choices import Choices
from tests.property.calm import heal
from tests.property.setup import TPS, Setup
from tests.property.truth import New
from tests.property.world import World

ONE, OTHER = TPS[:2]
LAYOUTS: tuple[tuple[tuple[TopicPartition, str], ...], ...] = (
    ((ONE, "a"), (ONE, "a"), (OTHER, "a"), (OTHER, "a")),
    ((ONE, "a"), (ONE, "b"), (ONE, "a"), (OTHER, "c")),
    ((ONE, "a"), (ONE, "a"), (ONE, "a"), (OTHER, "b")),
    ((ONE, "a"), (ONE, "b"), (OTHER, "b"), (OTHER, "c")),
)
FIRST_PUTS = 3
TWO_EACH = AggregationRules(target_bytes=120, linger=0, lanes=2)
"""Aggregates of two records at most, in two lanes."""


def opened(request_records: int, aggregation: AggregationRules | None, *, shares: bool) -> World:
    """Give a world in which both partitions are read and everything may be sent."""
    setup = Setup(
        request_records=request_records, requests_in_flight=8, orders_aggregated=aggregation, orders_share=shares
    )
    world = World(setup)
    world.assign(ONE)
    world.assign(OTHER)
    world.issue("writer", 3_600 * NS_PER_SECOND)
    for route in list(world.describing):
        world.describe(route)
    world.wait(NS_PER_SECOND)
    return world


def subsets(places: int) -> Iterator[tuple[int, ...]]:
    """Give every subset of so many places."""
    return chain.from_iterable(combinations(range(places), size) for size in range(places + 1))


@pytest.mark.parametrize(
    ("request_records", "aggregation", "shares"),
    [
        (1, None, False),
        (2, None, False),
        (4, None, False),
        (1, TWO_EACH, False),
        (2, TWO_EACH, False),
        (2, None, True),
        (4, None, True),
    ],
)
@pytest.mark.parametrize("layout", range(len(LAYOUTS)))
def test_every_refusal_in_every_order(
    layout: int, request_records: int, aggregation: AggregationRules | None, *, shares: bool
) -> None:
    """Nothing is committed too early, no key is overtaken but inside a request, and all ends settled and committed."""
    choices = Choices()
    for _ in choices:
        world = opened(request_records, aggregation, shares=shares)
        for tp, key in LAYOUTS[layout]:
            world.undecided = 1
            world.fetch(tp, 1, [New(key.encode())])
        world.wait(0)
        answered = 0
        while world.flights:
            puts = sorted(world.flights)
            put = puts[choices.choose(len(puts))]
            refused: tuple[int, ...] = ()
            if answered < FIRST_PUTS:
                all_of_them = list(subsets(len(world.flights[put].entries)))
                refused = all_of_them[choices.choose(len(all_of_them))]
            answered += 1
            world.answer(put, dict.fromkeys(refused, "InternalFailure"), landed=refused[:1])
            if not world.flights:
                world.wait(NS_PER_SECOND)
        heal(world)
        assert [True] * 4 == [r.landings > 0 for log in world.logs.values() for r in log.records.values()]
        assert [log.end for log in world.logs.values()] == [log.stored for log in world.logs.values()]
    assert choices.runs > (10 if aggregation is None else 7)
