"""The service in a simulated world: the container of production, the loop of production, other parts behind its ports.

The container is built once, whatever number of worlds and lives comes: a life overrides the providers of the ports with
its own parts, and the machine and its loop are made anew by the very providers that make them in production.
So there is no second way to wire a `Runtime` that could drift from the first.
Nothing that needs settings, a socket or a thread is ever built here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from doka.adapters.simulated.background import SimulatedBackground
from doka.adapters.simulated.kafka import SimulatedSource
from doka.adapters.simulated.kinesis import SimulatedSink
from doka.adapters.simulated.letters import SimulatedLetters
from doka.adapters.simulated.life import Life
from doka.adapters.simulated.watchdog import SimulatedWatchdog
from doka.adapters.simulated.world import World
from doka.app.container import Container
from doka.app.runtime import Runtime
from doka.domain.backoff import Jitter
from doka.domain.forwarder import Forwarder
from doka.domain.ports import Inbox, Sink, Source, Telemetry
from doka.domain.rules import Rules

ForwarderFactory = Callable[[Rules, Jitter], Forwarder]
SourceFactory = Callable[[Callable[[int], int | None]], Source]


class SimulatedService:
    """One container for all lives in all worlds; of each of its parts there is one at a time."""

    def __init__(self) -> None:
        self._container = Container(hostname="simulated", version="0", log_style="json")

    def begin(
        self,
        world: World,
        life: Life,
        telemetry: Telemetry,
        *,
        inbox: Inbox | None = None,
        sink: Sink | None = None,
        source: SourceFactory | None = None,
        forwarder: ForwarderFactory | None = None,
    ) -> Runtime:
        """Put the parts of this life in, and give its loop; what is not given is the world's own part.

        `source` is made for the forwarder's `next_wake`, which says until when nothing can be decided; `forwarder` is
        what a test puts in the place of the machine.
        """
        container = self._container
        rules, jitter = world.plan.rules(), world.chance.of(f"jitter/{life.number}").random
        _put({container.rules: rules, container.jitter: jitter})
        machine = _anew(container.forwarder) if forwarder is None else forwarder(rules, jitter)
        _put(
            {
                container.forwarder: machine,
                container.clock: world.clock,
                container.inbox: life.inbox if inbox is None else inbox,
                container.within: SimulatedWatchdog(world, life),
                container.source: SimulatedSource(world, life) if source is None else source(machine.next_wake),
                container.letters: SimulatedLetters(world, life),
                container.sink: SimulatedSink(world, life) if sink is None else sink,
                container.background: SimulatedBackground(world, life),
                container.telemetry: telemetry,
            }
        )
        runtime: Runtime = _anew(container.runtime)
        return runtime


def _put(parts: dict[Any, object]) -> None:  # Any: `Provider` declares its value, not that it can be overridden
    for provider, part in parts.items():
        provider.reset_override()
        provider.override(part)


def _anew(singleton: Any) -> Any:
    """Give what the provider of production makes, made for this life."""
    singleton.reset_override()
    singleton.reset()
    return singleton()


@cache
def service_of_this_process() -> SimulatedService:
    """Give the one that all runs of this process share."""
    return SimulatedService()
