"""The weekend of the incident: a deploy on Friday evening, tokens of an hour, and nobody who looks until Monday."""

from __future__ import annotations

from dataclasses import replace

from doka.app.simulate.history import BAD, GOOD, ISSUED, PLAIN, REFUSED, RENEWED, History, Moment, Side
from doka.app.simulate.judge import span
from doka.app.simulate.scene import DOKA, ORIGINAL, Scene, Traffic, simple_rules
from doka.domain.rules import RotationPolicy

WEEKEND_HOURS = 63.0  # Friday 18:00 to Monday 09:00
TOKEN_SECONDS = 3_600.0
LOOKS = (12.0, 36.0)  # hours after the deploy, when a dashboard is looked at


def incident_scene(side: str, *, hours: float = WEEKEND_HOURS, rate: float = 100.0, seed: int = 1) -> Scene:
    """Give the weekend for one side: the same world, and the rotation policy that the service had."""
    policy = RotationPolicy.NEVER if side == ORIGINAL else RotationPolicy.BEFORE_EXPIRY
    return Scene(
        title="The weekend of the incident",
        duration_seconds=hours * 3_600,
        token_seconds=TOKEN_SECONDS,
        seed=seed,
        traffic=Traffic(rate=rate),
        rules=simple_rules(policy),
    )


def told(history: History) -> History:
    """Tell each side's story as the weekend was: what was deployed, when its token ended, what the dashboards showed."""
    return replace(history, sides=tuple(replace(side, moments=_moments(history, side)) for side in history.sides))


def _moments(history: History, side: Side) -> tuple[Moment, ...]:
    issued = next(window for window in side.leases if window.outcome == ISSUED)
    renewed = [window for window in side.leases if window.outcome == RENEWED]
    token = history.wall(issued.until_seconds)
    story = [Moment(0.0, f"deployed; its token ends {token}")]
    if renewed:
        first = renewed[0]
        early = span(issued.until_seconds - first.from_seconds)
        story.append(Moment(first.from_seconds, f"token renewed, {early} before its end", GOOD))
        if len(renewed) > 1:
            story.append(Moment(renewed[1].from_seconds, f"... and again, {len(renewed)} times in all", GOOD))
    elif issued.until_seconds < history.duration_seconds:
        story.append(Moment(issued.until_seconds, "token ends; nobody renews it", BAD))
    for refused in side.refusals:
        first_step = next(i for i, count in enumerate(refused.counts) if count)
        at = side.totals.first_lost_at or history.times()[max(first_step - 1, 0)]
        story.append(Moment(at, f"put refused: {refused.code}", BAD))
    if side.totals.first_lost_at is not None:
        story.append(Moment(side.totals.first_lost_at, "the error is logged, the offset moves on", BAD))
    story += [_look(history, side, hours * 3_600) for hours in LOOKS if hours * 3_600 < history.duration_seconds]
    story.append(_end(history, side))
    return tuple(sorted(story, key=lambda moment: moment.at_seconds))


def _look(history: History, side: Side, at: float) -> Moment:
    """Tell what a dashboard of the consumer group shows, and what is true."""
    place = min(range(len(history.times())), key=lambda i: abs(history.times()[i] - at))
    series = side.series
    gone = series.committed[place] - series.delivered[place]
    if gone > 0:
        return Moment(at, f"lag {series.lag[place]:,}: looks healthy; {gone:,} gone by now", BAD)
    return Moment(at, f"lag {series.lag[place]:,}; {series.delivered[place]:,} delivered", PLAIN)


def _end(history: History, side: Side) -> Moment:
    totals = side.totals
    if totals.lost:
        return Moment(history.duration_seconds, f"somebody looks: {totals.lost:,} records are gone", BAD)
    if totals.waiting:
        return Moment(history.duration_seconds, f"{totals.waiting:,} records wait in Kafka", PLAIN)
    return Moment(history.duration_seconds, f"all {totals.delivered:,} records delivered", GOOD)


def moral(history: History) -> tuple[str, ...]:
    """Say in a few sentences what happened, with this run's own numbers."""
    original, doka = history.side(ORIGINAL), history.side(DOKA)
    refused = sum(window.outcome == REFUSED for window in doka.leases)
    lines: list[str] = []
    if original.totals.lost and original.totals.first_lost_at is not None:
        lines.append(
            f"The original lost {original.totals.lost:,} records from {history.wall(original.totals.first_lost_at)} on. "
            f"Its lag was never above {original.totals.most_lag:,} records, so no alarm went off: "
            "it committed what it had not delivered."
        )
    elif not original.totals.lost:
        lines.append("The original lost nothing: its token outlived this run.")
    lines.append(
        f"doka lost {doka.totals.lost:,}: it renews a token before its end ({doka.totals.leases} leases, {refused} refused), "
        "and commits an offset only when all below it has landed. Had no token come, the records would have waited in "
        "Kafka, the lag would have risen, and readiness would have said why."
    )
    return tuple(lines)
