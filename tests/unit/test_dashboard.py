"""The dashboard for Grafana, read as it is committed: its queries against docs/metrics.md, its panels against the grid.

That each query finds something is shown in a real Prometheus, in tests/integration/alerts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from scripts.dashboard_look import BOARD, panels_of
from tests.architecture.source_tree import ROOT

GIVEN_BY_PROMETHEUS = frozenset({"job", "instance"})
GIVEN_BY_THE_SUPERVISOR = frozenset({"worker"})
VARIABLES = ("job", "route", "topic")
OF_ALL_ROUTES = {"Partitions that nobody reads": "route"}
"""Panels that leave a variable out: a topic has its partitions whatever the route, and is owned by whomever."""
COLUMNS = 24

_ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| ([^|]+) \|", re.MULTILINE)
_GROUPING = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*(?:\{([^}]*)\}|(\())?")
_MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
_TIMES = re.compile(r"\[[^\]]*\]|\boffset \w+")
_LEGEND = re.compile(r"\{\{(\w+)\}\}")
_WORDS = frozenset({"or", "and", "unless", "by", "on"})


def metrics() -> dict[str, frozenset[str]]:
    """Give the labels of each name that a query may have: those of docs/metrics.md, and of the recording rules."""
    found: dict[str, frozenset[str]] = {}
    for name, kind, written in _ROW.findall((ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")):
        labels = frozenset() if written.strip() == "-" else frozenset(written.strip().split(", "))
        found[name] = labels
        if kind == "histogram":
            found |= {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
    groups = yaml.safe_load((ROOT / "deploy" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    found |= {rule["record"]: frozenset({"topic"}) for group in groups for rule in group["rules"] if "record" in rule}
    return found


def selectors(expr: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Give each series that an expression selects: its name, and what each label must match."""
    for name, matchers, called in _SELECTOR.findall(_GROUPING.sub("", _TIMES.sub("", expr))):
        if not called and name not in _WORDS and not name.isdigit():
            yield name, {label: value for label, _, value in _MATCHER.findall(matchers)}


def grouped(expr: str) -> set[str]:
    """Give the labels by which an expression takes series together."""
    return {label.strip() for labels in _GROUPING.findall(expr) for label in labels.split(",")}


def problems(board: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with the queries of a dashboard, by its names, labels and variables."""
    known = metrics()
    found: list[str] = []
    queries = [
        (panel["title"], target["expr"], target.get("legendFormat", ""))
        for panel in panels_of(board)
        for target in panel.get("targets", ())
    ]
    queries += [
        (each["name"], each["expr"], each["titleFormat"] + each["textFormat"]) for each in board["annotations"]["list"]
    ]
    for title, expr, legend in queries:
        for name, matchers in selectors(expr):
            if name not in known:
                found.append(f"{title}: there is no {name}")
                continue
            has = known[name] | GIVEN_BY_PROMETHEUS | GIVEN_BY_THE_SUPERVISOR
            found += [f"{title}: {name} has no {label}" for label in sorted((matchers.keys() | grouped(expr)) - has)]
            wanted = {each: f"${each}" for each in VARIABLES if each in has and OF_ALL_ROUTES.get(title) != each}
            given = {label: value for label, value in matchers.items() if value.startswith("$")}
            if wanted != given:
                found.append(f"{title}: {name} is filtered by {given}")
        left = (
            grouped(expr)
            or known.get(next(selectors(expr))[0], frozenset()) | GIVEN_BY_PROMETHEUS | GIVEN_BY_THE_SUPERVISOR
        )
        found += [
            f"{title}: a name needs {label}, which is gone" for label in _LEGEND.findall(legend) if label not in left
        ]
    return found


@pytest.fixture
def board() -> dict[str, Any]:
    """Give the dashboard as it is committed."""
    read: dict[str, Any] = json.loads(BOARD.read_text(encoding="utf-8"))
    return read


def test_queries_know_metrics_and_labels_and_apply_the_variables(board: dict[str, Any]) -> None:
    """Each name and label stands in docs/metrics.md, and each selector has every variable that its metric has a label for."""
    assert [] == problems(board)


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("doka_lag_seconds{", "doka_lag_second{", "Lag by topic: there is no doka_lag_second"),
        ("by (job, topic)", "by (job, topics)", "Lag by topic: doka_lag_seconds has no topics"),
        ('topic=~"$topic"', 'topics=~"$topic"', "Lag by topic: doka_lag_seconds has no topics"),
        (', topic=~"$topic"', "", "Lag by topic: doka_lag_seconds is filtered by {'job': '$job', 'route': '$route'}"),
        ('topic=~"$topic"', 'topic=~"$route"', "is filtered by {'job': '$job', 'route': '$route', 'topic': '$route'}"),
    ],
)
def test_a_query_that_is_misspelt_is_found(board: dict[str, Any], right: str, wrong: str, told: str) -> None:
    """The check of names, labels and variables can fail."""
    (target,) = next(panel["targets"] for panel in panels_of(board) if panel["title"] == "Lag by topic")
    assert right in target["expr"]
    target["expr"] = target["expr"].replace(right, wrong)
    assert told in "\n".join(problems(board))


def test_a_legend_that_names_what_is_gone_is_found(board: dict[str, Any]) -> None:
    """A label that no series has any more would leave its place empty."""
    (target,) = next(panel["targets"] for panel in panels_of(board) if panel["title"] == "Lag by topic")
    target["legendFormat"] = "{{partition}}"
    assert ["Lag by topic: a name needs partition, which is gone"] == problems(board)


def test_variables_are_asked_of_metrics_that_have_them(board: dict[str, Any]) -> None:
    """Each comes from a metric that has such a label, narrowed by the job."""
    source, *variables = board["templating"]["list"]
    assert ("datasource", "prometheus") == (source["type"], source["query"])
    assert list(VARIABLES) == [each["name"] for each in variables]
    for each in variables:
        metric, filters, label = re.fullmatch(r"label_values\((\w+)(\{.*\})?, (\w+)\)", each["definition"]).groups()  # type: ignore[union-attr]
        assert label == each["name"]
        assert label in metrics()[metric] | GIVEN_BY_PROMETHEUS
        assert (None if label == "job" else '{job=~"$job"}') == filters
        assert each["definition"] == each["query"]["query"]


def test_every_panel_says_what_it_shows_in_which_unit_and_has_room(board: dict[str, Any]) -> None:
    """A title, a description, a unit or names of states, a data source that can be chosen, and a place of its own."""
    panels = list(panels_of(board))
    assert len(panels) == len({panel["id"] for panel in panels})
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert set() == taken & cells, panel["title"]
        assert place["x"] + place["w"] <= COLUMNS, panel["title"]
        taken |= cells
        if panel["type"] == "row":
            continue
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["title"], panel
        assert panel["description"].endswith("."), panel["title"]
        assert ("unit" in defaults) is not ("mappings" in defaults), panel["title"]
        names = [target["refId"] for target in panel["targets"]]
        assert len(names) == len(set(names)), panel["title"]
        assert {"${datasource}"} == {each["datasource"]["uid"] for each in (panel, *panel["targets"])}, panel["title"]


def test_every_metric_that_an_alert_reads_is_on_the_dashboard(board: dict[str, Any]) -> None:
    """Who was called finds there what he was called for."""
    shown = {
        name
        for panel in panels_of(board)
        for target in panel.get("targets", ())
        for name, _ in selectors(target["expr"])
    }
    groups = yaml.safe_load((ROOT / "deploy" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    watched = {
        name for group in groups for rule in group["rules"] if "alert" in rule for name, _ in selectors(rule["expr"])
    }
    elsewhere = {
        "doka_lease_wanted": "it only says whether the lease's end matters",
        "doka_process_start_time_seconds": "a restart shows as a rebalance, and in every counter",
    }
    short_windows = {name for name in watched if name.startswith("topic:") and name.endswith(("_5m", "_30m", "_2h"))}
    assert set() == watched - shown - elsewhere.keys() - short_windows
