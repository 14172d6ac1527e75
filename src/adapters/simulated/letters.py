"""The dead-letter port over the simulated network: stored or not, acknowledged or not, in its time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from doka.adapters.simulated.life import Life
from doka.adapters.simulated.weather import draw_fate, draw_span
from doka.adapters.simulated.world import World
from doka.domain.commands import SendLetter
from doka.domain.errors import invariant
from doka.domain.events import Event, LetterAcknowledged, LetterRefused
from doka.domain.limits import NS_PER_MS

GIVEN_UP_AFTER_NS = 200 * NS_PER_MS


class SimulatedLetters:
    """The letters of one process; each is answered exactly once while the process lives."""

    def __init__(self, world: World, life: Life) -> None:
        self._world = world
        self._life = life
        self._chance = world.chance.of(f"letters/{life.number}")
        self._answers: deque[Event] = deque()
        self._closed = False

    def submit(self, command: SendLetter) -> None:
        """Start one letter."""
        world, chance = self._world, self._chance
        world.step(self._life)
        invariant(not self._closed, "a letter was submitted after the dead letters were closed")
        rates = world.rates
        fate = draw_fate(chance, (("refused", rates.letter_refused), ("unacknowledged", rates.letter_unacknowledged)))
        if world.timeline.now < world.letters_down_until:
            fate = "down"
        world.witness.letter_began(command)
        world.trace.note("letter", command.letter, command.partition, command.offset, command.code, fate)
        there = draw_span(chance, world.delays.commit)
        back = draw_span(chance, world.delays.commit)
        if fate == "down":
            refused = LetterRefused(command.letter, "_MSG_TIMED_OUT")
            world.timeline.after(GIVEN_UP_AFTER_NS, lambda: self._answer(command, refused))
            return

        def arrive() -> None:
            event: Event
            if fate == "refused":
                event = LetterRefused(command.letter, "NOT_ENOUGH_REPLICAS")
            else:
                world.store_letter(command.partition, command.offset, command.route)
                event = LetterAcknowledged(command.letter)
                if fate == "unacknowledged":
                    event = LetterRefused(command.letter, "_MSG_TIMED_OUT")
            world.timeline.after(back, lambda: self._answer(command, event))

        world.timeline.after(there, arrive)

    @property
    def waiting(self) -> bool:
        """Whether an answer has arrived."""
        return bool(self._answers)

    def answers(self) -> Sequence[Event]:
        """Give the answers that have arrived."""
        if not self._answers:
            return ()
        taken = list(self._answers)
        self._answers.clear()
        return taken

    def close(self) -> None:
        """Give up what is still under way: it may be stored all the same, and nobody hears of it."""
        self._closed = True
        self._answers.clear()

    def _answer(self, command: SendLetter, event: Event) -> None:
        if self._life.alive and not self._closed:
            self._answers.append(event)
            self._world.witness.letter_answered(command, event)
