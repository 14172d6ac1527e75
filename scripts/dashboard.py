"""Writes the dashboard of doka for Grafana, deploy/grafana/doka.json, from the table in scripts/dashboard_panels.py.

`make docs` writes it; a test compares it with what is committed, another holds every name and label to docs/metrics.md, and
every query is asked of a real Prometheus (tests/integration/alerts).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Iterator, Mapping

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as drawing
from grafana_foundation_sdk.models import dashboard as model

from scripts.alerts import RECORDS
from scripts.dashboard_panels import REBALANCED, ROWS, SIXTH, Panel, Query, Shape

TITLE = "doka"
UID = "doka-fleet"
HIGH, FLAT = 8, 4
"""Heights of panels, in Grafana's units of 30 px and a gap."""
VARIABLES = ("job", "route", "topic")
"""Each is a label of the metrics, and is put into each selector whose metric has it."""
GREY = "#8a9bb0"
SOURCE = drawing.DataSourceRef(type_val="prometheus", uid="${datasource}")

_SELECTOR = re.compile(r"((?:topic:)?doka_[a-z_0-9:]+)(?:\{([^}]*)\})?")

Labels = Mapping[str, tuple[str, ...]]
"""Of each metric, by the name that a scrape shows."""
AnyPanel = timeseries.Panel | stat.Panel | bargauge.Panel | statetimeline.Panel


def labels_of_records() -> Labels:
    """Give the recorded series with their labels."""
    return dict.fromkeys((record.name for record in RECORDS), ("job", "topic"))


def filtered(expr: str, labels: Labels, but: Container[str] = ()) -> str:
    """Put the variables into each selector, `but` these; raises KeyError for a metric that there is not."""

    def selector(found: re.Match[str]) -> str:
        has = {"job", *labels[found[1]]}
        given = [f'{name}=~"${name}"' for name in VARIABLES if name in has and name not in but]
        return f"{found[1]}{{{', '.join([*given, *([found[2]] if found[2] else [])])}}}"

    return _SELECTOR.sub(selector, expr)


def written(labels: Labels) -> str:
    """Give deploy/grafana/doka.json; `labels` are those of every metric."""
    labels = {**labels, **labels_of_records()}
    made = (
        dashboard.Dashboard(TITLE)
        .uid(UID)
        .description(
            "What doka does, and how far it is. Written by `make docs` from scripts/dashboard_panels.py. Edit that instead."
        )
        .tags(["doka", "kafka", "kinesis"])
        .editable()
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .refresh("1m")
        .time("now-6h", "now")
        .timezone("browser")
        .annotation(_annotation(labels))
    )
    for variable in _variables(labels):
        made.with_variable(variable)
    numbers = iter(range(1, 1_000))
    for row in ROWS:
        heading = dashboard.Row(row.title).id(next(numbers)).collapsed(row.folded)
        panels = [_panel(panel, next(numbers), labels) for panel in row.panels]
        if row.folded:
            for panel in panels:
                heading.with_panel(panel)
        made.with_row(heading)
        if not row.folded:
            for panel in panels:
                made.with_panel(panel)
    return json.dumps(made.build(), cls=JSONEncoder, indent=2) + "\n"


def _variables(labels: Labels) -> Iterator[dashboard.DatasourceVariable | dashboard.QueryVariable]:
    yield dashboard.DatasourceVariable("datasource").label("data source").type("prometheus")
    known = {"job": "doka_build_info", "route": "doka_route_blocked", "topic": "doka_topic_partitions"}
    for name in VARIABLES:
        of = known[name] if name == "job" else filtered(known[name], labels, VARIABLES[1:])
        yield (
            dashboard.QueryVariable(name)
            .datasource(SOURCE)
            .query({"query": f"label_values({of}, {name})", "refId": name})
            .definition(f"label_values({of}, {name})")
            .multi(multi=True)
            .include_all(include_all=True)
            .all_value(".+")
            .current(model.VariableOption(selected=True, text=["All"], value=["$__all"]))
            .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(model.VariableSort.ALPHABETICAL_ASC)
        )


def _annotation(labels: Labels) -> dashboard.AnnotationQuery:
    return (
        dashboard.AnnotationQuery()
        .name("Rebalances")
        .datasource(SOURCE)
        .enable(enable=True)
        .icon_color(GREY)
        .expr(filtered(REBALANCED, labels))
        .step("60s")
        .title_format("{{instance}} {{worker}}")
        .text_format("partitions {{change}}")
        .tag_keys("change")
    )


def _panel(panel: Panel, number: int, labels: Labels) -> AnyPanel:
    made = _DRAWN[panel.shape](panel).id(number).title(panel.title).description(panel.says)
    made.datasource(SOURCE).span(panel.width).height(
        FLAT if panel.shape is Shape.STAT and panel.width == SIXTH else HIGH
    )
    if panel.unit != "bool":
        made.unit(panel.unit)
    if panel.nothing:
        made.no_value(panel.nothing)
    if panel.colours:
        steps = [model.Threshold(None, panel.below), *(model.Threshold(at, to) for at, to in panel.colours.items())]
        made.thresholds(dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps))
    for number_of_query, query in enumerate(panel.queries):
        made.with_target(_target(query, panel.shape, "ABCDEFGH"[number_of_query], labels))
    return made


def _target(query: Query, shape: Shape, name: str, labels: Labels) -> prometheus.Dataquery:
    made = prometheus.Dataquery().expr(filtered(query.expr, labels, query.but)).ref_id(name).datasource(SOURCE)
    if query.legend:
        made.legend_format(query.legend)
    return made.instant() if shape in {Shape.STAT, Shape.GAUGES} else made.range()


def _over_time(panel: Panel) -> timeseries.Panel:
    made = (
        timeseries.Panel()
        .legend(_legend())
        .tooltip(common.VizTooltipOptions().mode(drawing.TooltipDisplayMode.MULTI).sort(drawing.SortOrder.DESCENDING))
        .show_points(drawing.VisibilityMode.NEVER)
        .min(0)
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC))
    )
    if panel.shape is Shape.BARS:
        made.draw_style(drawing.GraphDrawStyle.BARS).fill_opacity(80)
        made.stacking(common.StackingConfig().mode(drawing.StackingMode.NORMAL).group("A"))
    if panel.colours:
        made.thresholds_style(common.GraphThresholdsStyleConfig().mode(drawing.GraphThresholdsStyleMode.DASHED))
    return made


def _legend() -> common.VizLegendOptions:
    made = common.VizLegendOptions().show_legend(show_legend=True)
    return made.display_mode(drawing.LegendDisplayMode.LIST).placement(drawing.LegendPlacement.BOTTOM)


def _newest() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False)


def _stat(_panel: Panel) -> stat.Panel:
    return (
        stat.Panel()
        .reduce_options(_newest())
        .color_mode(drawing.BigValueColorMode.BACKGROUND)
        .graph_mode(drawing.BigValueGraphMode.NONE)
    )


def _gauges(panel: Panel) -> bargauge.Panel:
    made = (
        bargauge.Panel()
        .reduce_options(_newest())
        .orientation(drawing.VizOrientation.HORIZONTAL)
        .display_mode(drawing.BarGaugeDisplayMode.BASIC)
        .min(0)
    )
    return made if panel.most is None else made.max(panel.most)


def _states(panel: Panel) -> statetimeline.Panel:
    names = {
        str(value): model.ValueMappingResult(text=name, color=colour) for value, (name, colour) in panel.states.items()
    }
    return (
        statetimeline.Panel()
        .mappings([model.ValueMap(names)])
        .merge_values(merge_values=True)
        .show_value(drawing.VisibilityMode.NEVER)
        .row_height(0.8)
        .legend(_legend())
    )


_DRAWN: Mapping[Shape, Callable[[Panel], AnyPanel]] = {
    Shape.LINES: _over_time,
    Shape.BARS: _over_time,
    Shape.STAT: _stat,
    Shape.GAUGES: _gauges,
    Shape.STATES: _states,
}
