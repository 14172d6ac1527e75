"""The source port that passes over the time in which the world stands still.

Theory of operation. The loop asks for records ten times a second, for the real client's sake. In virtual time nothing
at all changes between two effects of the timeline, and whoever fetches names the next moment at which time alone lets it
decide. So a fetch that waited its 100 ms in vain goes on waiting until the first of the two: at most one effect happens,
then the loop turns as ever. What is passed over are turns that find nothing and decide nothing, never a decision;
a test compares the commands of both ways. To the process it looks as if its host had not scheduled it for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from doka.adapters.simulated.kafka import SimulatedSource
from doka.adapters.simulated.life import Life
from doka.adapters.simulated.world import World
from doka.domain.events import Event
from doka.domain.limits import NS_PER_SECOND, SERVE_CALLBACKS_NS

DOZE_AT_MOST_NS = 3_600 * NS_PER_SECOND

NextWake = Callable[[int], int | None]
"""Gives the next moment at which time alone lets something be decided; None where there is none."""


class DozingSource(SimulatedSource):
    """Never sleeps over an effect, nor over the moment that whoever fetches has named."""

    def __init__(self, world: World, life: Life, next_wake: NextWake) -> None:
        super().__init__(world, life)
        self._next_wake = next_wake

    def fetch(self, limit: int, wait: int) -> Sequence[Event]:
        """Give what has arrived, as `SimulatedSource.fetch`; what waited in vain goes on to wait while nothing changes."""
        events = super().fetch(limit, 0)
        world = self._world
        now = world.timeline.now
        if events or not wait or self._life.inbox.waiting:
            return events
        until = now + wait
        if wait >= SERVE_CALLBACKS_NS:
            wake = self._next_wake(now)
            until = now + DOZE_AT_MOST_NS if wake is None else max(wake, until)
            # What ends without an effect: a stall of Kafka.
            stalls = (world.stalled_until, world.group.frozen_until, *world.unfetchable_until.values())
            until = min(until, *(stall for stall in stalls if stall > now), now + DOZE_AT_MOST_NS)
        world.timeline.step(until)
        return ()
