"""Runs one scene: a world in virtual time, and in it doka's own loop, or the service of the incident.

doka is the production code from the loop inwards: Runtime, Forwarder, the ports. Nothing of it is modelled, and no
decision of it is skipped; only the outside is simulated. The original has a loop of its own on the same ports.
A process that dies or ends by itself is started again, as its supervisor would, until the scene is over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from doka.adapters.simulated.background import SimulatedBackground
from doka.adapters.simulated.bulk_landings import BulkLandings
from doka.adapters.simulated.bulk_log import BulkLog
from doka.adapters.simulated.bulk_producer import BulkProducer
from doka.adapters.simulated.bulk_sink import BulkSink
from doka.adapters.simulated.bulk_stream import BulkStream
from doka.adapters.simulated.dozing import DozingSource
from doka.adapters.simulated.incidents import plan_incidents
from doka.adapters.simulated.life import Life, ProcessDiedError
from doka.adapters.simulated.original import OriginalSink, SimulatedOriginal
from doka.adapters.simulated.timeline import START_NS
from doka.adapters.simulated.world import NoProgressError, Shape, World
from doka.app.simulate.history import Fault, History, Side
from doka.app.simulate.judge import judge, totals_of
from doka.app.simulate.observer import Observer
from doka.app.simulate.own_function import OwnFunctionPlayed
from doka.app.simulate.scene import AT_ONCE, CLOCK_WRONG, DOKA, ORIGINAL, Scene, plan_of
from doka.app.simulate.story import moments_of
from doka.app.simulated import service_of_this_process
from doka.domain.events import StopRequested
from doka.domain.facts import Fact
from doka.domain.forwarder import Forwarder
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.rules import KeyEncoding
from doka.domain.status import Status

LIVES_MAX = 300
LOOK_EVERY_NS = NS_PER_SECOND  # whether all is done, once the last record was written

Progress = Callable[[float], object]
"""Is told the share of the virtual time that has passed, now and then."""


class SilentTelemetry:
    """Hears nothing: what happened is in the world's log, and the service's own figures are no witness."""

    def fetched(self, partition: TopicPartition, records: int, payload_bytes: int) -> None:
        """Leave out."""

    def tell(self, fact: Fact) -> None:
        """Leave out."""

    def publish(self, status: Status) -> None:
        """Leave out."""

    def turned(self, now: int) -> None:
        """Leave out."""

    def ended(self, code: int, reason: str) -> None:
        """Leave out: the loop's ending says it."""


def run_scene(scene: Scene, sides: tuple[str, ...] = (ORIGINAL, DOKA), progress: Progress | None = None) -> History:
    """Run a scene once for each side, each in a world of its own that is the same to the last draw."""
    return history_of(scene, [run_side(scene, side, _part(progress, i, len(sides))) for i, side in enumerate(sides)])


def history_of(scene: Scene, sides: Sequence[Side]) -> History:
    """Put together what each side came to."""
    return History(
        title=scene.title,
        seed=scene.seed,
        start=scene.start,
        duration_seconds=scene.duration_seconds,
        step_seconds=scene.step_seconds,
        token_seconds=scene.token_seconds,
        faults=tuple(
            Fault(t.kind, t.from_seconds, t.from_seconds if t.kind in AT_ONCE else t.until_seconds, t.told)
            for t in scene.troubles
        ),
        sides=tuple(sides),
    )


def _part(progress: Progress | None, number: int, of: int) -> Progress | None:
    return None if progress is None else lambda done: progress((number + done) / of)


def run_side(
    scene: Scene, side: str, progress: Progress | None = None, *, forwarder: type[Forwarder] = Forwarder
) -> Side:
    """Run one service in a fresh world, to the end of the scene; `forwarder` is what a test puts in doka's place."""
    run = _Run(scene, side, forwarder, progress or (lambda _: None))
    broken = run.live()
    observer = run.observer
    observer.sample()
    totals = totals_of(observer, scene)
    verdict, reasons = judge(totals, observer, scene, broken)
    return Side(
        name=side,
        policy=scene.policy,
        series=observer.series(),
        leases=observer.lease_windows(),
        refusals=observer.refusals(),
        totals=totals,
        verdict=verdict,
        reasons=reasons,
        moments=moments_of(observer, totals, scene),
    )


@dataclass(frozen=True, slots=True)
class _Stage:
    """The world of one run and what was put into it."""

    world: World
    landings: BulkLandings
    logs: list[BulkLog]


def _set_stage(scene: Scene, observer: Observer) -> _Stage:
    """Build the world; its logs and streams are the bulk kind."""
    plan = plan_of(scene)
    played = [None if own is None else OwnFunctionPlayed(own) for own in scene.functions]
    if played:
        routes = zip(plan.rules().routes, played, strict=True)
        own_routes = tuple(r if p is None else replace(r, only=None, transform=p.as_transform()) for r, p in routes)
        plan = replace(plan, given=replace(plan.rules(), routes=own_routes))
    world = World(plan, observer)
    traffic = scene.traffic
    keys = max(1, traffic.keys // len(world.logs))
    logs: list[BulkLog] = []
    for number, tp in enumerate(list(world.logs)):
        log = BulkLog(tp, number, keys=keys, value_bytes=traffic.record_bytes)
        logs.append(log)
        world.logs[tp] = log  # type: ignore[assignment]  # it reads as a PartitionLog does
    for name in world.streams:
        world.streams[name] = BulkStream(name, scene.shards)
    functions = [each for each in played if each is not None]
    landings = BulkLandings(logs, by_landed_key=bool(functions))
    for each in functions:
        each.attach(landings)
    observer.attach(world, landings, functions)
    if functions:
        by_topic = {topic: each for topic, each in zip(world.routes, played, strict=True) if each is not None}
        world.shape_of = lambda tp, offset: by_topic[tp.topic].shape(tp, offset) if tp.topic in by_topic else Shape()
    return _Stage(world, landings, logs)


class _Run:
    """One service from the first record to the last commit, life after life."""

    def __init__(self, scene: Scene, side: str, forwarder: type[Forwarder], progress: Progress) -> None:
        self.observer = Observer()
        self._scene = scene
        self._side = side
        self._forwarder = forwarder
        self._progress = progress
        self._stage = _set_stage(scene, self.observer)
        self._ends_at = START_NS + int(scene.duration_seconds * NS_PER_SECOND)
        self._stopping = False
        self._own_keys = not any(scene.functions) and all(
            route.partition_key == "kafka_key" and route.key_encoding is KeyEncoding.UTF8
            for route in scene.rules.routes
        )

    def live(self) -> str | None:
        """Run to the end; give why it broke, None when it did not."""
        scene, world = self._scene, self._stage.world
        plan_incidents(world)
        self._plan_clock()
        began = datetime.fromisoformat(scene.start)
        midnight = began.hour * 3_600 + began.minute * 60 + began.second
        BulkProducer(
            world,
            self._stage.logs,
            self._stage.landings,
            rate=lambda at: scene.traffic.rate_at(midnight + at),
            every=int(scene.traffic.burst_seconds * NS_PER_SECOND),
            ends_at=self._ends_at,
        ).start()
        self._sample()
        world.timeline.at(self._ends_at, self._look)
        broken = None
        try:
            while not self._stopping:
                if world.lives == LIVES_MAX:
                    return f"it was started {LIVES_MAX} times and never came to an end"
                broken = self._one_life(world.begin_life()) or broken
                world.timeline.pass_to(world.timeline.now + world.plan.restart)
        except NoProgressError:
            return "it turned in circles: nothing in the world moved on"
        return broken

    # --- the clockwork -------------------------------------------------------------------------------------------

    def _sample(self) -> None:
        """Sample now and at every step before the end; the state at the end is sampled when all is over."""
        world, step = self._stage.world, int(self._scene.step_seconds * NS_PER_SECOND)
        self.observer.sample()
        world.trace.events.clear()  # nobody reads it, and a weekend of it would fill the memory
        self._progress((world.timeline.now - START_NS) / (self._ends_at - START_NS))
        if world.timeline.now + step < self._ends_at:
            world.timeline.after(step, self._sample)

    def _look(self) -> None:
        """Ask the service to stop once all is committed, or its time is up."""
        world, life = self._stage.world, self._stage.world.life
        done = all(p.committed == p.log.end for p in self._stage.landings.partitions.values())
        late = world.timeline.now >= self._ends_at + int(self._scene.settle_seconds * NS_PER_SECOND)
        if self.observer.all_written and (done or late) and life is not None:
            self._stopping = True
            life.inbox.put(StopRequested("the end of the simulation"))
        else:
            world.timeline.after(LOOK_EVERY_NS, self._look)

    def _plan_clock(self) -> None:
        world = self._stage.world
        for trouble in self._scene.troubles:
            if trouble.kind == CLOCK_WRONG:
                for moment, skew in ((trouble.from_seconds, trouble.clock_seconds), (trouble.until_seconds, 0.0)):
                    world.timeline.at(START_NS + int(moment * NS_PER_SECOND), _Skew(world, skew))

    # --- the services --------------------------------------------------------------------------------------------

    def _one_life(self, life: Life) -> str | None:
        """Run the process until it ends or dies; give why it broke, if it did."""
        broken = None
        try:
            if self._side == ORIGINAL:
                self._original(life)
            else:
                broken = self._doka(life)
        except ProcessDiedError:
            return None
        self.observer.life_ended()
        self._stage.world.end_life(life)
        return broken

    def _doka(self, life: Life) -> str | None:
        world = self._stage.world
        runtime = service_of_this_process().begin(
            world,
            life,
            SilentTelemetry(),
            source=lambda next_wake: DozingSource(world, life, next_wake),
            sink=BulkSink(world, life, self._stage.landings, own_keys=self._own_keys),
            forwarder=self._forwarder,
        )
        ending = runtime.run()
        return ending.reason if "please report" in ending.reason else None

    def _original(self, life: Life) -> None:
        world = self._stage.world
        rules = world.plan.rules()
        service = SimulatedOriginal(
            rules.roles[0],
            {topic: routes[0].name for topic, routes in rules.routes_of().items()},
            source=lambda next_wake: DozingSource(world, life, next_wake),
            sink=OriginalSink(world, life, self._stage.landings, own_keys=False),
            background=SimulatedBackground(world, life),
            inbox=life.inbox,
            clock=world.clock,
            jitter=world.chance.of(f"jitter/{life.number}").random,
        )
        service.run()


class _Skew:
    """Sets the host's clock."""

    def __init__(self, world: World, skew_seconds: float) -> None:
        self._world = world
        self._skew_seconds = skew_seconds

    def __call__(self) -> None:
        self._world.clock.skew_seconds = self._skew_seconds
