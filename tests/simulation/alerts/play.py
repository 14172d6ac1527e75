"""Plays a fault on the stage and lets promtool evaluate rules on what a Prometheus would have scraped."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.promtool import Rule, first_firings, written
from tests.simulation.alerts.faults import Fault
from tests.simulation.stage import Scrape, Stage

SCRAPE_SECONDS = 60.0
"""The default `scrape_interval` of Prometheus; that rules see a first event at 15 and 30 s is tested beside them."""
TURN_SECONDS = 10.0
"""How often the loop turns at least: what it publishes is at most so old, where a real one publishes each second."""
TARGET = 'instance="doka-0:9400",job="doka"'
"""What Prometheus adds to each series that it scrapes."""


def played(fault: Fault, rules: Iterable[Rule], every: float = SCRAPE_SECONDS) -> dict[str, str]:
    """Play a fault, scraped `every` so many seconds; give the series that these rules read, as promtool's files write them."""
    stage = Stage(fault.plan, scrape_every=every, turn_every=TURN_SECONDS)
    fault.strike(stage)
    stage.run_to(fault.begins + fault.lasts)
    return series(stage.scrapes, {name for rule in rules for name in re.findall(r"\bdoka_\w+", rule.expr)})


def minutes(
    folder: Path, fault: Fault, shown: Mapping[str, str], rules: Sequence[Rule], every: float = SCRAPE_SECONDS
) -> dict[str, int]:
    """Give each alert that fires on the series of a fault, with the minute of the fault in which it does so first."""
    until = fault.begins + fault.lasts
    fired = first_firings(folder, rules, shown, every=every, until=until)
    return {name: math.ceil((moment - fault.begins) / 60) for name, moment in fired.items()}


def series(scrapes: Mapping[float, Scrape], names: Iterable[str]) -> dict[str, str]:
    """Write the series of these metrics: a value for each scrape, in its order.

    A series that a page does not have any more ends there, as Prometheus sees to it; it is not carried on for minutes.
    """
    wanted = re.compile(rf"({'|'.join(names)})(\{{|$)")
    pages = [{name: v for name, v in scrape.samples.items() if wanted.match(name)} for scrape in scrapes.values()]
    return {_with_target(name): written([page.get(name) for page in pages]) for name in sorted(set().union(*pages))}


def _with_target(name: str) -> str:
    metric, _, labels = name.partition("{")
    return f"{metric}{{{TARGET}{f',{labels}' if labels else '}'}"
