"""The words and the table of the page: verdicts, the story of each side, the sums."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from doka.app.simulate.history import (
    BROKEN,
    CLEAN,
    DISORDERED,
    DOUBLED,
    LATE,
    LOST,
    WAITS,
    Fault,
    History,
    Side,
    Totals,
)

HEADLINES: dict[str, str] = {
    CLEAN: "All delivered, in order.",
    WAITS: "Nothing is lost; records wait in Kafka.",
    LATE: "Nothing is lost, but it came later than was promised.",
    DOUBLED: "More duplicates than the faults explain.",
    DISORDERED: "Order was broken.",
    LOST: "Records are gone, and nobody was told.",
    BROKEN: "The service broke.",
}
TONES: dict[str, str] = {CLEAN: "good", WAITS: "warn", LATE: "warn"}
"""Of a verdict; every other is bad."""

_ROWS: tuple[tuple[str, Callable[[Totals], str]], ...] = (
    ("written to Kafka", lambda t: f"{t.produced:,}"),
    ("in the stream", lambda t: f"{t.delivered:,}"),
    ("lost", lambda t: f"{t.lost:,}"),
    ("waiting in Kafka", lambda t: f"{t.waiting:,}"),
    ("in the dead letters, or dropped as asked", lambda t: f"{t.settled_otherwise:,}"),
    ("duplicates", lambda t: f"{t.duplicates:,} (of at most {t.duplicates_explained:,})"),
    ("out of order", lambda t: f"{t.out_of_order:,}"),
    ("highest lag ever shown", lambda t: f"{t.most_lag:,}"),
    ("longest delay of a record", lambda t: lasting(t.longest_delay)),
    ("longest stall", lambda t: lasting(t.longest_stall)),
    ("puts, of these refused", lambda t: f"{t.puts:,}, {t.puts_refused:,}"),
    ("entries refused inside puts", lambda t: f"{t.entries_refused:,}"),
    ("leases used, refused", lambda t: f"{t.leases:,}, {t.leases_refused:,}"),
    ("calls of STS an hour", lambda t: f"{t.sts_calls_per_hour:.2f}"),
    ("processes", lambda t: f"{t.lives:,}"),
)


def lasting(seconds: float) -> str:
    """Write a duration as people say it: 310 ms, 1.5 s, 5 min, 61 h 59 min."""
    if 0 < seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:  # noqa: PLR2004 - two minutes
        return f"{seconds:.1f} s".replace(".0 ", " ")
    minutes = round(seconds / 60)
    if minutes < 120:  # noqa: PLR2004 - two hours
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def card(history: History, side: Side) -> str:
    """Give the verdict of one side in large letters."""
    totals, tone = side.totals, TONES.get(side.verdict, "bad")
    since = "" if totals.first_lost_at is None else f", from {history.wall(totals.first_lost_at)} on"
    delay = "some never landed" if totals.lost else f"longest delay {lasting(totals.longest_delay)}"
    leases = "1 lease" if totals.leases == 1 else f"{totals.leases:,} leases"
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in side.reasons)
    return (
        f'<section class="card {tone}"><h2>{escape(side.name)} <small>{escape(side.policy)}</small></h2>'
        f'<p class="big">{totals.lost:,} <small>of {totals.produced:,} lost{since}</small></p>'
        f"<p><b>{escape(HEADLINES.get(side.verdict, side.verdict))}</b> "
        f"{leases}, {delay}, {totals.duplicates:,} duplicates.</p>"
        f"{f'<ul>{reasons}</ul>' if reasons else ''}</section>"
    )


def story(history: History, side: Side) -> str:
    """Tell what happened, moment by moment."""
    lines = "".join(
        f'<li class="{escape(moment.tone)}"><time>{history.wall(moment.at_seconds)}</time> {escape(moment.told)}</li>'
        for moment in side.moments
    )
    return f'<ol class="story">{lines}</ol>'


def table(history: History) -> str:
    """Set the sums of all sides beside each other."""
    heads = "".join(f'<th scope="col">{escape(side.name)}</th>' for side in history.sides)
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(f"<td>{show(side.totals)}</td>" for side in history.sides)
        + "</tr>"
        for name, show in _ROWS
    )
    return f'<table><thead><tr><th scope="col">in numbers</th>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def faults(history: History) -> str:
    """List what was wrong in the world, which the plots shade."""
    if not history.faults:
        return '<p class="note">Nothing was wrong in this world but that tokens end.</p>'
    lines = "".join(f"<li><time>{_when(history, fault)}</time> {escape(fault.told)}</li>" for fault in history.faults)
    return f'<h2>What was wrong <i class="swatch fault"></i></h2><ol class="story">{lines}</ol>'


def _when(history: History, fault: Fault) -> str:
    if fault.until_seconds <= fault.from_seconds:
        return history.wall(fault.from_seconds)
    return f"{history.wall(fault.from_seconds)} to {history.wall(fault.until_seconds)}"
