"""The machine in the simulator: itself, but some of the turns that it passes over are judged.

A forgotten moment is hard to see from outside: the next event, or the next look at the latest, makes up for it.
"""

from __future__ import annotations

from doka.domain.backoff import Jitter
from doka.domain.commands import PausePartitions
from doka.domain.facts import PartitionStuck
from doka.domain.forwarder import Forwarder
from doka.domain.rules import Rules
from doka.domain.turn import Decision
from tests.simulation.invariants.violation import ViolationError

JUDGED_EVERY = 8
"""Turns that are passed over; to judge one costs as much as a turn. All are 2 of 100 calls of a run (as for LOOK_EVERY)."""
LOOKED_FOR = (PausePartitions, PartitionStuck)
"""What a look at the partitions finds: one is foreseen every 100 ms while it is needed, and a full turn may take one before."""


class JudgedForwarder(Forwarder):
    """Decides as the machine does; a turn passed over must have had nothing to decide: I9."""

    def __init__(self, rules: Rules, jitter: Jitter) -> None:
        super().__init__(rules, jitter)
        self._passed_over = 0

    def decide(self, now: int) -> Decision:
        """Give the machine's own decision; now and then take one anew where it holds that nothing can have changed."""
        before = self._decided
        decided = super().decide(now)
        if decided is before:
            self._passed_over += 1
            if self._passed_over % JUDGED_EVERY == 0:
                return self._anew(now)
        return decided

    def _anew(self, now: int) -> Decision:
        """Decide once more; where no look at the partitions is foreseen, one finds nothing either."""
        before, self._decided = self._decided, None
        awaited: tuple[type, ...] = LOOKED_FOR
        if self._intake.next_look(self._partitions.values()) is None:
            self._turn.look, awaited = True, ()
        decided = super().decide(now)
        missed = [c for c in decided.commands if not isinstance(c, awaited)]
        if missed:
            raise ViolationError("I9", f"a turn was passed over in which {missed[0]} was to be decided")
        if before is not None and not decided.commands:
            was, now_is = (before.fetch, before.left), (decided.fetch, decided.left)
            if was != now_is:
                raise ViolationError(
                    "I9", f"a turn was passed over with {was} to fetch and to leave, and it is {now_is}"
                )
        return decided
