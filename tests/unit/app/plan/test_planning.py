"""A plan of several routes put together, and the settings that it gives, which doka itself loads."""

from __future__ import annotations

from typing import Any

import pytest

from doka.app.plan.planning import Plan, RoutePlan, plan_route
from doka.app.plan.prices import read_prices
from doka.app.plan.traffic import Figures, Window
from doka.app.plan.ways import Way
from doka.app.settings.load import settings_from
from doka.app.settings.mapping import to_rules
from doka.app.settings.model import Settings
from tests.unit.app.plan.played import figures_of, records

SMALL = [records([f"k{number}" for number in range(5_000)])]
FEW = [records(["a", "b"])]


def configured(*routes: dict[str, Any]) -> Settings:
    """Give a configuration with these routes."""
    kafka = {
        "bootstrap_servers": ["k:9092"],
        "group_id": "g",
        "security": {"protocol": "plaintext", "allow_plaintext": True},
    }
    return settings_from({"kafka": kafka, "aws": {"region": "eu-west-1"}, "routes": list(routes)}, hostname="h")


ORDERS = {"topics": ["orders"], "stream": {"name": "orders"}, "null_key": "partition"}
CLICKS = {"topics": ["clicks"], "stream": {"name": "clicks"}, "partition_key": "random", "ordering": "none"}
BOTH = configured(ORDERS, CLICKS)


def planned(settings: Settings, *figures: Figures, aggregates: bool = True) -> Plan:
    """Plan the first routes by these figures."""
    rules = to_rules(settings).routes
    each: list[RoutePlan] = [
        plan_route(route, of_rules, "eu-west-1", found, read_prices(None), round_trip=0.015, aggregates=aggregates)
        for route, of_rules, found in zip(settings.routes, rules, figures, strict=False)
    ]
    return Plan(Window(0, 1_000), read_prices(None), 0.015, tuple(each), ())


def test_the_settings_are_a_section_that_doka_loads() -> None:
    """All routes of the configuration stand in it, the chosen ones changed, and nothing else of them."""
    plan = planned(BOTH, figures_of(SMALL))
    found = plan.settings(BOTH.routes)
    assert found is not None
    again = configured(*found["routes"])
    assert again.routes[1] == BOTH.routes[1]
    assert (True, False) == (again.routes[0].aggregation.enabled, BOTH.routes[0].aggregation.enabled)
    assert BOTH.routes[0].aggregation.model_copy(update={"enabled": True}) == again.routes[0].aggregation
    assert BOTH.routes[0].model_dump(exclude={"aggregation"}) == again.routes[0].model_dump(exclude={"aggregation"})
    assert Way.AGGREGATED is planned(again, figures_of(SMALL)).planned[0].now
    assert planned(again, figures_of(SMALL)).settings(again.routes) is None


def test_what_is_so_already_needs_no_settings() -> None:
    """A quiet route under the default."""
    assert planned(BOTH, figures_of(FEW)).settings(BOTH.routes) is None


def test_random_keys_have_no_ordering_to_choose() -> None:
    """Only whether they are aggregated."""
    (_, clicks) = planned(BOTH, figures_of(FEW), figures_of(FEW)).planned
    assert ([Way.NONE, Way.AGGREGATED], Way.NONE, Way.NONE) == (list(clicks.loads), clicks.now, clicks.choice.way)


def test_the_price_of_all_is_the_sum_of_each_in_its_cheaper_mode() -> None:
    """As configured, and as chosen; not known where one is not."""
    plan = planned(BOTH, figures_of(SMALL), figures_of(FEW))
    now = [each.months[each.now].least or 0.0 for each in plan.planned]
    assert plan.price(chosen=False) == pytest.approx(sum(now))
    assert (plan.price(chosen=True) or 0.0) < sum(now)
    hot = planned(BOTH, figures_of([records(["a"] * 1_500)]), aggregates=False)
    assert (None, None) == (hot.price(chosen=False), hot.price(chosen=True))
    assert planned(BOTH).price(chosen=True) is None


def test_routes_to_one_stream_are_named() -> None:
    """Their shards add up, and its hour is paid once."""
    shared = configured(ORDERS, {"topics": ["more"], "stream": {"name": "orders"}, "name": "more"})
    assert (("orders", "more"),) == planned(shared, figures_of(FEW), figures_of(FEW)).shared_streams
    assert () == planned(BOTH, figures_of(FEW), figures_of(FEW)).shared_streams
