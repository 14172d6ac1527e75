"""An audit as one HTML page that needs nothing else: over time what is in Kafka, in the stream, missing, and there twice.

It has the looks of the page of a simulated run, and shows a judgement and nothing but it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from string import Template
from typing import Final

from doka.adapters.audit.file import AuditFile
from doka.app.audit.planning import shown
from doka.app.audit.telling import COMPLETE, LOST, Found, notes, places, rows, sentence
from doka.app.simulate.report.plots import Canvas, Mark, Plot
from doka.app.simulate.report.plots import render as render_plot
from doka.app.simulate.report.scales import TimeAxis, value_axis
from doka.domain.audit.fates import Fate, Judgement, Terms

NAMED_MAX: Final = 200
"""Of each fate that is named: what a person reads on a page; the file has all."""

IN_KAFKA = Mark("produced", "in Kafka")
IN_STREAM = Mark("delivered", "in the stream")
MISSING = Mark("gone", "lost")
TWICE = Mark("committed", "more than once")
BEHIND = Mark("delivered", "out of order")

_TONES: Final = {COMPLETE: "good", LOST: "bad"}
_LOOKS, _HERE = files("doka.app.simulate.report"), files("doka.app.audit")


def render(found: Found, file: AuditFile) -> str:
    """Give the page as HTML."""
    terms, judgement = found.terms, found.judgement
    times = TimeAxis(_moment(terms.since_ms), (terms.until_ms - terms.since_ms) / 1_000)
    moments, columns = _series(terms, judgement)
    plots = list(_plots(moments, columns, times))
    title = f"Audit of route {terms.route}"
    between = f"{shown(terms.since_ms)} to {shown(terms.until_ms)}"
    return Template((_HERE / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(title),
        style=(_LOOKS / "page.css").read_text(encoding="utf-8"),
        script=(_LOOKS / "page.js").read_text(encoding="utf-8"),
        subtitle=escape(f"{between}; group {terms.group}, stream {terms.stream}"),
        card=_card(found),
        plots="".join(map(render_plot, plots)),
        named=_named(found, file),
        table=_table(judgement),
        file=escape(str(found.path)),
        data=_data(terms, moments, plots),
    )


def _series(terms: Terms, judgement: Judgement) -> tuple[list[float], dict[Mark, list[int]]]:
    """Give the moments at which the parts of the window begin, in seconds after its start, and its end; and what each has."""
    width, buckets = judgement.bucket_ms, {each.start_ms: each for each in judgement.buckets}
    starts = range(terms.since_ms, terms.until_ms, width)
    columns: dict[Mark, list[int]] = {mark: [] for mark in (IN_KAFKA, IN_STREAM, MISSING, TWICE, BEHIND)}
    for start in (*starts, starts[-1]):  # the last part lasts to the end
        each = buckets.get(start)
        counts = (each.in_kafka, each.in_stream, each.lost, each.repeated, each.overtaken) if each else (0,) * 5
        for column, count in zip(columns.values(), counts, strict=True):
            column.append(count)
    return [*((start - terms.since_ms) / 1_000 for start in starts), (terms.until_ms - terms.since_ms) / 1_000], columns


def _plots(moments: Sequence[float], columns: dict[Mark, list[int]], times: TimeAxis) -> Iterator[Plot]:
    values = value_axis(columns[IN_KAFKA], columns[IN_STREAM])
    canvas = Canvas(moments, times, values)
    drawn = canvas.area(columns[IN_KAFKA], None, IN_KAFKA.kind) + canvas.line(columns[IN_STREAM], IN_STREAM.kind)
    both = (IN_KAFKA, IN_STREAM)
    yield Plot("Records", drawn, times, values, both, columns=[(mark, columns[mark]) for mark in both])
    for title, marks in (("Missing", (MISSING,)), ("More than once, out of order", (TWICE, BEHIND))):
        values = value_axis(*(columns[mark] for mark in marks))
        canvas = Canvas(moments, times, values)
        drawn = canvas.area(columns[MISSING], None, MISSING.kind) if marks == (MISSING,) else ""
        drawn += "".join(canvas.line(columns[mark], mark.kind) for mark in marks if mark is not MISSING)
        note = "" if any(any(columns[mark]) for mark in marks) else "none"
        told = [(mark, columns[mark]) for mark in marks]
        yield Plot(title, drawn, times, values, marks, note=note, tall=False, columns=told)


def _card(found: Found) -> str:
    judgement = found.judgement
    tone = _TONES.get(found.exit_code, "warn")
    stopped = [] if found.why_stopped is None else [f"Not all was read: {found.why_stopped}."]
    told = "".join(f"<li>{escape(line)}</li>" for line in (*stopped, *notes(found)))
    return (
        f'<section class="card {tone}"><h2>{escape(found.terms.route)}</h2>'
        f'<p class="big">{judgement.counts[Fate.LOST]:,} <small>of {judgement.records:,} lost</small></p>'
        f"<p><b>{escape(sentence(found))}</b></p>{f'<ul>{told}</ul>' if told else ''}</section>"
    )


def _named(found: Found, file: AuditFile) -> str:
    """Name the records that were not found, or not as they should be."""
    named = [
        (name, places(file, fate, NAMED_MAX))
        for fate, name in ((Fate.LOST, "Lost"), (Fate.REPEATED, "More than once"), (Fate.OVERTAKEN, "Out of order"))
        if found.judgement.counts[fate]
    ]
    return "".join(f"<h2>{name}</h2><p><code>{escape(told)}</code></p>" for name, told in named)


def _table(judgement: Judgement) -> str:
    lines = "".join(
        f'<tr><th scope="row" title="{escape(meaning)}">{escape(name)}</th><td>{count:,}</td></tr>'
        for count, name, meaning in rows(judgement)
    )
    return f'<table><thead><tr><th scope="col">in numbers</th><th scope="col">records</th></tr></thead><tbody>{lines}</tbody></table>'


def _data(terms: Terms, moments: Sequence[float], plots: Sequence[Plot]) -> str:
    """Give what the pointer tells, as JSON that cannot end its script element."""
    seconds = moments[-1] or 1
    told = {
        "moments": [shown(terms.since_ms + round(at * 1_000)) for at in moments],
        "shares": [round(at / seconds, 5) for at in moments],
        "plots": [[[mark.name, list(column)] for mark, column in plot.columns] for plot in plots],
    }
    return json.dumps(told, separators=(",", ":")).replace("</", "<\\/")


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1_000, UTC)
