"""What a route sends by is chosen once."""

from __future__ import annotations

from domain.aggregated_outbox import AggregatedOutbox
from domain.budget import Budget
from domain.outbox import Outbox
from domain.outgoing import choose_outgoing
from domain.rules import AggregationRules, LimitRules
from tests.unit.domain.builders import route_rules


def test_a_route_with_aggregation_aggregates() -> None:
    """And any other sends each record by itself."""
    rules = route_rules(), route_rules(aggregation=AggregationRules())
    made = [choose_outgoing(each, LimitRules(), Budget(1_000)) for each in rules]
    assert [Outbox, AggregatedOutbox] == list(map(type, made))
