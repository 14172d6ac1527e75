"""Virtual time, and everything that is going to happen in it.

Theory of operation. An effect is a function and the moment at which it happens; effects of the same moment happen in
the order in which they were planned. Time moves only where somebody waits, never goes back, and costs nothing.
An effect may plan others, also for the present moment, and must never wait itself.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

from doka.domain.limits import NS_PER_SECOND

Effect = Callable[[], object]

START_NS = 1_000 * NS_PER_SECOND  # since a boot that nobody saw


class Timeline:
    """Effects happen in the order of their moments, each exactly once."""

    def __init__(self, start: int = START_NS) -> None:
        self.now = start
        self._planned: list[tuple[int, int, Effect]] = []
        self._order = 0

    def at(self, moment: int, effect: Effect) -> None:
        """Plan an effect; what lies in the past happens at the next opportunity."""
        self._order += 1
        heappush(self._planned, (max(self.now, moment), self._order, effect))

    def after(self, delay: int, effect: Effect) -> None:
        """Plan an effect so many ns from now."""
        self._order += 1
        heappush(self._planned, (self.now + delay if delay > 0 else self.now, self._order, effect))

    def step(self, until: int) -> bool:
        """Let the next effect happen if it is due by `until`, and say True; else move on to `until` and say False."""
        planned = self._planned
        if planned and planned[0][0] <= until:
            self.now, _, effect = heappop(planned)
            effect()
            return True
        self.now = max(self.now, until)
        return False

    def pass_to(self, moment: int) -> None:
        """Let everything happen that is due by `moment`, and move on to it."""
        planned = self._planned
        while planned and planned[0][0] <= moment:
            self.now, _, effect = heappop(planned)
            effect()
        self.now = max(self.now, moment)

    def run_next(self) -> bool:
        """Let the next effect happen, whenever that is; False when nothing is planned."""
        return bool(self._planned) and self.step(self._planned[0][0])
