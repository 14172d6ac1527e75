"""What a world leaves behind for its judge: who wrote what, what landed in which order, what was committed when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import orjson

from tests.chaos.plan import Moment
from tests.checking import KeyLog
from tests.fake_aws import Violation


class Landing(NamedTuple):
    """One record in the stream; those of an aggregate stand in its place, in their order."""

    payload: bytes
    serial: int
    """The lease that signed its put, and so the life that sent it: a life begins with a lease of its own."""
    request: str


@dataclass(frozen=True, slots=True)
class Kill:
    """What was found right after a SIGKILL."""

    round: int
    moment: Moment
    """What it met, which may not be what it was aimed at."""
    weather: str
    landed: int
    """Landings at the death: a commit of this life covers these at most, whenever the broker gets to it."""
    committed: Sequence[int]
    """The group's offset of each partition, asked for after the landings were counted."""
    leases: int
    """Leases that were issued up to here: later ones are of later lives."""
    torn: int
    """Puts of this life whose connection was reset after they were accepted."""
    seconds: float
    """How long it lived."""


@dataclass(frozen=True, slots=True)
class History:
    """One world, whole; `torn` is of its last life, which was not killed."""

    topic: str
    ahead_records: int
    acknowledged: Mapping[KeyLog, Sequence[int]]
    """Each key's records in the order in which they were produced: the offset that the broker gave to each."""
    landings: Sequence[Landing]
    kills: Sequence[Kill]
    committed: Sequence[int]
    log_ends: Sequence[int]
    torn: int
    violations: Sequence[Violation]
    """What the stand-in for AWS saw that no correct client does."""
    reloads: Mapping[str, int]
    """How many reloads were begun, accepted, taken, refused and taken back, as the service said."""
    faults: Mapping[str, int]
    """How often each kind of fault befell a put, as the stand-in counted."""

    def save(self, path: Path) -> None:
        """Write it as JSON, for a person who wants to know what happened."""
        whole = {
            "topic": self.topic,
            "ahead_records": self.ahead_records,
            "acknowledged": [[*log, list(offsets)] for log, offsets in self.acknowledged.items()],
            "kills": [asdict(kill) for kill in self.kills],
            "committed": self.committed,
            "log_ends": self.log_ends,
            "torn": self.torn,
            "faults": self.faults,
            "reloads": self.reloads,
            "violations": [each._asdict() for each in self.violations],
            "landings": [
                [each.payload.decode("utf-8", "replace"), each.serial, each.request] for each in self.landings
            ],
        }
        path.write_bytes(orjson.dumps(whole))
