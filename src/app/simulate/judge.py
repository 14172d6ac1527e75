"""What follows from the world's log: the sums of a run, its verdict, and why in sentences.

The same rules judge doka and the original: a record below a committed offset that is nowhere is lost, whoever lost it.
"""

from __future__ import annotations

from doka.app.simulate.history import BROKEN, CLEAN, DISORDERED, DOUBLED, LATE, LOST, WAITS, Totals
from doka.app.simulate.observer import Observer, seconds
from doka.app.simulate.scene import Scene
from doka.domain.limits import NS_PER_SECOND
from doka.domain.rules import Ordering


def totals_of(observer: Observer, scene: Scene) -> Totals:
    """Sum a run up; called once, when it is over."""
    landings, world = observer.landings, observer.world
    landings.end(world.timeline.now)
    partitions = landings.partitions.values()
    lost = sum(p.missing(0, p.committed) for p in partitions)
    waiting = sum(p.missing(p.committed, p.log.end) for p in partitions)
    leases = [window for window in observer.leases if window.serial]
    return Totals(
        produced=landings.produced,
        delivered=landings.landed,
        committed=sum(p.committed for p in partitions),
        lost=lost,
        waiting=waiting,
        settled_otherwise=sum(len(p.otherwise) for p in partitions),
        duplicates=landings.duplicates,
        duplicates_explained=observer.explained,
        out_of_order=_out_of_order(observer, scene),
        puts=observer.puts,
        puts_refused=observer.puts_refused,
        entries_refused=observer.entries_refused,
        first_lost_at=_first_lost(observer) if lost else None,
        longest_delay=round(landings.longest_delay / NS_PER_SECOND, 3),
        longest_stall=round(landings.longest_stall / NS_PER_SECOND, 3),
        most_lag=landings.most_lag,
        leases=len(leases),
        leases_refused=len(observer.leases) - len(leases),
        sts_calls=observer.sts_calls * scene.hops,
        sts_calls_per_hour=round(observer.sts_calls * scene.hops / (scene.duration_seconds / 3_600), 2),
        lives=world.lives,
    )


def judge(totals: Totals, observer: Observer, scene: Scene, broken: str | None) -> tuple[str, tuple[str, ...]]:
    """Give the verdict, and a sentence for each thing that is not as it should be, the worst first.

    `broken` tells why the service ended by itself, or could not be run to the end.
    """
    found: list[tuple[str, str]] = []
    if totals.lost:
        when = "" if totals.first_lost_at is None else f", the first {span(totals.first_lost_at)} after the start"
        taken = f"; retention took {observer.trimmed:,} before they landed" if observer.trimmed else ""
        found.append((LOST, f"{_records(totals.lost)} lost: below the committed offset, and nowhere{when}{taken}"))
    if broken is not None:
        found.append((BROKEN, broken))
    if observer.landings.strange_keys:
        found.append((BROKEN, f"{observer.landings.strange_keys:,} records landed under a key that is not theirs"))
    if observer.left_out_sent:
        found.append((BROKEN, f"{_records(observer.left_out_sent)} sent that the route's function leaves out"))
    if observer.unsteady:
        told = f"the route's function made something else of {observer.unsteady:,} records when it was given them again"
        found.append((BROKEN, told))
    if observer.too_early and not totals.lost:
        found.append((BROKEN, "an offset was committed before all records below it had landed"))
    if totals.out_of_order:
        found.append((DISORDERED, f"{totals.out_of_order:,} records landed after a later one of their key"))
    if totals.duplicates > totals.duplicates_explained:
        told = f"{totals.duplicates:,} duplicates, and what befell the run explains {totals.duplicates_explained:,}"
        found.append((DOUBLED, told))
    if scene.delay_seconds is not None and totals.longest_delay > scene.delay_seconds:
        told = f"a record took {span(totals.longest_delay)}; the stated bound is {span(scene.delay_seconds)}"
        found.append((LATE, told))
    if totals.waiting:
        told = f"{_records(totals.waiting)} still waiting in Kafka; no offset of them was committed"
        found.append((LATE if scene.must_deliver else WAITS, told))
    return (found[0][0] if found else CLEAN), tuple(told for _, told in found)


def _first_lost(observer: Observer) -> float | None:
    """Find the first commit over a record that never landed."""
    for at, tp, first, last in observer.too_early:
        if observer.landings.partitions[tp].missing(first, last):
            return seconds(at)
    return None


def _out_of_order(observer: Observer, scene: Scene) -> int:
    """Count what was overtaken on routes that promise that nothing is; a simulated topic has its route's number."""
    strict = {f"t{i}" for i, route in enumerate(scene.rules.routes) if route.ordering is Ordering.KEY}
    return observer.landings.out_of_order(strict)


def _records(count: int) -> str:
    return "1 record is" if count == 1 else f"{count:,} records are"


def span(of: float) -> str:
    """Write a duration as people do: `6 ms`, `2.5 s`, `12 min`, `3 h 05 min`."""
    if of < 1:
        return f"{of * 1_000:.0f} ms"
    if of < 120:  # noqa: PLR2004 - from here on minutes are easier to read
        return f"{of:.1f} s" if of < 10 else f"{of:.0f} s"  # noqa: PLR2004 - and tenths before
    minutes = round(of / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"  # noqa: PLR2004
