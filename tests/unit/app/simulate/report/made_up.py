"""A history that nobody ran, with the shape of the incident: what a page is drawn from in tests."""

from __future__ import annotations

from doka.app.simulate.history import (
    BAD,
    CLEAN,
    GOOD,
    ISSUED,
    LOST,
    REFUSED,
    RENEWED,
    Fault,
    History,
    LeaseWindow,
    Moment,
    Refusals,
    Series,
    Side,
    Totals,
)

HOUR = 3_600
HOURS = 63
STEPS = HOURS + 1
RATE = 100 * HOUR  # records a step


def incident() -> History:
    """Give 63 hours in hourly steps: one service stops delivering after the first hour, the other does not."""
    produced = tuple(i * RATE for i in range(STEPS))
    dead = tuple(min(each, RATE) for each in produced)
    behind = tuple(max(0, each - 250) for each in produced)
    zeros = (0,) * STEPS
    original = Side(
        "original",
        "never",
        Series(produced, dead, produced, zeros, zeros),
        (LeaseWindow("writer", ISSUED, 0, HOUR, serial=1),),
        (Refusals("ExpiredTokenException", (0, 0, *(720,) * (STEPS - 2))),),
        _totals(produced[-1], dead[-1], first_lost_at=float(HOUR), leases=1, refused=720 * (STEPS - 2)),
        LOST,
        ("62 hours of records were committed and never landed",),
        (Moment(HOUR, "the token ends; every put is refused, the error is swallowed", BAD),),
    )
    leases = tuple(
        LeaseWindow("writer", RENEWED if i else ISSUED, i * 3_000.0, i * 3_000.0 + HOUR, serial=i + 1)
        for i in range(HOURS * HOUR // 3_000)
    )
    refused = LeaseWindow("writer", REFUSED, 30_000.0, 30_000.0, "STS said <no> & hung up")
    doka = Side(
        "doka",
        "before_expiry",
        Series(produced, behind, behind, tuple(min(each, 250) for each in produced), (102_400,) * STEPS),
        (*leases, refused),
        (),
        _totals(produced[-1], produced[-1], first_lost_at=None, leases=len(leases), refused=0),
        CLEAN,
        (),
        (Moment(HOUR, "the second lease signs </script> already", GOOD),),
    )
    return History(
        "The weekend of the incident",
        7,
        "2026-01-09T18:00:00",
        float(HOURS * HOUR),
        float(HOUR),
        float(HOUR),
        (Fault("sts_down", 29_000.0, 31_000.0, "STS does not answer"),),
        (original, doka),
    )


def _totals(produced: int, delivered: int, *, first_lost_at: float | None, leases: int, refused: int) -> Totals:
    return Totals(
        produced=produced,
        delivered=delivered,
        committed=produced,
        lost=produced - delivered,
        waiting=0,
        settled_otherwise=0,
        duplicates=0,
        duplicates_explained=0,
        out_of_order=0,
        puts=produced // 500,
        puts_refused=refused,
        entries_refused=0,
        first_lost_at=first_lost_at,
        longest_delay=0.31,
        longest_stall=0.4,
        most_lag=250,
        leases=leases,
        leases_refused=0,
        sts_calls=leases,
        sts_calls_per_hour=leases / HOURS,
        lives=1,
    )
