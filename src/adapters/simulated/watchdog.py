"""The watchdog over virtual time: an action that takes too long ends the process, as the real one does."""

from __future__ import annotations

from collections.abc import Callable

from doka.adapters.simulated.life import Life
from doka.adapters.simulated.world import World


class SimulatedWatchdog:
    """Runs an action of one process under a deadline."""

    def __init__(self, world: World, life: Life) -> None:
        self._world = world
        self._life = life

    def __call__(self, action: Callable[[], None], deadline: int, late: Callable[[], None]) -> None:
        """Run `action`; after `deadline` ns call `late` and end the process."""
        over = False

        def bite() -> None:
            if not over and self._life.alive:
                late()
                self._life.doomed = True  # dies at its next step, which a hanging action takes all the time

        self._world.timeline.after(max(deadline, 0), bite)
        try:
            action()
        finally:
            over = True
