"""A plan on terminals, wide and narrow."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from doka.app.cli.plan_screen import show
from doka.app.plan.keys import KeyFigures
from doka.app.plan.planning import Plan
from doka.app.plan.prices import parse_prices
from doka.app.plan.traffic import Window
from tests.unit.app.plan.played import arrivals, figures_of, records
from tests.unit.app.plan.test_planning import BOTH, FEW, SMALL, planned
from tests.unit.app.plan.test_prices import TABLE

NOON_MS = 1_796_040_000_000  # 2026-11-30, 12:00 UTC


def shown(plan: Plan, width: int = 100) -> str:
    """Give what is printed at a terminal of that width."""
    out = StringIO()
    show(Console(file=out, width=width, highlight=False, markup=False, emoji=False), plan, BOTH.routes)
    return out.getvalue()


def example() -> str:
    """Give the plan that docs/plan.md shows: 1,000 records of 300 bytes a second, of 5,000 keys, as its test makes them."""
    window = Window(NOON_MS, NOON_MS + 10_000)
    figures = replace(figures_of([chunk for _, chunk in arrivals(1_000, 10, 5_000, 300)], seconds=10), window=window)
    plan = replace(planned(BOTH, figures), window=window)
    return "\n".join(line.rstrip() for line in shown(plan, 80).splitlines())


def test_the_page_shows_what_is_printed() -> None:
    """The example of docs/plan.md is what the command prints of such a topic, to the letter."""
    page = (Path(__file__).parents[4] / "docs" / "plan.md").read_text(encoding="utf-8")
    assert f"```text\n{example()}\n```" in page


def test_a_route_is_told_with_each_way_and_the_choice() -> None:
    """What came, each way with its price, and why the choice is what it is."""
    out = shown(planned(BOTH, figures_of(SMALL)))
    lines = out.splitlines()
    assert "orders -> orders (route orders)" == lines[0]
    assert "5,000 records in 1 s, from 1970-01-01 00:00:00 to 1970-01-01 00:00:01 UTC." == lines[1]
    assert ["by", "the", "second", "mean", "p50", "p95", "max"] == lines[3].split()
    assert ["records/s", "5,000", "5,000", "5,000", "5,000"] == lines[4].split()
    assert "5,000 keys, each counted; the most frequent has 0.02% of the records." in lines
    rows = {line.split()[0]: line.split() for line in lines if line.startswith(("key", "none", "aggregated"))}
    assert ["key", "key_in_request", "none", "aggregated"] == list(rows)
    assert ["*", "5,000", "5,000"] == rows["key"][1:4]
    assert "Choice: aggregation." in lines


def test_what_to_paste_is_yaml_at_any_width() -> None:
    """No line of it is broken by the terminal's width."""
    for width in (40, 200):
        out = shown(planned(BOTH, figures_of(SMALL)), width)
        section = out[out.index("routes:\n") : out.index("* as configured")].strip()
        assert planned(BOTH, figures_of(SMALL)).settings(BOTH.routes) == yaml.safe_load(section)


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Rows become lines of their own where there is no room for them."""
    out = shown(planned(BOTH, figures_of(SMALL), figures_of(FEW)), width)
    assert [] == [line for line in out.splitlines() if len(line.rstrip()) > width and "https://" not in line]
    assert (width >= 80) == ("way " in out)
    assert all(way in out for way in ("key_in_request", "aggregated", "none *"))


def test_all_that_is_assumed_is_said() -> None:
    """Whose prices, as of when, that nobody checked them, that they are of another region, and the round trip."""
    out = " ".join(shown(planned(BOTH, figures_of(FEW))).split())
    assert "The configuration has it so already." in out
    for told in (
        "Prices (USD a month of 730 hours) are of us-east-1, as of 2026-11-30, for writing alone",
        "Nobody has checked them in that source",
        "Of eu-west-1 there are no prices: those of us-east-1 stand in.",
        "with 15 ms for the round trip of a put",
    ):
        assert told in out
    own = replace(planned(BOTH, figures_of(FEW)), prices=parse_prices(TABLE.replace("gb_in: 3.0", "")))
    told = " ".join(shown(own).split())
    assert ("Nobody has checked" in told, "there are no prices" in told) == (False, False)
    assert "The table lacks prices, so some costs are not known." in told


def test_routes_together_and_those_without_records() -> None:
    """The sum of all, in both forms; and what to ask for where nothing came."""
    plan = replace(planned(BOTH, figures_of(SMALL), figures_of(FEW)), empty=("idle",), notes=("half of it is gone",))
    out = " ".join(shown(plan).split())
    assert "In all 5,002 records/s and " in out
    assert " USD a month as configured, " in out
    assert "No record of route idle came in that time. A longer one: --last 1d" in out
    assert out.endswith("half of it is gone")


def test_what_is_special_about_records_is_said() -> None:
    """Too many keys to count, keys that are drawn, poison, no times, a quiet beginning."""
    figures = figures_of([records([None, None, "", "a"], at_ms=900)], seconds=1)
    out = " ".join(shown(planned(BOTH, figures)).split())
    assert "67% of the records get a partition key at random." in out
    assert "1 record more can never land as they are" in out
    assert "Nothing came in the first 900 ms" in out
    many = replace(figures, timed=False, keys=KeyFigures(1_203_000, counted=False, hottest=1, hottest_lane=1, error=1))
    told = " ".join(shown(planned(BOTH, many)).split())
    assert "Some 1,203,000 keys, estimated within 3 %; the most frequent has from 33.3% to 66.7%" in told
    assert "only means are known" in told


def test_what_is_not_known_is_a_dash() -> None:
    """A key that is too much for any shard has no price, and falls behind."""
    out = shown(planned(BOTH, figures_of([records(["a"] * 1_500)]), aggregates=False))
    row = next(line for line in out.splitlines() if line.startswith("key *")).split()
    assert ["-", "18", "ms", "behind", "-", "-"] == row[4:]
