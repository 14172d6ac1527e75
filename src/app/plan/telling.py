"""A plan as data, for a machine: by name, null is what is not known; rates are per second, sizes in bytes, times in ms."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from doka.app.plan.planning import Plan, RoutePlan
from doka.app.plan.prices import Month
from doka.app.plan.traffic import Figures, Percentiles, Window
from doka.app.plan.ways import Hot, Load
from doka.app.settings.routes import RouteSettings

VERSION: Final = 1
"""Of this form; it changes where a name goes or means something else."""


def data_of(plan: Plan, routes: Sequence[RouteSettings]) -> dict[str, Any]:
    """Give all that the plan says; `routes` are those of the configuration."""
    prices = plan.prices
    return {
        "version": VERSION,
        "told": True,
        "window": _window(plan.window),
        "round_trip_ms": _ms(plan.round_trip),
        "prices": prices.model_dump(mode="json"),
        "routes": [_route(each) for each in plan.planned],
        "empty": list(plan.empty),
        "month": {"now": _cost(plan.price(chosen=False)), "chosen": _cost(plan.price(chosen=True))},
        "shared_streams": [list(names) for names in plan.shared_streams],
        "settings": plan.settings(routes),
        "notes": list(plan.notes),
    }


def _window(window: Window) -> dict[str, Any]:
    since, until = (
        datetime.fromtimestamp(ms / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        for ms in (window.since_ms, window.until_ms)
    )
    return {"since": since, "until": until, "seconds": window.seconds, "interval_seconds": window.interval_seconds}


def _route(each: RoutePlan) -> dict[str, Any]:
    return {
        "route": each.route.name,
        "topics": list(each.route.topics),
        "stream": each.route.stream.called,
        "region": each.region,
        **_figures(each.figures),
        "now": each.now.value,
        "chosen": each.choice.way.value,
        "why": list(each.choice.why),
        "ways": {way.value: _way(load, each.months[way]) for way, load in each.loads.items()},
    }


def _figures(figures: Figures) -> dict[str, Any]:
    keys, records = figures.keys, figures.records
    return {
        "records": records,
        "poison": figures.poison,
        "filtered": figures.filtered,
        "by_time": figures.timed,
        "quiet_ms": figures.quiet_ms,
        "records_per_second": _percentiles(figures.a_second(0), timed=figures.timed),
        "bytes_per_second": _percentiles(figures.a_second(1), timed=figures.timed),
        "record_bytes": _percentiles(figures.sizes, timed=True),
        "keys": {
            "seen": keys.seen,
            "counted": keys.counted,
            "drawn_share": round(figures.drawn / records, 6),
            "hottest_share": round(keys.hottest / records, 6),
            "hottest_share_at_most": round((keys.hottest + keys.error) / records, 6),
        },
    }


def _percentiles(found: Percentiles, *, timed: bool) -> dict[str, float | None]:
    rest = {"p50": found.p50, "p95": found.p95, "max": found.most}
    return {"mean": round(found.mean, 3), **{name: round(value, 3) if timed else None for name, value in rest.items()}}


def _way(load: Load, costs: Month) -> dict[str, Any]:
    return {
        "records_per_second": round(load.records, 3),
        "bytes_per_second": round(load.bytes, 3),
        "billed_kib_per_second": round(load.billed, 3),
        "payload_units_per_second": round(load.payload_units, 3),
        "shards": load.shards,
        "lanes": load.lanes or None,
        "latency_ms": _ms(load.latency),
        "hottest_key": _hot(load.hot),
        "month": {"provisioned": _cost(costs.provisioned), "on_demand": _cost(costs.on_demand)},
    }


def _hot(hot: Hot) -> dict[str, Any]:
    return {
        "records_per_second": round(hot.mean, 3),
        "records_per_second_max": round(hot.peak, 3),
        "at_most": round(hot.at_most, 3),
        "holds": hot.holds,
        "latency_ms": None if hot.latency is None else _ms(hot.latency),
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1_000, 3)


def _cost(amount: float | None) -> float | None:
    return None if amount is None else round(amount, 2)
