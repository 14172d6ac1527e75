"""The background port without threads: questions go over the simulated network, answers come into the inbox later.

At most one question for each role, and each stream and registry of a route, is on its way; a second is answered by the answer of the first.
"""

from __future__ import annotations

from doka.adapters.simulated.describer import SimulatedDescriber
from doka.adapters.simulated.life import Life
from doka.adapters.simulated.registry import SimulatedRegistry
from doka.adapters.simulated.sts import SimulatedAuthority
from doka.adapters.simulated.world import World
from doka.domain.commands import DescribeStream, FetchSchemas
from doka.domain.events import Event, LeaseRefused


class SimulatedBackground:
    """The questions of one process; what is answered after its death is read by nobody."""

    def __init__(self, world: World, life: Life) -> None:
        self._world = world
        self._life = life
        self._authority = SimulatedAuthority(world)
        self._describer = SimulatedDescriber(world)
        self._registry = SimulatedRegistry(world)
        self._unanswered: set[tuple[str, str]] = set()
        self._closed = False

    def request_lease(self, role: str) -> None:
        """Ask the authority for a lease of this role."""
        self._world.step(self._life)
        if self._closed:  # it was asked all the same
            self._world.witness.lease_asked(role)
        elif self._begins("lease", role):
            self._world.witness.lease_asked(role)
            self._authority.ask(role, lambda event: self._answered("lease", role, event))

    def describe_stream(self, command: DescribeStream) -> None:
        """Ask for the facts of a stream."""
        self._world.step(self._life)
        if self._begins("stream", command.route):
            self._describer.ask(command, lambda event: self._answered("stream", command.route, event))

    def fetch_schemas(self, command: FetchSchemas) -> None:
        """Ask the registry of a route for schemas."""
        self._world.step(self._life)
        if self._begins("schemas", command.route):
            self._registry.ask(command, lambda event: self._answered("schemas", command.route, event))

    def close(self) -> None:
        """Accept no more work and wait for none."""
        self._closed = True

    def _begins(self, kind: str, name: str) -> bool:
        if self._closed:
            return False
        if (kind, name) in self._unanswered:
            self._world.witness.asked_again(kind, name)
            return False
        self._unanswered.add((kind, name))
        return True

    def _answered(self, kind: str, name: str, event: Event) -> None:
        self._unanswered.discard((kind, name))
        if not self._life.alive:
            return
        if kind == "lease":
            granted = not isinstance(event, LeaseRefused)
            self._world.trace.note("lease_answered", name, "" if not isinstance(event, LeaseRefused) else event.code)
            self._world.witness.lease_answered(event)
            if granted:
                self._world.progress()
        self._life.inbox.put(event)
