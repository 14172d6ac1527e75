"""`python -m scripts.dashboard_look`: draws the dashboard as one HTML page, with what a Prometheus answers, without Grafana.

    python -m scripts.dashboard_look --prometheus http://127.0.0.1:9090 --minutes 60 --page dashboard.html

It reads deploy/grafana/doka.json, asks every query that is in it for all jobs, routes and topics, and draws each panel by the
plots of the simulator's report. A panel without an answer says so. Where it has no word for that it should have one, so its
query is wrong, or that Prometheus does not scrape doka, or not with its rules: the exit code is 1. Not every option of Grafana is drawn; units, legends, limits and states are.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from doka.adapters.system.clock import SystemClock
from doka.app.simulate.history import Fault, Refusals
from doka.app.simulate.report.plots import Canvas, Mark, Plot, render
from doka.app.simulate.report.scales import HEIGHT, WIDTH, TimeAxis, ValueAxis, short, value_axis
from doka.app.simulate.report.words import lasting

ROOT = Path(__file__).resolve().parents[1]
BOARD = ROOT / "deploy" / "grafana" / "doka.json"
PAGE_WIDTH = 1400
STEPS = 240
"""Points of a line over the whole width."""
LEGEND_MAX = 6
"""Series that are named below a plot; the rest is counted."""
COLOURS = 10
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ANSWER_SECONDS = 30.0
BROWSER_SECONDS = 120.0

_LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_PERIODS: Sequence[tuple[float, float, str]] = ((7_200, 3_600, "h"), (600, 60, "min"), (0.5, 1, "s"), (0, 0.001, "ms"))
"""From how many seconds on an axis is written in which unit."""

Ask = Callable[..., Any]
"""Asks Prometheus' API at a path, with parameters; gives the data of the answer."""
Object = Mapping[str, Any]
"""Something of the dashboard, as its JSON has it."""


@dataclass(frozen=True, slots=True)
class Window:
    """What is looked at: from when until when (s since the epoch), how finely (s), and the window of rates."""

    since: float
    until: float
    step: float
    rate: str


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its name by the legend, and its points; what is not a number is left out."""

    name: str
    moments: Sequence[float]
    """In seconds after the beginning of the window."""
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Answer:
    """One query of a panel, and what came back."""

    panel: Object
    target: Object
    series: Sequence[Series]


# --- what is asked ---------------------------------------------------------------------------------------------------


def panels_of(board: Object) -> Iterator[Object]:
    """Give every panel in its order, those in closed rows too, and rows as panels of type row."""
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", ())


def filled(text: str, rate: str) -> str:
    """Fill the variables in: all jobs, routes and topics. Raises ValueError for a variable that there is not."""
    query = re.sub(r"\$(job|route|topic)\b", ".+", text).replace("$__rate_interval", rate)
    if "$" in query:
        raise ValueError(f"{text} has a variable that is not known here")
    return query


def answers(board: Object, ask: Ask, window: Window, rewrite: Callable[[str], str] = str) -> list[Answer]:
    """Ask every query of every panel; `rewrite` may change each before it is asked.

    Raises OSError where Prometheus does not answer, or refuses a query.
    """
    return [
        Answer(panel, target, _asked(target, ask, window, rewrite))
        for panel in panels_of(board)
        for target in panel.get("targets", ())
    ]


def _asked(target: Object, ask: Ask, window: Window, rewrite: Callable[[str], str]) -> list[Series]:
    query = rewrite(filled(target["expr"], window.rate))
    if target.get("instant"):
        found = ask("query", query=query, time=f"{window.until:.3f}")["result"]
        points = [(each["metric"], [each["value"]]) for each in found]
    else:
        span = {"start": f"{window.since:.3f}", "end": f"{window.until:.3f}", "step": f"{window.step:.3f}"}
        points = [(each["metric"], each["values"]) for each in ask("query_range", query=query, **span)["result"]]
    made = [_series(target.get("legendFormat", ""), labels, values, window.since) for labels, values in points]
    return sorted((each for each in made if each.values), key=lambda each: each.name)


def _series(legend: str, labels: Mapping[str, str], points: Sequence[tuple[float, str]], since: float) -> Series:
    known = [(at - since, float(value)) for at, value in points if not math.isnan(float(value))]
    name = _LABEL.sub(lambda found: labels.get(found[1], ""), legend).strip()
    return Series(name, [at for at, _ in known], [value for _, value in known])


def marks_of(board: Object, ask: Ask, window: Window, rewrite: Callable[[str], str] = str) -> list[Fault]:
    """Give what the dashboard marks in time; raises OSError as `answers` does."""
    marked: list[Fault] = []
    for each in board["annotations"]["list"]:
        target = {"expr": each["expr"], "legendFormat": f"{each['titleFormat']}: {each['textFormat']}"}
        for series in _asked(target, ask, window, rewrite):
            begins = [
                at
                for at, before in zip(series.moments, (-math.inf, *series.moments), strict=False)
                if at - before > 1.5 * window.step
            ]
            marked += [Fault(each["name"], at, at, series.name) for at in begins]
    return marked


# --- how it is drawn -------------------------------------------------------------------------------------------------


def page(board: Object, found: Sequence[Answer], marked: Sequence[Fault], window: Window, made_by: str) -> str:
    """Give the whole page; `made_by` says where its figures are from."""
    css = files("doka.app.simulate.report").joinpath("page.css").read_text(encoding="utf-8")
    times = TimeAxis(datetime.fromtimestamp(window.since, UTC), window.until - window.since)
    drawn = "".join(
        f'<h2 class="row">{escape(panel["title"])}</h2>'
        if panel["type"] == "row"
        else _panel(panel, [each for each in found if each.panel["id"] == panel["id"]], times, marked, window.step)
        for panel in panels_of(board)
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(board["title"])}</title>'
        f"<style>{css}{_STYLE}</style></head><body><main><h1>{escape(board['title'])}</h1>"
        f'<p class="sub">{escape(made_by)}</p><div class="board">{drawn}</div></main></body></html>'
    )


def _panel(panel: Object, found: Sequence[Answer], times: TimeAxis, marked: Sequence[Fault], step: float) -> str:
    series = [each for answer in found for each in answer.series]
    if series:
        body = _DRAWN[panel["type"]](panel, series, times, marked, step)
    else:
        body = f'<p class="nothing">{escape(_no_value(panel) or "no data")}</p>'
    title = f'<h3 title="{escape(panel["description"])}">{escape(panel["title"])}</h3>'
    return f'<section class="panel {panel["type"]}" style="grid-column:span {panel["gridPos"]["w"]}">{title}{body}</section>'


def _lines(panel: Object, series: Sequence[Series], times: TimeAxis, marked: Sequence[Fault], step: float) -> str:
    stacked = panel["fieldConfig"]["defaults"]["custom"].get("drawStyle") == "bars"
    highest = _highest(series)
    factor, unit = _axis_unit(panel["fieldConfig"]["defaults"]["unit"], highest)
    scaled = [Series(s.name, s.moments, [value / factor for value in s.values]) for s in series]
    if stacked:
        drawn, values = _bars(scaled, times, step)
    else:
        values = value_axis(*([v for v in s.values if v != math.inf] for s in scaled), unit=unit)
        drawn = "".join(_line(each, f"s{number % COLOURS}", times, values, step) for number, each in enumerate(scaled))
    drawn += _limits(panel, factor, values)
    kind = "code-{}" if stacked else "s{}"
    marks = [Mark(kind.format(number % (4 if stacked else COLOURS)), s.name) for number, s in enumerate(series)]
    more = len(marks) - LEGEND_MAX
    return render(
        Plot("", drawn, times, values, marks[:LEGEND_MAX], note=f"and {more} more" if more > 0 else "", faults=marked)
    )


def _highest(series: Sequence[Series]) -> float:
    """Give the highest value that can be drawn, 0 at least: a lease without an end is none."""
    return max((value for each in series for value in each.values if 0 < value < math.inf), default=0)


def _line(series: Series, kind: str, times: TimeAxis, values: ValueAxis, step: float) -> str:
    """Draw one series, broken where it was not there."""
    pieces: list[tuple[list[float], list[float]]] = []
    last = -math.inf
    for at, value in zip(series.moments, series.values, strict=True):
        if at - last > 1.5 * step or not pieces:
            pieces.append(([], []))
        pieces[-1][0].append(at)
        pieces[-1][1].append(min(value, values.top))
        last = at
    drawn: list[str] = []
    for moments, column in pieces:
        if len(moments) == 1:  # one point would be a path without length
            moments.append(moments[0] + step / 2)
            column.append(column[0])
        drawn.append(Canvas(moments, times, values).line(column, kind))
    return "".join(drawn)


def _bars(series: Sequence[Series], times: TimeAxis, step: float) -> tuple[str, ValueAxis]:
    moments = [number * step for number in range(round(times.seconds / step) + 1)]
    columns = [
        {round(at / step): value for at, value in zip(each.moments, each.values, strict=True)} for each in series
    ]
    filled_up = [tuple(column.get(number, 0) for number in range(len(moments))) for column in columns]
    values = value_axis([sum(at_once) for at_once in zip(*filled_up, strict=True)])
    stacked = [
        Refusals(each.name, column)  # type: ignore[arg-type]  # counts a second here
        for each, column in zip(series, filled_up, strict=True)
    ]
    return Canvas(moments, times, values).bars(stacked), values


def _limits(panel: Object, factor: float, values: ValueAxis) -> str:
    """Draw the limits that lie on the axis."""
    steps = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", ())
    return "".join(
        f'<line class="limit" style="stroke:{_hue(each["color"])}" x1="0" x2="{WIDTH:.0f}" y1="{y:.2f}" y2="{y:.2f}"/>'
        for each in steps
        if each["value"] is not None and 0 <= (y := values.y(each["value"] / factor)) <= HEIGHT
    )


def _stat(panel: Object, series: Sequence[Series], *_: object) -> str:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    shown = (
        f'<p class="figure" style="background:{_colour(panel, each.values[-1])}">{_written(each.values[-1], unit)}'
        f"<small>{escape(each.name)}</small></p>"
        for each in series
    )
    return "".join(shown)


def _gauges(panel: Object, series: Sequence[Series], *_: object) -> str:
    defaults = panel["fieldConfig"]["defaults"]
    most = defaults.get("max") or _highest(series) or 1
    rows = (
        f'<div class="gauge"><span>{escape(each.name)}</span><b>{_written(each.values[-1], defaults["unit"])}</b>'
        f'<div><i style="width:{min(max(each.values[-1] / most, 0), 1):.1%};'
        f'background:{_colour(panel, each.values[-1])}"></i></div></div>'
        for each in series
    )
    return f'<div class="gauges">{"".join(rows)}</div>'


def _states(panel: Object, series: Sequence[Series], times: TimeAxis, _marked: object, step: float) -> str:
    (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
    colours = {float(value): _hue(result["color"]) for value, result in mapping["options"].items()}
    rows: list[str] = []
    for each in series:
        drawn = "".join(
            f'<rect style="fill:{colours[value]}" x="{times.x(at):.1f}" y="0" height="{HEIGHT:.0f}" '
            f'width="{times.x(at + step) - times.x(at):.1f}"/>'
            for at, value in zip(each.moments, each.values, strict=True)
        )
        rows.append(
            f'<div class="state"><span>{escape(each.name)}</span><div><svg viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" '
            f'preserveAspectRatio="none">{drawn}</svg></div></div>'
        )
    names = "".join(
        f'<span class="mark"><i style="background:{_hue(result["color"])}"></i>{escape(result["text"])}</span>'
        for result in mapping["options"].values()
    )
    return f'<div class="states">{"".join(rows)}</div><figcaption>{names}</figcaption>'


def _colour(panel: Object, value: float) -> str:
    """Give the colour of a value by the panel's limits."""
    steps = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [{"value": None, "color": "green"}])
    return _hue([each["color"] for each in steps if each["value"] is None or value >= each["value"]][-1])


def _hue(colour: str) -> str:
    """Give a colour of Grafana's that has a name as one that can be read on this page."""
    return {"green": "#167a4a", "orange": "#d9822b", "red": "#c0271b"}[colour]


def _written(value: float, unit: str) -> str:
    """Write one figure in a unit of Grafana's."""
    if value == math.inf:
        return "∞"
    match unit:
        case "s":
            return f"-{lasting(-value)}" if value < 0 else lasting(value)
        case "percentunit":
            return f"{value:.1%}"
        case _:
            return short(value, _axis_unit(unit, value)[1])


def _axis_unit(unit: str, highest: float) -> tuple[float, str]:
    """Give by what values are divided on an axis, and the unit that is written there; raises KeyError for another unit."""
    if unit == "s":
        factor, name = next((factor, name) for least, factor, name in _PERIODS if highest >= least)
        return factor, name
    return {"short": (1, ""), "cps": (1, ""), "bytes": (1, "B"), "binBps": (1, "B"), "percentunit": (0.01, "%")}[unit]


_DRAWN: Mapping[str, Callable[..., str]] = {
    "timeseries": _lines,
    "stat": _stat,
    "bargauge": _gauges,
    "state-timeline": _states,
}

_STYLE = """
main { max-width: none; padding-bottom: 24px; } h1 { padding-top: 18px; }
.board { display: grid; grid-template-columns: repeat(24, 1fr); gap: 10px; }
.row { grid-column: span 24; margin: 14px 0 0; }
.panel { background: var(--panel); border-radius: 6px; padding: 8px 12px; min-width: 0; overflow: hidden; }
.panel h3 { font-size: 13px; font-weight: 600; margin: 0 0 4px; }
.panel .plot { margin: 0; display: flex; flex-direction: column-reverse; }
.panel figcaption { min-height: 20px; margin: 4px 0 0; } .panel figcaption b { display: none; }
.panel .mark { font-size: 11px; } .panel .area-box { height: 130px; } .panel .frame { grid-template-columns: 50px 1fr; margin-top: 8px; }
.panel .times .minor { display: none; }
.nothing { color: var(--soft); text-align: center; margin: 40px 0; }
.figure { color: #fff; border-radius: 4px; margin: 0 0 4px; padding: 8px; text-align: center; font-size: 26px; line-height: 1.1; }
.figure small { display: block; font-size: 11px; font-weight: 400; }
.gauge { display: grid; grid-template-columns: 1fr auto; font-size: 11px; line-height: 1.4; }
.gauge div { grid-column: span 2; background: var(--rule); height: 5px; border-radius: 2px; margin-bottom: 2px; }
.gauge i { display: block; height: 100%; border-radius: 2px; }
.state { display: grid; grid-template-columns: 34% 1fr; font-size: 11px; align-items: center; }
.state span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; padding-right: 8px; }
.state div { position: relative; height: 13px; margin: 1px 0; background: var(--rule); }
.limit { stroke-width: 1.5; stroke-dasharray: 6 4; vector-effect: non-scaling-stroke; }
""" + "".join(
    f".line.s{number} {{ stroke: {colour}; }} i.s{number} {{ background: {colour}; }}\n"
    for number, colour in enumerate(
        ("#1664c0", "#b35c00", "#167a4a", "#d92d20", "#7a4fc0", "#0e8a93", "#9a6700", "#c2377f", "#5d6876", "#3b9f1b")
    )
)

# --- from the command line -------------------------------------------------------------------------------------------


def photograph(page_file: Path, picture: Path, height: int) -> None:
    """Open a page in a browser and keep what it shows, down to a height (px). Raises OSError where there is no browser."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise FileNotFoundError(f"no browser is installed (one of {', '.join(BROWSERS)})")
    with tempfile.TemporaryDirectory() as profile:
        words = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        words += [f"--user-data-dir={profile}", f"--window-size={PAGE_WIDTH},{height}", f"--screenshot={picture}"]
        subprocess.run([browser, *words, page_file.as_uri()], capture_output=True, timeout=BROWSER_SECONDS, check=True)


def _api(address: str) -> Ask:
    def ask(path: str, **given: str) -> Any:
        url = f"{address.rstrip('/')}/api/v1/{path}?{urllib.parse.urlencode(given)}"
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - the user's own address
            return json.load(answer)["data"]

    return ask


def _positive(text: str) -> float:
    if not re.fullmatch(r"\d*\.?\d+", text) or not float(text):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return float(text)


def main() -> int:
    """Draw it; gives 0 where each panel has something to show, 1 where one is empty, 2 where it could not be drawn."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.dashboard_look", description="Draw the dashboard without Grafana."
    )
    parser.add_argument("--prometheus", required=True, metavar="URL", help="the Prometheus that scrapes doka")
    parser.add_argument("--minutes", type=_positive, default=60, help="how far back (%(default)g)")
    parser.add_argument("--rate", default="2m", help="the window of rates; four scrapes (%(default)s)")
    parser.add_argument("--page", type=Path, default=Path("dashboard.html"), help="where to (%(default)s)")
    given = parser.parse_args()
    until = SystemClock().wall()
    window = Window(until - given.minutes * 60, until, given.minutes * 60 / STEPS, given.rate)
    board = json.loads(BOARD.read_text(encoding="utf-8"))
    ask = _api(given.prometheus)
    try:
        found, marked = answers(board, ask, window), marks_of(board, ask, window)
        given.page.write_text(page(board, found, marked, window, f"by {given.prometheus}"), encoding="utf-8")
    except (OSError, ValueError, KeyError) as error:  # it does not answer, or something else answers there
        sys.stderr.write(
            f"{error}: is a Prometheus at {given.prometheus} (--prometheus), is {given.rate} a time (--rate), and may "
            f"{given.page} be written (--page)?\n"
        )
        return 2
    titles = [panel["title"] for panel in empty(found)]
    sys.stdout.write(f"{given.page}: open it in a browser\n" + "".join(f"no data: {title}\n" for title in titles))
    return 1 if titles else 0


def empty(found: Sequence[Answer]) -> list[Object]:
    """Give the panels that have nothing to show and no word for it."""
    shown = {answer.panel["id"] for answer in found if answer.series}
    panels = {answer.panel["id"]: answer.panel for answer in found}
    return [each for number, each in panels.items() if number not in shown and _no_value(each) is None]


def _no_value(panel: Object) -> str | None:
    found: str | None = panel["fieldConfig"]["defaults"].get("noValue")
    return found


if __name__ == "__main__":
    sys.exit(main())
