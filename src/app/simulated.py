"""The service in a simulated world: the container of production, the loop of production, other parts behind its ports.

The container is built once, whatever number of worlds and lives comes: a life overrides the providers of the ports with
its own parts, and the machine and its loop are made anew by the very providers that make them in production.
So there is no second way to wire a `Runtime` that could drift from the first.
Nothing that needs settings, a socket or a thread is ever built here.
"""

from __future__ import annotations

from typing import Any

from adapters.simulated.background import SimulatedBackground
from adapters.simulated.kafka import SimulatedSource
from adapters.simulated.kinesis import SimulatedSink
from adapters.simulated.letters import SimulatedLetters
from adapters.simulated.life import Life
from adapters.simulated.watchdog import SimulatedWatchdog
from adapters.simulated.world import World
from app.container import Container
from app.runtime import Runtime
from domain.ports import Inbox, Sink, Telemetry


class SimulatedService:
    """One container for all lives in all worlds; of each of its parts there is one at a time."""

    def __init__(self) -> None:
        self._container = Container(hostname="simulated", version="0", log_style="json")

    def begin(
        self, world: World, life: Life, telemetry: Telemetry, *, inbox: Inbox | None = None, sink: Sink | None = None
    ) -> Runtime:
        """Put the parts of this life in, and give its loop; what is not given is the world's own part."""
        container = self._container
        parts: dict[Any, object] = {  # Any: `Provider` declares its value, not that it can be overridden
            container.rules: world.plan.rules(),
            container.jitter: world.chance.of(f"jitter/{life.number}").random,
            container.clock: world.clock,
            container.inbox: life.inbox if inbox is None else inbox,
            container.within: SimulatedWatchdog(world, life),
            container.source: SimulatedSource(world, life),
            container.letters: SimulatedLetters(world, life),
            container.sink: SimulatedSink(world, life) if sink is None else sink,
            container.background: SimulatedBackground(world, life),
            container.telemetry: telemetry,
        }
        for provider, part in parts.items():
            provider.reset_override()
            provider.override(part)
        anew: tuple[Any, ...] = (container.forwarder, container.runtime)
        for singleton in anew:
            singleton.reset()
        return container.runtime()
