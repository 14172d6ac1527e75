from __future__ import annotations

import pytest

from doka.domain.rules import RoleRules, RouteRules, Rules
from tests.unit.domain.builders import route_rules


def test_every_topic_has_its_routes() -> None:
    """Topics are found by name; several may share a route, and several routes a topic, in their order."""
    orders, others = route_rules("orders"), route_rules("others", topics=frozenset({"a", "b"}))
    more = route_rules("more", topics=frozenset({"orders", "b"}))
    rules = Rules((orders, others, more), (RoleRules("writer"),))
    assert {"orders": (orders, more), "a": (others,), "b": (others, more)} == rules.routes_of()


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({}, False),
        ({"envelope": True}, True),
        ({"partition_key": "header:x"}, True),
        ({"partition_key": "field:/x"}, False),
    ],
)
def test_whole_records_are_asked_for_only_where_needed(changes: dict[str, object], needed: bool) -> None:  # noqa: FBT001 - a case
    """Headers and timestamps are carried only for routes that read them."""
    assert needed is route_rules(**changes).needs_originals


def test_a_topic_that_a_pattern_brings_has_that_patterns_route() -> None:
    """A name goes before a pattern; what two patterns match, or none, has no route."""
    routes = (
        RouteRules("named", frozenset({"orders.uk"}), "r"),
        RouteRules("orders", frozenset(), "r", patterns=frozenset({"orders.*"})),
        RouteRules("eu", frozenset(), "r", patterns=frozenset({"*.eu"})),
    )
    rules = Rules(routes, (RoleRules("r"),))
    found = [rules.routes_for(topic) for topic in ("orders.uk", "orders.us", "sales.eu", "orders.eu", "sales.us")]

    assert [routes[:1], routes[1:2], routes[2:], (), ()] == found
