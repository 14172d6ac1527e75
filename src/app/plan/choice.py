"""Which setting fits what came, and why, in sentences: by order first, then by what holds, then by price.

It never gives up an order that a route keeps, but for the one that few hot keys force (`key_in_request`), and it says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from doka.adapters.telemetry.sentences import many, span
from doka.app.plan.prices import Month, Prices, month
from doka.app.plan.traffic import Figures
from doka.app.plan.ways import Load, Way
from doka.domain.limits import NS_PER_SECOND

WORTH_SHARE: Final = 0.2
"""Aggregates are chosen where they save at least this share of a month's price,"""
WORTH_A_MONTH: Final = 10.0
"""and at least so much in the table's currency: every consumer must take them apart."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How a route goes now, and what its consumers can."""

    way: Way
    drawn: bool
    """Whether its partition keys are all drawn at random, so that there is no order to keep."""
    aggregates: bool
    """Whether consumers can take aggregates apart, as far as is known."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A way, and why it was chosen, in sentences."""

    way: Way
    why: tuple[str, ...]


def choose(figures: Figures, loads: Mapping[Way, Load], prices: Prices, asked: Asked) -> Choice:
    """Choose among the ways; there are records in the figures."""
    plain, why = _plain(figures, loads, asked)
    if asked.aggregates:
        better = _aggregates(loads, plain, prices, asked)
        if better is not None:
            return Choice(Way.AGGREGATED, (better, *_about(loads[Way.AGGREGATED], prices)))
    elif asked.way is not Way.AGGREGATED:
        why = (*why, "Aggregates were left out, as --no-aggregation says.")
    return Choice(plain, (*why, *_about(loads[plain], prices)))


def _plain(figures: Figures, loads: Mapping[Way, Load], asked: Asked) -> tuple[Way, tuple[str, ...]]:
    """Choose among the ways that send each record by itself."""
    if asked.way is Way.NONE or asked.drawn:
        return Way.NONE, ("The route keeps no order, so nothing waits for another record.",)
    key = loads[Way.KEY].hot
    asks = f"The most frequent key asks for {_rate(key.peak)} at its busiest"
    if key.holds:
        return Way.KEY, (
            f"{asks}, and ordering: key sends {_rate(key.at_most)} of one: the order holds, whatever fails.",
        )
    shared = loads[Way.KEY_IN_REQUEST].hot
    told = f"{asks}, and ordering: key sends only {_rate(key.at_most)} of one, a record a round trip."
    if shared.at_most > key.at_most:
        return Way.KEY_IN_REQUEST, (
            told,
            (
                f"ordering: key_in_request sends {_rate(shared.at_most)}; what is refused, or reordered inside one "
                "request, may then land behind a later record of its key, which is counted."
            ),
        )
    share = figures.keys.hottest / figures.records
    return Way.KEY, (
        f"{told} No ordering is quicker for it: it is {share:.0%} of all. Another partition_key spreads it.",
    )


def _aggregates(loads: Mapping[Way, Load], plain: Way, prices: Prices, asked: Asked) -> str | None:
    """Say why aggregates are better; None where they are not."""
    load, other = loads[Way.AGGREGATED], loads[plain]
    if load.shards is None:
        return None
    forced = (
        plain is Way.KEY_IN_REQUEST and asked.way is not plain
    )  # then an order that the route keeps would be given up
    if other.shards is None or (load.hot.holds and (forced or not other.hot.holds)):
        key = loads.get(Way.KEY, other).hot
        return (
            f"The most frequent key asks for {_rate(key.peak)} at its busiest, and by themselves {_rate(key.at_most)} of "
            f"one can go. Aggregates carry {_rate(load.hot.at_most)} of it, in order."
        )
    costs, others = month(load, prices).least, month(other, prices).least
    if costs is None or others is None:
        return "The route sends aggregates now; without prices nothing speaks against it." if _is_now(asked) else None
    saved = others - costs
    if saved >= max(WORTH_SHARE * others, WORTH_A_MONTH):
        return f"Aggregates cost {money(costs, prices)} a month instead of {money(others, prices)}, and keep each key's order."
    if _is_now(asked) and saved >= 0:
        return "The route sends aggregates now, and they cost no more than records by themselves."
    return None


def _is_now(asked: Asked) -> bool:
    return asked.way is Way.AGGREGATED


def _about(load: Load, prices: Prices) -> Iterator[str]:
    """Say what goes with a way: its latency, its shards, its mode."""
    if load.way is Way.AGGREGATED:
        yield (
            "Every consumer must take aggregates apart: the KCL and Firehose do, Lambda does not; "
            "--no-aggregation plans without."
        )
        yield f"A record takes some {latency(load.latency)}, for it waits for others."
    if load.shards is None:
        yield "No number of shards takes the busiest interval: too much of it is one key."
        return
    costs = month(load, prices)
    yield _mode(costs, load.shards, prices)


def _mode(costs: Month, shards: int, prices: Prices) -> str:
    took = f"The busiest interval needs {many(shards, 'shard')}, with nothing to spare"
    if costs.provisioned is None or costs.on_demand is None:
        return f"{took}; which mode is cheaper is not known without all prices: add --prices."
    cheaper, dearer = (
        ("provisioned", "on-demand") if costs.provisioned <= costs.on_demand else ("on-demand", "provisioned")
    )
    cost, other = sorted((costs.provisioned, costs.on_demand))
    return f"{took}. Cheapest is a stream that is {cheaper}: {money(cost, prices)} a month, {dearer} {money(other, prices)}."


def changed(route: Mapping[str, Any], choice: Choice, load: Load, lanes: int) -> dict[str, Any]:
    """Give a route's settings with the choice in them; what nobody has set stays unset. `lanes` are those of now."""
    found = {**route}
    aggregation = dict(found.get("aggregation") or {})
    if choice.way is Way.AGGREGATED:
        found["aggregation"] = {**aggregation, "enabled": True} | ({"lanes": load.lanes} if load.lanes != lanes else {})
        if found.get("ordering") == Way.KEY_IN_REQUEST.value:
            found["ordering"] = Way.KEY.value
        return found
    found["ordering"] = choice.way.value
    if aggregation:
        found["aggregation"] = {**aggregation, "enabled": False}
    return found


def money(amount: float, prices: Prices) -> str:
    """Say an amount in the table's currency."""
    return f"{amount:,.2f} {prices.currency}"


def latency(seconds: float) -> str:
    """Say a latency for a person."""
    return span(round(seconds * NS_PER_SECOND))


def _rate(records: float) -> str:
    return f"{records:,.0f} records/s" if records >= 10 or not records else f"{records:,.1f} records/s"  # noqa: PLR2004
