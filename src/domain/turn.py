"""What follows from what has happened: what an event's handling is given to write to, and what the loop gets of it.

Theory of operation. Between two decisions the machine has one `Turn`. Whatever handles an event, or decides, adds to it
what follows, in the order in which it follows. Only the forwarder takes from it: at a decision all of it, and before that
what a halt, or a partition that is gone, has made void.
The `Decision` hands its commands to the loop, with all else that the loop has to know before it waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from doka.domain.commands import Command
from doka.domain.held.ledger import OffsetLedger
from doka.domain.limits import NS_PER_SECOND

LOOK_AGAIN_NS = NS_PER_SECOND
"""A decision is never older than this, whatever was foreseen."""

_NEVER = 1 << 63

Moments = Callable[[int], Iterable[int | None]]
"""Gives the moments that are foreseen at a given time; those that are not after it do not count."""


@dataclass(slots=True, eq=False)
class Turn:
    """Consequences of what has happened since the last decision."""

    commands: list[Command] = field(default_factory=list)
    """What shall be done and told, in that order."""
    moved: dict[OffsetLedger, None] = field(default_factory=dict)
    """Whose watermark may have moved: it is to be committed, and what waited behind it may come in."""
    look: bool = False
    """Whether somebody may have to wait now, or may go on: every partition is looked at."""


class Left(NamedTuple):
    """What is left to do while partitions are given back."""

    drained: bool
    """Whether nothing that was sent is open any more."""
    committed: bool
    """Whether Kafka is known to hold every watermark, and what was committed last of partitions that went during a stop."""
    holes: int
    """Records that landed above what can be committed: they will land again."""
    gone: int = 0
    """Records of partitions that went during a stop before they were settled and committed: they will land again, or may."""


@dataclass(slots=True, eq=False)
class Decision:
    """What shall be done now, and what the loop may do until something happens.

    It lasts until the next event, or the first moment at which time alone decides something; the moments are asked for
    only when a turn comes that has no event, and once.
    """

    commands: Sequence[Command]
    """What shall be done and told, in the order in which it shall be."""
    fetch: int | None
    """How many records may be fetched; 0: none can come, since all is paused, but callbacks are due; None: do not ask."""
    in_flight: int
    """How many requests are in flight."""
    left: Left | None
    """Told while partitions are given back."""
    at: int
    """When it was taken."""
    lingers_until: int
    """Before when a few records more would not leave anyway, whatever route they are of."""
    moments: Moments
    """Gives the moments that are foreseen."""
    _until: int = 0
    """Until when it lasts; 0 where nobody has asked yet."""

    def lasts(self, now: int) -> bool:
        """Say whether there is nothing to decide at `now`, as long as nothing has happened."""
        return now - self.at < LOOK_AGAIN_NS and now < (self._until or self._foresee())

    def until(self) -> int | None:
        """Give the next moment at which time alone lets something be decided; None when only an event does."""
        until = self._until or self._foresee()
        return None if until == _NEVER else until

    def expires(self) -> None:
        """Note that something is left to be decided: it lasts for no time at all."""
        self._until = self.at

    def _foresee(self) -> int:
        at = self.at
        until = _NEVER
        for moment in self.moments(at):
            if moment is not None and at < moment < until:
                until = moment
        self._until = until
        return until
