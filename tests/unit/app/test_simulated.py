"""The container of production with simulated parts: one for all worlds, and every part of a life is its own."""

from __future__ import annotations

from pathlib import Path

from doka.adapters.simulated.kafka import SimulatedSource
from doka.adapters.simulated.kinesis import SimulatedSink
from doka.adapters.simulated.letters import SimulatedLetters
from doka.adapters.simulated.plan import Plan
from doka.adapters.simulated.telemetry import RecordingTelemetry
from doka.adapters.simulated.watchdog import SimulatedWatchdog
from doka.adapters.simulated.world import World
from doka.app.runtime import Runtime
from doka.app.simulated import SimulatedService
from doka.domain.events import StopRequested
from doka.domain.rules import LimitRules

PORTS = ("_source", "_sink", "_letters", "_background", "_inbox", "_clock", "_telemetry", "_within")


def _begin(service: SimulatedService, world: World) -> Runtime:
    return service.begin(world, world.begin_life(), RecordingTelemetry())


def test_every_port_is_of_the_simulated_world() -> None:
    """Nothing that reaches outside is behind any port of a simulated loop."""
    world = World(Plan(seed=1))
    life = world.begin_life()
    telemetry = RecordingTelemetry()
    runtime = SimulatedService().begin(world, life, telemetry)

    assert (SimulatedSource, SimulatedSink, SimulatedLetters) == tuple(
        type(getattr(runtime, port)) for port in PORTS[:3]
    )
    assert (world.clock, life.inbox, telemetry) == (runtime._clock, runtime._inbox, runtime._telemetry)
    assert isinstance(runtime._within, SimulatedWatchdog)


def test_the_rules_of_the_plan_are_those_of_the_loop() -> None:
    """The drain of the loop and the limits of the machine come from the plan, by the providers of production."""
    plan = Plan(seed=1, limits=LimitRules(drain=7, ahead_records=11))
    runtime = _begin(SimulatedService(), World(plan))

    assert (7, plan.rules()) == (runtime._drain, runtime._forwarder._rules)


def test_two_lives_share_no_part() -> None:
    """What a dead process held is not in the next one, in the same world or in another."""
    service = SimulatedService()
    world = World(Plan(seed=1))
    first, second, third = _begin(service, world), _begin(service, world), _begin(service, World(Plan(seed=2)))

    lives = [{id(getattr(runtime, port)) for port in (*PORTS, "_forwarder")} for runtime in (first, second)]
    assert {id(world.clock)} == lives[0] & lives[1]
    others = {id(getattr(third, port)) for port in (*PORTS, "_forwarder")}
    assert set() == others & (lives[0] | lives[1])


def test_a_life_in_it_runs_and_ends() -> None:
    """The loop that the container gives forwards in virtual time until it is asked to stop."""
    service = SimulatedService()
    world = World(Plan(seed=1))
    life = world.begin_life()
    life.inbox.put(StopRequested("test"))

    ending = service.begin(world, life, RecordingTelemetry()).run()
    assert (0, "stopped by test") == (ending.code, ending.reason)


def test_the_simulation_wires_no_loop_of_its_own() -> None:
    """A second place that builds a Runtime would judge a service that is not the one of production."""
    texts = {path.name: path.read_text() for path in Path("tests/simulation").rglob("*.py")}
    assert [] == [name for name, text in texts.items() if "Runtime(" in text]
    assert "service_of_this_process()" in texts["runner.py"]
