"""The machine turns: something happens, it decides, and every command and every place in it is judged."""

from __future__ import annotations

from doka.domain.events import Event
from doka.domain.forwarder import Forwarder
from tests.property.inside import look
from tests.property.orders import hear, obey
from tests.property.setup import Setup
from tests.property.state import State


class Turns(State):
    """One forwarder that is fed, and judged after each decision."""

    def __init__(self, setup: Setup, make: type[Forwarder] = Forwarder) -> None:
        super().__init__(setup, make)
        self.undecided = 0
        """How many events may come before the next decision."""
        self.broken = False

    def feed(self, event: Event) -> None:
        """Let something happen; a decision follows, unless some are held back."""
        self.trace.append(repr(event))
        self.broken = True  # unless the next line returns
        self.forwarder.handle(event, self.now)
        self.broken = False
        if self.undecided:
            self.undecided -= 1
        else:
            self.decide()

    def decide(self) -> None:
        """Take a decision, judge it, and look at everything."""
        self.broken = True  # unless all of this returns
        commands = self.forwarder.decide(self.now)
        for command in commands:
            hear(self, command)
        for command in commands:
            self.trace.append(f"  -> {command!r}")
            obey(self, command)
        self.farewell.clear()
        look(self)
        self.broken = False

    def wait(self, ns: int) -> None:
        """Let time pass."""
        self.trace.append(f"{ns / 1e9:g} s pass")
        self.now += ns
        self.decide()
