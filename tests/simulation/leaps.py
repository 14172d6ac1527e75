"""The ports that leap over turns in which nothing happens and nothing is decided.

Theory of operation. The loop turns ten times a second where it is idle, and two hundred times where requests are in
flight. Most of these turns find nothing, and the machine, which says until when its decision lasts, passes them over
(`Decision.until`; rests.py and test_rests.py hold it to its word). So a port that has waited in vain waits on, step by step
of the very same length, until an effect leaves something for the process, or until the first moment at which time alone
lets the machine decide, or a status is due.
What is left out is the turn, never an effect, a step of the process, or a decision: a test runs worlds both ways, and to
the last event they are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from doka.adapters.simulated.kafka import SimulatedSource
from doka.adapters.simulated.kinesis import SimulatedSink
from doka.adapters.simulated.letters import SimulatedLetters
from doka.adapters.simulated.life import Life
from doka.adapters.simulated.world import World
from doka.app.runtime import BUSY_WAIT_NS, PUBLISH_EVERY_NS, Runtime
from doka.domain.events import Event
from doka.domain.forwarder import Forwarder
from doka.domain.limits import NS_PER_SECOND, SERVE_CALLBACKS_NS
from doka.domain.turn import LOOK_AGAIN_NS, Decision

QUIET_NS = 10 * NS_PER_SECOND
"""How often a status is published while all is quiet: as ends are asked."""
STILL_NS = 60 * NS_PER_SECOND
"""What has not moved for so long is quiet too: twice as long as a record may wait in silence, and as its wait needs to be told."""


class Rest:
    """Until when a turn of one process would find and decide nothing."""

    def __init__(self, world: World, life: Life, leapt: Callable[[], None]) -> None:
        self.published_at = 0
        self._world = world
        self._life = life
        self.leapt = leapt
        self.told_at: Callable[[], tuple[int, int]] = lambda: (0, 0)
        self._machine: Forwarder | None = None
        self._decided: Decision | None = None  # under which it rests
        self._letters: SimulatedLetters | None = None
        self._stands: list[tuple[int, int | None]] = []  # where each log ends, and up to where it is committed
        self._moved_at = 0

    def begins(self, runtime: Runtime) -> None:
        """Rest where this process does."""
        self._machine = runtime._forwarder
        letters = runtime._letters
        assert isinstance(letters, SimulatedLetters)
        self._letters = letters

    @property
    def found(self) -> bool:
        """Whether something besides records and answers to requests waits to be read."""
        return self._life.inbox.waiting or (self._letters is not None and self._letters.waiting)

    @property
    def over(self) -> bool:
        """Whether the rest is over: there is something to read, or a rebalance callback has decided anew.

        Or the process is to stand still, or its client is dead: these show in a turn.
        """
        machine = self._machine
        strange = self._life.suspended_for or self._world.consumer_dead
        return bool(self.found or strange or machine is None or machine._decided is not self._decided)

    def until(self) -> int:
        """Give the moment (ns) before which time alone lets nothing be decided or published; 0 where it is at work."""
        machine = self._machine
        decided = self._decided = None if machine is None else machine._decided
        if decided is None or machine is None or decided.left is not None or machine._halted is not None:
            return 0
        wake = decided.until()
        if decided.in_flight or not self._quiet:
            until = min(decided.at + LOOK_AGAIN_NS, self.published_at + PUBLISH_EVERY_NS)
        else:
            oldest, newest = self.told_at()
            published = self.published_at
            until = min(published, oldest) + QUIET_NS if newest <= published else published + PUBLISH_EVERY_NS
        return until if wake is None else min(until, wake)

    @property
    def _quiet(self) -> bool:
        """Whether all that was written is committed, or nothing of it moves, and nothing is wrong with Kafka."""
        world, committed = self._world, self._world.group.committed
        now = world.timeline.now
        stands = [(log.end, committed.get(tp)) for tp, log in world.logs.items()]
        if stands != self._stands:
            self._stands, self._moved_at = stands, now
        member = world.member
        return (
            member is not None
            and member.welcomed
            and not member.expelled
            and not world.restless
            and world.group.refused_until <= now
            and (now - self._moved_at >= STILL_NS or all(end == offset for end, offset in stands))
        )


class LeapingSource(SimulatedSource):
    """Waits on where a whole fetch has waited in vain."""

    def __init__(self, world: World, life: Life, rest: Rest) -> None:
        super().__init__(world, life)
        self._rest = rest
        rest.told_at = self._told_at

    def _told_at(self) -> tuple[int, int]:
        """Give when the ends of logs were heard of: of those that are owned the longest ago, and the last."""
        told = [at for _, at in self._told.values()]
        return (min(told), max(told)) if told else (0, 0)

    def fetch(self, limit: int, wait: int) -> Sequence[Event]:
        """Give what has arrived, as `SimulatedSource.fetch`; what waited its 100 ms in vain waits them again."""
        events = super().fetch(limit, wait)
        rest = self._rest
        if events or wait < SERVE_CALLBACKS_NS or rest.found:
            return events
        timeline, until = self._world.timeline, rest.until()
        while not events and timeline.now + SERVE_CALLBACKS_NS <= until and not rest.over:
            self._world.wait_step(self._life)
            if self._world.consumer_dead:
                return self._tell_failure()
            events = self._wait(limit, timeline.now + SERVE_CALLBACKS_NS)
            rest.leapt()
        return events

    def finds_nothing(self) -> bool:
        """Whether a fetch would find nothing."""
        return not self._stirred and not self._world.consumer_dead


class LeapingSink(SimulatedSink):
    """Waits on where a wait for answers was in vain, and there is nothing to fetch either."""

    def __init__(self, world: World, life: Life, rest: Rest, source: LeapingSource) -> None:
        super().__init__(world, life)
        self._rest = rest
        self._source = source

    def answers(self, wait: int) -> Sequence[Event]:
        """Give the answers that are there, as `SimulatedSink.answers`; what waited in vain waits again."""
        events = super().answers(wait)
        source, rest = self._source, self._rest
        if events or wait < BUSY_WAIT_NS or not source.finds_nothing() or rest.found:
            return events
        timeline, until = self._world.timeline, rest.until()
        while timeline.now + wait <= until and source.finds_nothing() and not rest.over:
            self._world.wait_step(self._life)  # as the fetch between two such waits does
            events = super().answers(wait)
            if events:
                break
        return events
