"""The page that shows the dashboard without Grafana: what it asks, what it draws of each answer, and what it says of none."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from doka.app.simulate.history import Fault
from scripts import dashboard_look
from scripts.dashboard_look import BOARD, Answer, Series, Window, answers, empty, filled, marks_of, page, panels_of
from tests.integration.app.simulate.browser import show

BEGINS = datetime(2026, 11, 27, 9, tzinfo=UTC).timestamp()
WINDOW = Window(BEGINS, BEGINS + 600, 10, "40s")


def board() -> dict[str, Any]:
    """Give the dashboard as it is committed."""
    read: dict[str, Any] = json.loads(BOARD.read_text(encoding="utf-8"))
    return read


def panel(kind: str, unit: str = "short", **more: Any) -> dict[str, Any]:
    """Give a panel of a dashboard."""
    defaults = {"unit": unit, "custom": {}, **more}
    target = {"expr": "x", "legendFormat": "{{topic}}"}
    place = {"w": 8}
    return {
        "id": 1,
        "type": kind,
        "title": "A title",
        "description": "What it says.",
        "gridPos": place,
        "fieldConfig": {"defaults": defaults},
        "targets": [target],
    }


def drawn(one: Mapping[str, Any], *series: Series) -> str:
    """Draw a dashboard of one panel, and give what stands in its section."""
    made = page({"title": "doka", "panels": [one]}, [Answer(one, one["targets"][0], series)], [], WINDOW, "by a test")
    return made.partition('<section class="panel ')[2]


def steady(value: float, *, name: str = "orders", until: int = 600) -> Series:
    """Give a series that does not change."""
    moments = range(0, until + 1, 10)
    return Series(name, list(moments), [value] * len(moments))


def always(value: str) -> Callable[..., Any]:
    """Give a Prometheus that answers each query by one series of one value."""
    labels = dict.fromkeys(("job", "topic", "route", "role", "instance"), "orders")

    def ask(path: str, **given: str) -> Any:
        if path == "query":
            return {"result": [{"metric": labels, "value": [float(given["time"]), value]}]}
        at, until, step = (float(given[name]) for name in ("start", "end", "step"))
        points = [[at + step * number, value] for number in range(int((until - at) / step) + 1)]
        return {"result": [{"metric": labels, "values": points}]}

    return ask


def test_a_query_is_filled_in_and_one_with_an_unknown_variable_is_refused() -> None:
    """All jobs, routes and topics; what would be asked with a dollar sign in it would find nothing."""
    assert 'rate(x{job=~".+", topic=~".+"}[40s])' == filled(
        'rate(x{job=~"$job", topic=~"$topic"}[$__rate_interval])', "40s"
    )
    with pytest.raises(ValueError, match="a variable that is not known"):
        filled('x{role=~"$role"}', "40s")


def test_series_are_named_by_the_legend_and_have_no_point_that_is_no_number() -> None:
    """What is not a number is a gap; a series of nothing else is none."""
    one = panel("timeseries")
    result = [
        {"metric": {"topic": "orders"}, "values": [[BEGINS, "1"], [BEGINS + 10, "NaN"], [BEGINS + 20, "3"]]},
        {"metric": {"topic": "empty"}, "values": [[BEGINS, "NaN"]]},
    ]
    ((answer),) = answers({"panels": [one]}, lambda *_, **__: {"result": result}, WINDOW)
    assert [Series("orders", [0, 20], [1, 3])] == answer.series


def test_every_panel_and_query_is_asked_once() -> None:
    """Those of closed rows too; gauges and figures as they are now, lines and states over the window."""
    found = answers(board(), always("1"), WINDOW)
    targets = [target for each in panels_of(board()) for target in each.get("targets", ())]
    assert [target["expr"] for target in targets] == [answer.target["expr"] for answer in found]
    assert {1, 61} == {len(answer.series[0].values) for answer in found}


def test_marks_are_drawn_where_they_begin() -> None:
    """A mark that lasts over several points is one."""
    points = [[BEGINS + at, "1"] for at in (100, 110, 120, 300)]
    labels = {"instance": "doka-0", "change": "revoked"}
    marked = marks_of(board(), lambda *_, **__: {"result": [{"metric": labels, "values": points}]}, WINDOW)
    assert [Fault("Rebalances", at, at, "doka-0 : partitions revoked") for at in (100, 300)] == marked


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [
        (0.25, "s", "250 ms"),
        (-90, "s", "-90 s"),
        (4_000, "s", "67 min"),
        (math.inf, "s", "∞"),
        (0.999, "percentunit", "99.9%"),
        (1_536, "bytes", "1.5 KiB"),
        (22_700_000, "short", "22.7M"),
    ],
)
def test_a_figure_is_written_in_its_unit(value: float, unit: str, written: str) -> None:
    """As people write it."""
    assert f">{written}<" in drawn(panel("stat", unit), steady(value))


@pytest.mark.parametrize(
    ("value", "unit", "highest"),
    [
        (0.25, "s", "250 ms"),
        (42, "s", "50 s"),
        (4_000, "s", "80 min"),
        (9_000, "s", "3 h"),
        (0.5, "percentunit", "50 %"),
        (3 << 20, "binBps", "3 MiB"),
    ],
)
def test_an_axis_is_written_in_a_unit_that_fits(value: float, unit: str, highest: str) -> None:
    """Its end is a round number in the unit in which people would say it."""
    labels = re.findall(
        r'<span class="m\w+" style="bottom:100.00%">([^<]*)<', drawn(panel("timeseries", unit), steady(value))
    )
    assert [highest] == labels


def test_a_unit_that_is_not_known_is_refused() -> None:
    """A panel in another unit would be drawn wrong."""
    with pytest.raises(KeyError, match="furlong"):
        drawn(panel("timeseries", "furlong"), steady(1))


def test_a_line_breaks_where_its_series_was_not_there() -> None:
    """Two pieces, and what lies between them is not drawn."""
    gone = Series("orders", [0, 10, 20, 500, 510], [1, 1, 1, 1, 1])
    assert 2 == drawn(panel("timeseries"), gone).count('class="line s0"')


def test_series_are_named_and_the_rest_is_counted() -> None:
    """A legend of hundreds would hide the plot."""
    made = drawn(panel("timeseries"), *(steady(1, name=f"topic-{number}") for number in range(10)))
    assert ["topic-0", "topic-5"] == [name for name in ("topic-0", "topic-5", "topic-6") if f"</i>{name}<" in made]
    assert "and 4 more" in made


@pytest.mark.parametrize(("value", "colour"), [(-1, "#c0271b"), (0.1, "#d9822b"), (0.9, "#167a4a")])
def test_a_bar_has_the_colour_of_its_limit_and_ends_at_zero(value: float, colour: str) -> None:
    """What is below zero has no bar, and is red."""
    steps = [{"value": None, "color": "red"}, {"value": 0, "color": "orange"}, {"value": 0.25, "color": "green"}]
    made = drawn(panel("bargauge", "percentunit", max=1, thresholds={"steps": steps}), steady(value))
    assert f"width:{max(value, 0):.1%};background:{colour}" in made


@pytest.mark.parametrize(("value", "written", "wide"), [(math.inf, "∞", "100.0%"), (-7, "-7 s", "0.0%")])
def test_a_lease_without_an_end_and_one_past_it_are_drawn(value: float, written: str, wide: str) -> None:
    """Also where there is no other to measure by."""
    bar = drawn(panel("bargauge", "s"), steady(value))
    assert (f"<b>{written}</b>" in bar, f"width:{wide}" in bar) == (True, True)
    assert 1 == drawn(panel("timeseries", "s"), steady(value)).count('class="line s0"')


def test_a_limit_is_drawn_where_it_lies_on_the_axis() -> None:
    """At half the height; and not at all where the axis ends below it."""
    limit = {"steps": [{"value": None, "color": "green"}, {"value": 30, "color": "red"}]}
    assert (
        'y1="50.00" y2="50.00"' in drawn(panel("timeseries", "s", thresholds=limit), steady(60)).partition('"limit"')[2]
    )
    assert '"limit"' not in drawn(panel("timeseries", "s", thresholds=limit), steady(6))


def test_bars_stand_on_each_other() -> None:
    """Two codes of three a second each reach six; one that came late has none before."""
    late = Series("late", [500, 510], [3, 3])
    made = drawn(panel("timeseries", "cps", custom={"drawStyle": "bars"}), steady(3), late)
    assert ["6"] == re.findall(r'style="bottom:100.00%">([^<]*)<', made)
    assert ["M0.0,", "M816.7,"] == [re.findall(rf'<path class="code-{code}" d="(M[\d.]+,)', made)[0] for code in (0, 1)]


def test_a_state_has_its_colour_while_it_lasts() -> None:
    """Sixty seconds of ten minutes are a tenth of the width."""
    states = {"options": {"0": {"text": "sends", "color": "green"}, "1": {"text": "blocked", "color": "red"}}}
    one = panel("state-timeline", mappings=[states])
    made = drawn(one, Series("orders", [*range(0, 60, 10)], [1] * 6), Series("refunds", [0], [0]))
    widths = re.findall(r'fill:#c0271b" x="[\d.]+" y="0" height="100" width="([\d.]+)"', made)
    assert 100 == pytest.approx(sum(map(float, widths)), abs=1)
    assert 1 == made.count("fill:#167a4a")


def test_a_panel_without_an_answer_says_so() -> None:
    """In the words that the dashboard has for it."""
    assert ">no data<" in drawn(panel("timeseries"))
    assert ">none<" in drawn(panel("timeseries", noValue="none"))


@pytest.mark.parametrize(("said", "named"), [({}, ["A title"]), ({"noValue": "none"}, [])])
def test_a_panel_is_named_that_has_nothing_to_show_and_no_word_for_it(said: dict[str, str], named: list[str]) -> None:
    """What is rare has a word for it; anything else without data is a fault, of which the exit code tells."""
    one = panel("timeseries", **said)
    assert named == [each["title"] for each in empty([Answer(one, {}, [])])]
    assert [] == empty([Answer(one, {}, []), Answer(one, {}, [steady(1)])])


def test_the_page_opens_in_a_browser(tmp_path: Path) -> None:
    """All panels of the real dashboard stand there, and nothing in the console speaks of an error."""
    asked = (board(), always("1"), WINDOW)
    shown = show(page(board(), answers(*asked), marks_of(*asked), WINDOW, "by a test"), tmp_path)
    assert [] == shown.console
    there = re.findall(r"<h3[^>]*>([^<]+)</h3>", shown.dom)
    assert [each["title"] for each in panels_of(board()) if each["type"] != "row"] == there
    assert "no data" not in shown.dom


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "127.0.0.1:9090"])
def test_a_prometheus_that_is_not_there_is_said(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line that names the option, with exit code 2."""
    words = ["dashboard_look", "--prometheus", address, "--page", str(tmp_path / "page.html")]
    monkeypatch.setattr(sys, "argv", words)
    assert 2 == dashboard_look.main()
    said = capsys.readouterr().err
    assert address in said
    assert "(--prometheus)" in said
    assert 1 == said.count("\n")
