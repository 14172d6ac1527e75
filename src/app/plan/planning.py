"""One plan put together: for each route what came, what each way would ask and cost, and which is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from doka.app.plan.choice import Asked, Choice, changed, choose
from doka.app.plan.prices import Month, Prices, month
from doka.app.plan.traffic import Figures, Window
from doka.app.plan.ways import Load, Way, loads, way_of
from doka.app.settings.routes import RouteSettings
from doka.domain.limits import NS_PER_MS
from doka.domain.rules import AggregationRules, RouteRules


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """The plan of one route of which records came."""

    route: RouteSettings
    region: str
    """Of its stream."""
    figures: Figures
    loads: Mapping[Way, Load]
    months: Mapping[Way, Month]
    now: Way
    """How the configuration has it."""
    choice: Choice

    @property
    def settings(self) -> dict[str, Any]:
        """What the route's settings would be: those that are set, and what the choice changes of them."""
        set_now = self.route.model_dump(mode="json", exclude_unset=True)
        return (
            set_now
            if self.choice.way is self.now
            else changed(set_now, self.choice, self.loads[self.choice.way], self.route.aggregation.lanes)
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a configuration."""

    window: Window
    prices: Prices
    round_trip: float
    """Of a put, in seconds, as it was assumed."""
    planned: tuple[RoutePlan, ...]
    empty: tuple[str, ...]
    """Routes of which no record came."""
    notes: tuple[str, ...] = ()
    """What stood in the way, a sentence each."""

    @property
    def shared_streams(self) -> tuple[tuple[str, ...], ...]:
        """Name the routes that write to one stream, where there are several."""
        of: dict[tuple[str, str], list[str]] = {}
        for each in self.planned:
            of.setdefault((each.route.stream.called, each.region), []).append(each.route.name)
        return tuple(tuple(names) for names in of.values() if len(names) > 1)

    def price(self, *, chosen: bool) -> float | None:
        """Give what all routes cost a month, each in its cheaper mode; None where that is not known of all."""
        costs = [each.months[each.choice.way if chosen else each.now].least for each in self.planned]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if costs and len(known) == len(costs) else None

    def settings(self, routes: Sequence[RouteSettings]) -> dict[str, Any] | None:
        """Give the section `routes` of a configuration as it would be chosen; None where that is how it is."""
        if all(each.choice.way is each.now for each in self.planned):
            return None
        of = {each.route.name: each for each in self.planned}
        return {
            "routes": [
                of[route.name].settings if route.name in of else route.model_dump(mode="json", exclude_unset=True)
                for route in routes
            ]
        }


def plan_route(
    route: RouteSettings,
    rules: RouteRules,
    region: str,
    figures: Figures,
    prices: Prices,
    *,
    round_trip: float,
    aggregates: bool,
) -> RoutePlan:
    """Plan one route, of at least one record; `aggregates`: consumers can take them apart, as far as is known."""
    now = way_of(rules.ordering, rules.aggregation)
    set_so = route.aggregation
    aggregation = rules.aggregation or AggregationRules(set_so.target_bytes, set_so.linger_ms * NS_PER_MS, set_so.lanes)
    drawn = rules.partition_key == "random"
    ways = [Way.NONE, Way.AGGREGATED] if drawn else list(Way)
    found = {way: load for way, load in loads(figures, aggregation, round_trip).items() if way in ways}
    asked = Asked(now, drawn, aggregates)
    return RoutePlan(
        route=route,
        region=region,
        figures=figures,
        loads=found,
        months={way: month(load, prices) for way, load in found.items()},
        now=now,
        choice=choose(figures, found, prices, asked),
    )
