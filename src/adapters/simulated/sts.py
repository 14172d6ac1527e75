"""The authority port over the simulated token service."""

from __future__ import annotations

from collections.abc import Callable

from doka.adapters.simulated.weather import draw_span
from doka.adapters.simulated.world import World
from doka.domain.errors import InvariantError
from doka.domain.events import Event

SLOW_FACTOR = 50


class SimulatedAuthority:
    """Asks the token service over a way that takes time in both directions."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = world.chance.of("sts way")

    def issue(self, role: str) -> Event:
        """Give `LeaseIssued` or `LeaseRefused`; virtual time passes until then."""
        answers: list[Event] = []
        self.ask(role, answers.append)
        while not answers:
            if not self._world.timeline.run_next():
                raise InvariantError("a question to the authority was never answered")
        return answers[0]

    def ask(self, role: str, then: Callable[[Event], object]) -> None:
        """Ask without waiting; `then` is called with the answer."""
        world, chance = self._world, self._chance
        asked_at = world.timeline.now
        there, back = (draw_span(chance, world.delays.sts) for _ in range(2))
        if asked_at < world.tokens.slow_until:
            there *= SLOW_FACTOR
        world.trace.note("lease_asked", role)

        def arrive() -> None:
            event = world.tokens.answer(role, asked_at)
            world.timeline.after(back, lambda: then(event))

        world.timeline.after(there, arrive)
