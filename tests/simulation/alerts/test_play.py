"""What Prometheus would have stored of the scrapes, written for promtool."""

from __future__ import annotations

from pathlib import Path

from scripts.alerts import Alert
from tests.promtool import first_firings
from tests.simulation.alerts.play import TARGET, series
from tests.simulation.stage import Scrape

PAGES = ("a 1\n", "a 1\n", None, None, 'a 2\nb{c="d"} 3\n', "a 2\n")


def scrapes() -> dict[float, Scrape]:
    """Give a scrape of each page, one a minute."""
    return {60.0 * i: Scrape(60.0 * i, page, ready=page is not None, reasons=()) for i, page in enumerate(PAGES)}


def test_a_series_has_a_value_for_each_scrape() -> None:
    """Where a page fails, or has it no more, it ends; where it was never seen, there is nothing."""
    assert {
        f"a{{{TARGET}}}": "1.0x1 stale _x1 2.0x1",
        f'b{{{TARGET},c="d"}}': "_ _x3 3.0x0 stale",
    } == series(scrapes(), ["a", "b"])
    assert [f"a{{{TARGET}}}"] == list(series(scrapes(), ["a"]))


def test_promtool_sees_each_value_at_its_moment(tmp_path: Path) -> None:
    """What is written at the fifth scrape is seen at four minutes, and what has ended is gone at once."""
    rules = [
        Alert(name, expr, "", "", "") for name, expr in (("Two", "a == 2"), ("Three", "b == 3"), ("Gone", "absent(a)"))
    ]
    fired = first_firings(tmp_path, rules, series(scrapes(), ["a", "b"]), every=60, until=300)
    assert {"Gone": 120.0, "Two": 240.0, "Three": 240.0} == fired
