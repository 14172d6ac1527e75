"""Runs one plan: the real loop and the real machine in virtual time, life after life, to the end or to a violation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from doka.adapters.simulated.inbox import SimulatedInbox
from doka.adapters.simulated.incidents import plan_incidents
from doka.adapters.simulated.life import Life, ProcessDiedError
from doka.adapters.simulated.plan import Kind, Plan
from doka.adapters.simulated.producer import Producer
from doka.adapters.simulated.timeline import START_NS
from doka.adapters.simulated.world import NoProgressError, World
from doka.app.runtime import Ending
from doka.app.simulated import service_of_this_process
from doka.domain.events import Event, StopRequested
from doka.domain.facts import Fact
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.status import Status
from tests.simulation.checkers import Checker, ViolationError
from tests.simulation.leaps import LeapingSink, LeapingSource, Rest
from tests.simulation.rests import JudgedForwarder
from tests.simulation.tees import TeeChecker, judge_of

LIVES_MAX = 300

Judge = Checker | TeeChecker


class CheckedTelemetry:
    """Hands what the service says of itself to the checker."""

    def __init__(self, checker: Judge) -> None:
        self._checker = checker
        self.ending: tuple[int, str] | None = None
        self.rest: Rest | None = None

    def fetched(self, partition: TopicPartition, records: int, payload_bytes: int) -> None:
        """The world knows it better."""

    def tell(self, fact: Fact) -> None:
        """Judge a fact."""
        self._checker.told(fact)

    def publish(self, status: Status) -> None:
        """Judge a status."""
        if self.rest is not None:
            self.rest.published_at = self._checker.world.timeline.now
        self._checker.published(status)

    def turned(self, now: int) -> None:
        """Let the checker look into the machine."""
        self._checker.turned(now)

    def ended(self, code: int, reason: str) -> None:
        """Keep how it ended."""
        self.ending = code, reason


class WatchedInbox:
    """Tells the checker what the process reads, and when it reads that it shall stop."""

    def __init__(self, inbox: SimulatedInbox, checker: Judge) -> None:
        self._inbox = inbox
        self._checker = checker

    def put(self, event: Event) -> None:
        """Leave an event."""
        self._inbox.put(event)

    def drain(self) -> Sequence[Event]:
        """Take all that is there."""
        events = self._inbox.drain()
        for event in events:
            self._checker.read(event)
            if isinstance(event, StopRequested):
                self._checker.stop_taken()
        return events


@dataclass
class Outcome:
    """What came out of one run."""

    plan: Plan
    world: World
    checker: Judge
    endings: list[Ending]
    violation: BaseException | None = None

    @property
    def virtual_seconds(self) -> float:
        """How much virtual time passed."""
        return (self.world.timeline.now - START_NS) / NS_PER_SECOND

    @property
    def reached(self) -> Counter[str]:
        """The situations that this run has been in."""
        return self.checker.reached

    def let_go(self) -> None:
        """Cut the big cycle of references that a world is, so that its memory is free at once, and warm for the next."""
        world = self.world
        for part in (world.trace, world.timeline, world.group, world.neighbour, world):
            vars(part).clear()
        self.checker.let_go()


def run_plan(plan: Plan, *, leaps: bool = True) -> Outcome:
    """Run a plan to its end; a violation, an unexpected exception too, is in the outcome.

    Without `leaps` the loop turns ten times a second, as in production, also where nothing is to be decided.
    """
    checker = judge_of(plan)
    world = World(plan, checker)
    checker.attach(world)
    outcome = Outcome(plan, world, checker, [])
    try:
        _live(outcome, leaps=leaps)
        checker.at_the_end()
    except (ViolationError, NoProgressError) as violation:
        outcome.violation = violation
    except Exception as error:  # noqa: BLE001 - a run that breaks is a finding, not an end of the search
        outcome.violation = error
    return outcome


def _live(outcome: Outcome, *, leaps: bool) -> None:
    world, checker, plan = outcome.world, outcome.checker, outcome.plan
    Producer(world, plan).start()
    plan_incidents(world)
    while world.lives < LIVES_MAX:
        if checker.is_healed and checker.missing() is None:
            return
        life = world.begin_life()
        ending = _one_life(world, checker, life, leaps=leaps)
        if ending is not None:
            outcome.endings.append(ending)
            done = checker.stopping
            world.trace.note("ended", ending.code, ending.reason)
            checker.left(ending)
            world.end_life(life)
            if done:
                return
        world.timeline.pass_to(world.timeline.now + plan.restart)
    raise ViolationError("I9", f"{LIVES_MAX} lives were not enough")


def _one_life(world: World, checker: Judge, life: Life, *, leaps: bool) -> Ending | None:
    """Run the service until it ends (give how) or dies (give None)."""
    inbox = WatchedInbox(life.inbox, checker)
    telemetry = CheckedTelemetry(checker)
    telemetry.rest = rest = Rest(world, life, checker.leapt)
    source = LeapingSource(world, life, rest)
    runtime = service_of_this_process().begin(
        world,
        life,
        telemetry,
        inbox=inbox,
        source=(lambda _: source) if leaps else None,
        sink=LeapingSink(world, life, rest, source) if leaps else None,
        forwarder=JudgedForwarder,
    )
    rest.begins(runtime)
    checker.machine = runtime._forwarder
    try:
        return runtime.run()
    except ProcessDiedError:
        return None


def befell(outcome: Outcome) -> Counter[Kind]:
    """Count the incidents by kind."""
    return outcome.world.befell
