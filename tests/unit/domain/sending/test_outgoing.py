"""What a route sends by is chosen once."""

from __future__ import annotations

from doka.domain.held.budget import Budget
from doka.domain.rules import AggregationRules, LimitRules, Ordering
from doka.domain.sending.aggregated_outbox import AggregatedOutbox
from doka.domain.sending.outbox import Outbox, SharedOutbox
from doka.domain.sending.outgoing import choose_outgoing
from tests.unit.domain.builders import route_rules


def test_a_route_sends_by_its_ordering_and_aggregation() -> None:
    """One with aggregation aggregates, with key_in_request records of a key share requests, else each goes by itself."""
    rules = (
        route_rules(),
        route_rules(aggregation=AggregationRules()),
        route_rules(ordering=Ordering.KEY_IN_REQUEST),
        route_rules(ordering=Ordering.NONE),
    )
    made = [choose_outgoing(each, LimitRules(), Budget(1_000)) for each in rules]
    assert [Outbox, AggregatedOutbox, SharedOutbox, Outbox] == list(map(type, made))
