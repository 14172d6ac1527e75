"""The schema registry of a simulated world: it may be down, fail, or learn of a schema later than its producers do."""

from __future__ import annotations

from collections.abc import Callable

from doka.adapters.simulated.schemas import Reads
from doka.adapters.simulated.weather import draw_span
from doka.adapters.simulated.world import World
from doka.domain.commands import FetchSchemas
from doka.domain.events import Event, RegistryRefused, SchemasFetched


class SimulatedRegistry:
    """Asks the registry of the world over a way that takes time in both directions."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = world.chance.of("registry way")

    def ask(self, command: FetchSchemas, then: Callable[[Event], object]) -> None:
        """Ask without waiting; `then` is called with the answer."""
        world, chance = self._world, self._chance
        there, back = (draw_span(chance, world.delays.put) for _ in range(2))

        def arrive() -> None:
            event = self._look(command)
            world.timeline.after(back, lambda: then(event))

        world.timeline.after(there, arrive)

    def _look(self, command: FetchSchemas) -> Event:
        world, now = self._world, self._world.timeline.now
        if now < world.registry_down_until:
            return RegistryRefused(command.route, "not_connected", "it takes no connection")
        if world.rates.registry_failed and self._chance.random() < world.rates.registry_failed:
            return RegistryRefused(command.route, "http_500", "it answers HTTP 500")
        found = {schema: Reads(schema) if self._is_there(schema, now) else None for schema in command.schemas}
        return SchemasFetched(command.route, found)

    def _is_there(self, schema: str, now: int) -> bool:
        since = self._world.schemas_since.get(schema)
        return since is not None and now >= since
