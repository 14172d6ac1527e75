"""The whole page: one file, no network, readable on paper, on a phone, and in the dark."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template

from doka.app.simulate.history import History, Side
from doka.app.simulate.report import words
from doka.app.simulate.report.plots import Plot
from doka.app.simulate.report.plots import render as render_plot
from doka.app.simulate.report.sides import plots_of

HERE = files("doka.app.simulate.report")


def render(history: History, repeat: str = "") -> str:
    """Give the page as HTML; `repeat` is the command that makes it again. The same history gives the same bytes."""
    plots = [plots_of(history, side) for side in history.sides]
    return Template(_text("page.html")).substitute(
        title=escape(history.title),
        style=_text("page.css"),
        script=_text("page.js"),
        subtitle=escape(_subtitle(history)),
        cards="".join(words.card(history, side) for side in history.sides),
        sides="".join(_side(history, side, of_side) for side, of_side in zip(history.sides, plots, strict=True)),
        faults=words.faults(history),
        table=words.table(history),
        repeat=f"<p>Made by <code>{escape(repeat)}</code>; the same command makes the same page.</p>" if repeat else "",
        data=_data(history, [plot for of_side in plots for plot in of_side]),
        count=str(len(history.sides)),
    )


def _subtitle(history: History) -> str:
    lasts = words.lasting(history.duration_seconds)
    token = words.lasting(history.token_seconds)
    return f"{history.wall(0)} to {history.wall(history.duration_seconds)} ({lasts}), tokens of {token}, seed {history.seed}"


def _side(history: History, side: Side, plots: Sequence[Plot]) -> str:
    head = f"<h2>{escape(side.name)}</h2>{words.story(history, side)}"
    return f'<section class="side" style="--rows:{len(plots) + 2}">{head}{"".join(map(render_plot, plots))}</section>'


def _data(history: History, plots: Sequence[Plot]) -> str:
    """Give what the pointer tells, as JSON that cannot end its script element."""
    columns = [[[mark.name, list(column)] for mark, column in plot.columns] for plot in plots]
    moments = [history.wall(at) for at in history.times()]
    shares = [round(at / history.duration_seconds, 5) if history.duration_seconds else 0 for at in history.times()]
    return json.dumps({"moments": moments, "shares": shares, "plots": columns}, separators=(",", ":")).replace(
        "</", "<\\/"
    )


def _text(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
