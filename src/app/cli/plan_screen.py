"""A plan on a terminal: for each route what came, a row for each way, and the choice in sentences.

Where the terminal is too narrow for the rows, each way is told in lines of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from doka.adapters.telemetry.sentences import many, size, span
from doka.app.cli.shown import time_shown
from doka.app.plan.choice import latency, money
from doka.app.plan.planning import Plan, RoutePlan
from doka.app.plan.traffic import Figures, Percentiles
from doka.app.plan.ways import Load, Way
from doka.app.settings.routes import RouteSettings
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND

COLUMNS_OF_A_TABLE: Final = 78
"""What the rows of the ways take; a narrower terminal gets lines."""
QUIET_SHARE: Final = 0.1
"""A window of which more than this has passed before its first record may be older than its topic."""


def show(console: Console, plan: Plan, routes: Sequence[RouteSettings]) -> None:
    """Print a plan; `routes` are those of the configuration."""
    for each in plan.planned:
        _show_route(console, plan, each)
    for name in plan.empty:
        console.print(f"No record of route {name} came in that time. A longer one: --last 1d")
    for line in _of_all(plan):
        console.print(line)
    if plan.empty or any(_of_all(plan)):
        console.print()
    settings = plan.settings(routes)
    if settings is not None:
        console.print("To take instead of the section `routes` of the configuration:", style="bold")
        console.print()
        console.print(yaml.safe_dump(settings, sort_keys=False, width=console.width).rstrip(), soft_wrap=True)
    elif plan.planned:
        console.print("The configuration has it so already.", style="bold green")
    console.print()
    for line in (*_assumed(plan), *plan.notes):
        console.print(line)


def _show_route(console: Console, plan: Plan, each: RoutePlan) -> None:
    topics = ", ".join(each.route.topics)
    console.print(Text(f"{topics} -> {each.route.stream.called} (route {each.route.name})", "bold"))
    figures = each.figures
    console.print(
        f"{many(figures.records, 'record')} in {span(round(plan.window.seconds * NS_PER_SECOND))}, "
        f"from {time_shown(plan.window.since_ms)} to {time_shown(plan.window.until_ms)} UTC."
    )
    console.print()
    console.print(_came(figures))
    for line in _keys(figures):
        console.print(line)
    console.print()
    if console.width >= COLUMNS_OF_A_TABLE:
        console.print(_ways(each))
    else:
        for way, load in each.loads.items():
            _show_way(console, each, way, load)
    console.print()
    console.print(
        Text(f"Choice: {_named(each.choice.way)}{', as it is' if each.choice.way is each.now else ''}.", "bold")
    )
    for line in each.choice.why:
        console.print(line)
    console.print()


def _came(figures: Figures) -> Table:
    step = "second" if figures.window.interval_seconds == 1 else f"{figures.window.interval_seconds} s"
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(f"by the {step}" if figures.timed else "", no_wrap=True)
    for name in ("mean", "p50", "p95", "max"):
        table.add_column(name, justify="right", no_wrap=True)
    records, sizes = figures.a_second(0), figures.a_second(1)
    table.add_row("records/s", *_row(records, figures.timed))
    table.add_row("KiB/s", *_row(Percentiles(*(value / 1024 for value in _values(sizes))), figures.timed))
    table.add_row("bytes a record", *_row(figures.sizes, timed=True))
    return table


def _values(found: Percentiles) -> tuple[float, float, float, float]:
    return found.mean, found.p50, found.p95, found.most


def _row(found: Percentiles, timed: bool) -> tuple[str, ...]:  # noqa: FBT001 - of this table alone
    mean, *rest = map(_number, _values(found))
    return mean, *(rest if timed else "-" * len(rest))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or not value else f"{value:,.2f}"  # noqa: PLR2004 - below, two digits say more


def _share(share: float) -> str:
    return f"{share:.1%}" if share >= 0.01 else f"{share:.2%}"  # noqa: PLR2004 - below one of 100, another digit


def _keys(figures: Figures) -> Iterator[str]:
    keys, records = figures.keys, figures.records
    if figures.drawn < records:
        share = _share(keys.hottest / records)
        if keys.counted:
            yield f"{many(keys.seen, 'key')}, each counted; the most frequent has {share} of the records."
        else:
            most = _share((keys.hottest + keys.error) / records)
            yield (
                f"Some {keys.seen:,} keys, estimated within 3 %; the most frequent has from {share} to {most} of the "
                "records: there are too many to count each."
            )
    if figures.drawn:
        yield f"{figures.drawn / records:.0%} of the records get a partition key at random."
    if figures.poison:
        yield f"{many(figures.poison, 'record')} more can never land as they are, at the usual limit of 1 MiB. See: doka tail"
    if figures.filtered:
        yield f"{many(figures.filtered, 'record')} more the route leaves out; they are in no figure here."
    if not figures.timed:
        yield "By their own times most of the records are of another time than they came: only means are known."
    elif figures.quiet_ms > QUIET_SHARE * figures.window.seconds * 1_000:
        yield (
            f"Nothing came in the first {span(figures.quiet_ms * NS_PER_MS)}: where the topic is no older, "
            "a shorter --last tells its rate."
        )


# --- ways ----------------------------------------------------------------------------------------------------------------


def _ways(each: RoutePlan) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("way", no_wrap=True)
    for name in ("sent/s", "units/s", "shards", "latency", "hot key", "provisioned", "on-demand"):
        table.add_column(name, justify="right", no_wrap=True)
    for way, load in each.loads.items():
        table.add_row(*_cells(each, way, load), style=_style(each, way))
    return table


def _cells(each: RoutePlan, way: Way, load: Load) -> tuple[str, ...]:
    costs = each.months[way]
    hot = "behind" if load.hot.latency is None else latency(load.hot.latency)
    return (
        f"{way.value}{' *' if way is each.now else ''}",
        _number(load.records),
        _number(load.payload_units),
        "-" if load.shards is None else f"{load.shards:,}",
        latency(load.latency),
        "-" if each.figures.drawn == each.figures.records else hot,
        "-" if costs.provisioned is None else f"{costs.provisioned:,.2f}",
        "-" if costs.on_demand is None else f"{costs.on_demand:,.2f}",
    )


def _show_way(console: Console, each: RoutePlan, way: Way, load: Load) -> None:
    name, sent, units, shards, mean, hot, provisioned, on_demand = _cells(each, way, load)
    console.print(Text(name, _style(each, way) or "bold"))
    console.print(f"  {sent} sent/s, {units} units/s, shards: {shards}")
    console.print(f"  latency {mean}, hot key {hot}")
    console.print(f"  a month: provisioned {provisioned}")
    console.print(f"           on-demand {on_demand}")


def _style(each: RoutePlan, way: Way) -> str:
    return "green" if way is each.choice.way else ""


def _named(way: Way) -> str:
    return "aggregation" if way is Way.AGGREGATED else f"ordering: {way.value}, without aggregation"


# --- below ---------------------------------------------------------------------------------------------------------------


def _of_all(plan: Plan) -> Iterator[str]:
    if len(plan.planned) > 1:
        records = sum(each.figures.records for each in plan.planned) / plan.window.seconds
        amount = sum(each.figures.bytes for each in plan.planned) / plan.window.seconds
        now, chosen = plan.price(chosen=False), plan.price(chosen=True)
        costs = (
            "what they cost is not known of all"
            if now is None or chosen is None
            else f"{money(now, plan.prices)} a month as configured, {money(chosen, plan.prices)} as chosen, "
            "each in its cheaper mode"
        )
        yield f"In all {_number(records)} records/s and {size(round(amount))}/s on average; {costs}."
    for names in plan.shared_streams:
        yield f"Routes {', '.join(names)} write to one stream: it needs their shards together, and is paid once."


def _assumed(plan: Plan) -> Iterator[str]:
    prices = plan.prices
    yield (
        f"* as configured. Prices ({prices.currency} a month of 730 hours) are of {prices.region}, as of {prices.as_of}, "
        f"for writing alone: no reading, no retention beyond a day. Source: {prices.source}"
    )
    if not prices.checked:
        yield "Nobody has checked them in that source: do, and give your own by --prices FILE (docs/plan.md has the form)."
    elsewhere = sorted({each.region for each in plan.planned} - {prices.region})
    if elsewhere:
        yield f"Of {', '.join(elsewhere)} there are no prices: those of {prices.region} stand in. Add --prices FILE."
    if None in (*prices.provisioned.model_dump().values(), *prices.on_demand.model_dump().values()):
        yield "The table lacks prices, so some costs are not known. Add --prices FILE."
    yield (
        f"Latencies are means from Kafka's answer to Kinesis' own, with {plan.round_trip * 1_000:g} ms for the round trip "
        "of a put (--round-trip-ms). Shards have no headroom."
    )
