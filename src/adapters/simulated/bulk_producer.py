"""Who writes into the bulk logs: a burst every few seconds, as large as the traffic of that time of the day."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from doka.adapters.simulated.bulk_landings import BulkLandings
from doka.adapters.simulated.bulk_log import BulkLog
from doka.adapters.simulated.world import World
from doka.domain.limits import NS_PER_SECOND


class BulkProducer:
    """Writes what `rate` asks for, to the record, from the start until `ends_at`; every log has its even share."""

    def __init__(
        self,
        world: World,
        logs: Sequence[BulkLog],
        landings: BulkLandings,
        *,
        rate: Callable[[float], float],
        every: int,
        ends_at: int,
    ) -> None:
        """Write a burst each `every` ns; `rate` gives records a second at so many seconds after the start."""
        self._world = world
        self._logs = logs
        self._landings = landings
        self._rate = rate
        self._every = every
        self._ends_at = ends_at
        self._began = self._last = world.timeline.now
        self._owed = 0.0  # records that were due and did not make a whole one
        self._turn = 0  # the log that gets the first odd record

    def start(self) -> None:
        """Plan the first burst, for the traffic up to then, and with it all others."""
        self._plan_next()

    def _plan_next(self) -> None:
        self._world.timeline.at(min(self._last + self._every, self._ends_at), self._burst)

    def _burst(self) -> None:
        world = self._world
        now = world.timeline.now
        self._owed += self._rate((now - self._began) / NS_PER_SECOND) * (now - self._last) / NS_PER_SECOND
        self._last = now
        records = int(self._owed + 1e-9)
        self._owed -= records
        count = len(self._logs)
        each, odd = divmod(records, count)
        for i, log in enumerate(self._logs):
            log.extend(each + ((i - self._turn) % count < odd), now)
        self._landings.wrote(records, now)
        self._turn = (self._turn + odd) % count
        world.progress()  # as long as somebody writes, the world goes on
        world.stir()
        if now < self._ends_at:
            self._plan_next()
        else:
            world.witness.production_ended()
