"""What one simulated run came to, as values: whatever is shown of a run is read from here, and from nothing else.

Every number comes from the world's log (who wrote what, what landed, what the group stored, what STS issued), never from
a counter of the service that is judged. Times are seconds after the start of the run, of virtual time.
Two runs of the same seed give the same history, and so the same JSON, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

VERSION = 1  # of the JSON; keys are added, never renamed

# Of a lease window.
ISSUED = "issued"
RENEWED = "renewed"
REFUSED = "refused"

# Of a side.
CLEAN = "clean"  # all delivered, once, in order, within the bound
WAITS = "waits"  # nothing is lost, and records still wait in Kafka: loud, and over when its cause is
LATE = "late"  # all delivered, but not within the stated bound
DOUBLED = "doubled"  # more duplicates than what befell the run explains
DISORDERED = "disordered"
LOST = "lost"
BROKEN = "broken"  # the service ended by itself, or turned in circles

# Of a moment.
PLAIN = "plain"
GOOD = "good"
BAD = "bad"


@dataclass(frozen=True, slots=True)
class Series:
    """Columns of equal length: entry i is the state at `i * History.step_seconds`, the first at the start.

    The last entry is the state at the end of the run, which may come sooner than a whole step after the one before.
    """

    produced: tuple[int, ...]
    """Records written to Kafka so far."""
    delivered: tuple[int, ...]
    """Records that are in the stream so far, each counted once."""
    committed: tuple[int, ...]
    """Records below the group's committed offsets."""
    lag: tuple[int, ...]
    """Records as every monitor of the consumer group shows them: end of the log minus committed offset."""
    held_bytes: tuple[int, ...]
    """Payload handed over to the service and not landed, and not given up either."""


@dataclass(frozen=True, slots=True)
class LeaseWindow:
    """One answer of STS: a lease from its issue to its end, or (`refused`, of no length) why there was none."""

    role: str
    outcome: str
    """`issued` (the first), `renewed` or `refused`."""
    from_seconds: float
    until_seconds: float
    """The end that STS gave it, or the moment at which it was revoked; may lie beyond the end of the run."""
    reason: str = ""
    """Why it was refused, or ended before its time."""
    serial: int = 0
    """Of the lease; 0 where there is none."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """Puts that came back refused with one code; entry i counts those of the step that ends at entry i of the series."""

    code: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that was wrong in the world."""

    kind: str
    from_seconds: float
    until_seconds: float
    """The same as `from_seconds` where it is over at once (a crash, a revocation)."""
    told: str
    """In words: `STS does not answer`."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the story."""

    at_seconds: float
    told: str
    tone: str = PLAIN
    """`plain`, `good` or `bad`."""


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of a run."""

    produced: int
    delivered: int
    """In the stream, each counted once."""
    committed: int
    """Below the committed offsets at the end."""
    lost: int
    """Below the committed offsets and nowhere: nobody will ever send them."""
    waiting: int
    """Not delivered and not committed: still in Kafka, and will be sent."""
    settled_otherwise: int
    """In the dead letters, or dropped because the operator asked for it."""
    duplicates: int
    duplicates_explained: int
    """How many duplicates the faults of the run allow at most."""
    out_of_order: int
    """Records that landed first after a later one of their key."""
    puts: int
    puts_refused: int
    entries_refused: int
    """Records refused inside puts that were answered 200."""
    first_lost_at: float | None
    """When the first record was committed that never landed; None when none is lost."""
    longest_delay: float
    """Seconds from writing to landing, at most; of those that never landed, until the end of the run."""
    longest_stall: float
    """Seconds during which records waited and none landed, at most."""
    most_lag: int
    """The highest lag that the consumer group ever showed."""
    leases: int
    leases_refused: int
    sts_calls: int
    sts_calls_per_hour: float
    lives: int
    """Processes that it took: 1, and one more for each crash."""


@dataclass(frozen=True, slots=True)
class Side:
    """One service in the world: what it did, and what became of the records."""

    name: str
    """`doka` or `original`."""
    policy: str
    """Its rotation policy in words."""
    series: Series
    leases: tuple[LeaseWindow, ...]
    refusals: tuple[Refusals, ...]
    totals: Totals
    verdict: str
    """The worst of what is true: `clean`, `waits`, `late`, `doubled`, `disordered`, `lost` or `broken`."""
    reasons: tuple[str, ...]
    """Why, a sentence each; empty when it is clean."""
    moments: tuple[Moment, ...] = ()
    """Its story, in order."""

    @property
    def failed(self) -> bool:
        """Whether a gate must close on it: something was lost, doubled beyond what is explained, disordered or late."""
        return self.verdict not in {CLEAN, WAITS}


@dataclass(frozen=True, slots=True)
class History:
    """The same world, run once for each side."""

    title: str
    seed: int
    start: str
    """Wall clock at the start, ISO 8601 without a zone: `2026-01-09T18:00:00`."""
    duration_seconds: float
    step_seconds: float
    token_seconds: float
    faults: tuple[Fault, ...]
    sides: tuple[Side, ...]

    def side(self, name: str) -> Side:
        """Give the side of this name. Raises KeyError when there is none."""
        for side in self.sides:
            if side.name == name:
                return side
        raise KeyError(name)

    def wall(self, at_seconds: float) -> str:
        """Write a moment as people do: `Fri 19:00`."""
        return wall_clock(self.start, at_seconds)

    def times(self) -> tuple[float, ...]:
        """Give the moment of each entry of the series, in seconds after the start."""
        count = len(self.sides[0].series.produced) if self.sides else 0
        return tuple(min(i * self.step_seconds, self.duration_seconds) for i in range(count))

    def to_data(self) -> dict[str, Any]:
        """Give it as plain lists, maps, numbers and text."""
        return {"version": VERSION, **asdict(self)}

    def to_json(self, indent: int | None = None) -> str:
        """Write it as JSON, the same for the same history to the last byte."""
        return json.dumps(self.to_data(), indent=indent, separators=None if indent else (",", ":"), allow_nan=False)


def wall_clock(start: str, at_seconds: float) -> str:
    """Write a moment so many seconds after an ISO 8601 start: `Fri 19:00`."""
    return (datetime.fromisoformat(start) + timedelta(seconds=at_seconds)).strftime("%a %H:%M")


def uneven(series: Series) -> Sequence[str]:
    """Name the columns that are not as long as the first: none, in a series that can be drawn."""
    return [f.name for f in fields(series) if len(getattr(series, f.name)) != len(series.produced)]
