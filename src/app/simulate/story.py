"""The story of a run in lines: what a person would have seen, had somebody watched the world's log."""

from __future__ import annotations

from doka.app.simulate.history import BAD, GOOD, PLAIN, REFUSED, LeaseWindow, Moment, Totals, wall_clock
from doka.app.simulate.judge import span
from doka.app.simulate.observer import Observer, seconds
from doka.app.simulate.scene import AT_ONCE, Scene


def moments_of(observer: Observer, totals: Totals, scene: Scene) -> tuple[Moment, ...]:
    """Tell a run: its faults, its leases, its refusals, its losses, its stalls and its end, in order."""
    told: list[Moment] = []
    for trouble in scene.troubles:
        told.append(Moment(trouble.from_seconds, trouble.told, BAD))
        if trouble.kind not in AT_ONCE and trouble.until_seconds < scene.duration_seconds:
            told.append(Moment(trouble.until_seconds, f"over: {trouble.told}"))
    windows = observer.lease_windows()
    told += _leases(windows, scene)
    told += [Moment(at, f"first put refused: {code}", BAD) for code, at in observer.first_refused.items()]
    if totals.first_lost_at is not None:
        told.append(Moment(totals.first_lost_at, "the offset moves on over records that never landed", BAD))
    ended = observer.world.timeline.now
    for began, until in observer.landings.stalls:
        if until < ended:
            told.append(Moment(seconds(until), f"delivers again, after {span(seconds(until) - seconds(began))}", GOOD))
    told.append(_ending(totals, scene))
    return tuple(sorted(told, key=lambda moment: moment.at_seconds))


def _leases(windows: tuple[LeaseWindow, ...], scene: Scene) -> list[Moment]:
    """Tell the first lease, every stretch without an answer, and every end that nothing followed."""
    told: list[Moment] = []
    refused: LeaseWindow | None = None
    issued = [window for window in windows if window.outcome != REFUSED]
    for window in windows:
        if window.outcome != REFUSED:
            if refused is not None:
                told.append(Moment(window.from_seconds, "STS gives a lease again", GOOD))
            elif window is issued[0]:
                told.append(Moment(window.from_seconds, f"first lease, until {_at(window.until_seconds, scene)}"))
            refused = None
        elif refused is None:
            refused = window
            told.append(Moment(window.from_seconds, f"STS gives no lease: {window.reason}", BAD))
    for role in dict.fromkeys(window.role for window in issued):
        last = max(window.until_seconds for window in issued if window.role == role)
        if last < scene.duration_seconds:
            told.append(Moment(last, "the last lease ends, and nobody asked for another", BAD))
    return told


def _ending(totals: Totals, scene: Scene) -> Moment:
    lag = totals.produced - totals.committed
    told = f"{totals.delivered:,} of {totals.produced:,} records delivered, lag {lag:,}, {totals.lost:,} lost"
    tone = BAD if totals.lost else PLAIN if totals.waiting else GOOD
    return Moment(scene.duration_seconds, told, tone)


def _at(at_seconds: float, scene: Scene) -> str:
    return wall_clock(scene.start, at_seconds)
