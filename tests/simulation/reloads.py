"""Reloads in virtual time: the real supervisor and all that decides beneath it, over workers, a group and a file that are drawn.

Supervisor, Supervision, Reloading, Reloader and WorkersHealth are those of production. Simulated are the processes (ready
after a while, or never; doomed, or slow to end), the judging, the group (whoever is at work shares the partitions, and a
partition is begun again at its committed offset), the configurations that are written, and what befalls all of them.

    R1  a worker at work is asked to end only when another one of its place is at work; static members excepted
    R2  no worker runs by a configuration that was refused
    R3  nobody is killed before its drain is over
    R4  there is at most one process more than places, none of a number that is taken, and no two static members of a place
    R5  no record lands twice, unless somebody died or outlived its drain
    R6  once all is healed, the last configuration runs everywhere, and the figures say so
    R7  after a refusal, or a reload that was taken back, the figure is 0 until one is taken
    R8  a stop ends everything in time, and nobody is started after it
"""

from __future__ import annotations

import random
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from prometheus_client import CollectorRegistry

from doka.adapters.telemetry.merged_page import ConfigurationMetrics
from doka.app.settings.load import settings_from
from doka.app.settings.model import Settings
from doka.app.workers.health import WorkerReport, WorkersHealth
from doka.app.workers.reloader import Configuration, Reloader, drain_of
from doka.app.workers.reloading import Reloading
from doka.app.workers.supervision import KILL_AFTER_NS, Outage, Supervision
from doka.app.workers.supervisor import StopInbox, Supervisor
from doka.app.workers.trial import Judged
from doka.domain.events import StopRequested
from doka.domain.limits import NS_PER_SECOND
from tests.manual_clock import ManualClock
from tests.simulation.checkers import ViolationError

LIVENESS_SECONDS = 420.0
"""A judging that hangs, three places on their way to what does not do and back, and then to what does: each wait has an end."""
PARTITIONS = 4
COMMIT_EVERY_NS = NS_PER_SECOND
HEALED_AT = 240.0


@dataclass(frozen=True)
class Written:
    """One configuration as somebody writes it: what comes of it is drawn with it."""

    number: int
    refused: bool = False
    passing: bool = False
    """It is refused until all is healed: by something outside."""
    hangs: bool = False
    """Its judging never ends by itself."""
    bad: str = ""
    """What its workers are, though it is judged well: `sick`, never ready; `doomed`, they end with 1 soon after they are at
    work; `hanging`, they say once that they are ready, and nothing more."""
    static: bool = False
    drain: int = 5

    @property
    def settings(self) -> Settings:
        """What stands in it."""
        return _settings(self.number, self.drain, static=self.static)


@cache
def _settings(number: int, drain: int, *, static: bool) -> Settings:
    kafka = {
        "bootstrap_servers": ["127.0.0.1:1"],
        "group_id": "doka",
        "security": {"protocol": "plaintext", "allow_plaintext": True},
    }
    given = {
        "kafka": kafka | ({"group_instance_id": "me"} if static else {}),
        "aws": {"region": "eu-west-1"},
        "routes": [{"topics": ["orders"], "stream": {"name": "orders"}}],
        "limits": {"ahead_records": number + 1, "drain_seconds": float(drain), "request_timeout_seconds": 1.0},
    }
    return settings_from(given, hostname="h")


@dataclass(frozen=True)
class ReloadPlan:
    """One run: what is written when, and who dies when (s after the start)."""

    seed: int
    places: int = 1
    static: bool = False
    written: Sequence[tuple[float, Written]] = ()
    deaths: Sequence[float] = ()
    slow_to_end: float = 0.0
    """How likely a worker outlives its drain."""
    stop_at: float | None = None
    """When all is stopped, else when the last configuration runs everywhere."""


def draw_reloads(seed: int) -> ReloadPlan:
    """Draw a run: changes that come on each other's heels, good, refused, hanging and bad ones, and deaths."""
    chance = random.Random(f"reloads/{seed}")
    static = chance.random() < 0.2
    written = []
    for number in range(1, chance.randint(2, 7)):
        at = chance.uniform(5.0, HEALED_AT - 10.0)
        kind = chance.choice(("good", "good", "good", "refused", "passing", "hangs", "sick", "doomed", "hanging"))
        one = Written(
            number,
            refused=kind == "refused",
            passing=kind == "passing",
            hangs=kind == "hangs",
            bad=kind if kind in {"sick", "doomed", "hanging"} else "",
            static=static,
            drain=chance.randint(2, 9),
        )
        written.append((at, one))
    last = (HEALED_AT, Written(99, static=static, drain=chance.randint(2, 9)))
    return ReloadPlan(
        seed,
        places=chance.randint(1, 3),
        static=static,
        written=(*sorted(written, key=lambda each: each[0]), last),
        deaths=[chance.uniform(0.0, HEALED_AT) for _ in range(chance.choice((0, 0, 1, 3)))],
        slow_to_end=chance.choice((0.0, 0.0, 0.3)),
        stop_at=chance.choice((None, None, chance.uniform(0.0, HEALED_AT))),
    )


@dataclass
class Process:
    """A worker: at work some time after its birth, and gone some time after it was asked."""

    number: int
    by: Written
    born: int
    grows: int
    ends_within: int
    dies_after: int
    """Where it is doomed: some seconds after it is at work, while it is still on trial."""
    pid: int = 0
    code: int | None = None
    asked: int | None = None
    owned: dict[int, int] = field(default_factory=dict)
    """The position in each partition that it has."""
    world: ReloadWorld | None = None

    def poll(self) -> int | None:
        """As `subprocess.Popen`."""
        return self.code

    def terminate(self) -> None:
        """Be asked to drain and end."""
        assert self.world is not None
        self.world.asked_to_end(self)

    def kill(self) -> None:
        """Be killed by the supervisor."""
        assert self.world is not None
        self.world.killed(self)

    def ask(self, path: str) -> None:
        """Nobody asks here."""

    def page(self, path: str, within: float) -> bytes | None:
        """Nor is anything shown."""
        return None

    def close(self) -> None:
        """It has ended."""


class RunningJudging:
    """A judging that ends when its time has come."""

    def __init__(self, world: ReloadWorld, written: Written) -> None:
        self._world, self._written = world, written
        self._due = world.clock.now() + round(world.chance.uniform(0.2, 5.0) * NS_PER_SECOND)

    def poll(self) -> Judged | None:
        """Give what comes of it."""
        healed, written = self._world.healed, self._written
        if self._world.clock.now() < self._due or written.hangs:
            return None
        if written.refused:
            return Judged(problems=("it is misspelt; mend it",))
        if written.passing and not healed:
            return Judged(problems=("a topic is missing; create it",), passing=True)
        self._world.accepted.add(written.number)
        return Judged(written.settings, f"hash-{written.number}")

    def kill(self) -> None:
        """End it."""


class ReloadWorld(StopInbox):
    """All that is outside of a supervisor; where it rests, time passes."""

    def __init__(self, plan: ReloadPlan) -> None:
        super().__init__()
        self.plan = plan
        self.chance = random.Random(f"reload world/{plan.seed}")
        self.clock = ManualClock()
        self.begin = self.clock.now()
        self.file = Written(0, static=plan.static)
        self.files = {self.file.number: self.file}
        self.accepted = {0}
        self.processes: dict[int, Process] = {}
        self.committed = [0] * PARTITIONS
        self.landed_to = [0] * PARTITIONS
        self.doubled = 0
        self.excused = False
        """Whether somebody died, or outlived its drain: then records may land twice."""
        self.stop_wished: int | None = None
        self.reached: set[str] = set()
        self.unsuccessful = False
        self._left = list(plan.written)
        self._deaths = sorted(plan.deaths)
        self._born = 0
        self._commits_at = self.begin
        self.registry = CollectorRegistry()
        drain = drain_of(self.file.settings)
        supervision = Supervision(plan.places, drain, self.chance.random, self.begin)
        self.health = WorkersHealth(plan.places, self.begin)
        self.reloading = Reloading(supervision, plan.places, drain)
        self.reloader = Reloader(
            self.reloading,
            Configuration(self.file.settings, "hash-0"),
            judge=lambda _running: RunningJudging(self, self.file),
            health=self.health,
            show=lambda _members: None,
            metrics=ConfigurationMetrics(self.registry),
            telemetry=self,
            clock=self.clock,
        )
        self.supervisor = Supervisor(
            supervision=supervision,
            health=self.health,
            start=self._start,
            inbox=self,
            clock=self.clock,
            telemetry=self,
            reloads=self.reloader,
        )

    # --- what is told ----------------------------------------------------------------------------------------------

    def judging(self, why: str) -> None:
        """A reload was begun."""

    def unchanged(self, name: str) -> None:
        """Nothing has changed."""
        self.unsuccessful = False

    def refused(self, problems: Sequence[str], *, again_in: int | None) -> None:
        """A configuration was refused."""
        self.reached.add("refused again later" if again_in is not None else "refused")
        self.unsuccessful = True

    def replacing(self, name: str, old: str) -> None:
        """Workers are replaced."""
        self.reached.add("accepted")

    def taken(self, name: str, seconds: float) -> None:
        """A configuration runs."""
        self.reached.add("taken")
        self.unsuccessful = False

    def failed(self, reason: str, name: str) -> None:
        """A reload was taken back."""
        self.reached.add("taken back" if "could not be brought back" not in reason else "could not be taken back")
        self.unsuccessful = True

    def heed(self, level: str) -> None:
        """The level of the log."""

    def started(self, worker: int, pid: int) -> None:
        """A worker was started."""

    def ended(self, outage: Outage) -> None:
        """A worker ended."""

    def stopping(self, reason: str) -> None:
        """All are to end."""

    def page(self, pages: Mapping[int, bytes]) -> tuple[bytes, str]:
        """Nobody scrapes here."""
        return b"", ""

    # --- the processes -----------------------------------------------------------------------------------------------

    @property
    def healed(self) -> bool:
        """Whether nothing goes wrong any more."""
        return self.clock.now() >= self.begin + round(HEALED_AT * NS_PER_SECOND)

    def at_work(self, process: Process) -> bool:
        """Whether a worker is ready, and nobody has asked it to end."""
        grown = self.clock.now() - process.born >= process.grows and process.by.bad not in {"sick", "hanging"}
        return grown and process.asked is None and process.code is None

    def _start(self, number: int, by: int) -> Process:
        settings = self.reloader.configuration(by)
        written = next(each for each in self.files.values() if each.settings == settings)
        if written.number not in self.accepted:
            raise ViolationError(
                "R2", f"worker {number} runs by configuration {written.number}, which was not accepted"
            )
        if self.stop_wished is not None:
            raise ViolationError("R8", f"worker {number} was started after the stop")
        place = [each for each in self.processes if each % self.plan.places == number % self.plan.places]
        if number in self.processes or len(self.processes) > self.plan.places or (self.plan.static and place):
            raise ViolationError("R4", f"worker {number} was started beside {sorted(self.processes)}")
        drain = drain_of(settings)
        slow = not self.healed and self.chance.random() < self.plan.slow_to_end
        ends = 3 * drain + 10 * NS_PER_SECOND if slow else round(self.chance.uniform(0.1, 0.9) * drain)
        self._born += 1
        grows = round(self.chance.uniform(0.5, 8.0) * NS_PER_SECOND)
        dies_after = grows + round(self.chance.uniform(1.0, 10.0) * NS_PER_SECOND)
        made = Process(number, written, self.clock.now(), grows, ends, dies_after, pid=self._born, world=self)
        self.processes[number] = made
        return made

    def asked_to_end(self, process: Process) -> None:
        """R1: whoever is at work is let go of when another one of its place is at work."""
        if process.asked is not None or process.code is not None or sys.exc_info()[0] is not None:
            return  # the last: a rule is broken already, and nobody is left behind
        if self.stop_wished is None and not self.plan.static and self.at_work(process) and process.by.bad != "doomed":
            places = self.plan.places
            beside = [
                each
                for each in self.processes.values()
                if each is not process and each.number % places == process.number % places and self.at_work(each)
            ]
            if not beside:
                raise ViolationError(
                    "R1", f"worker {process.number} was at work, alone at its place, and is asked to end"
                )
        process.asked = self.clock.now()

    def killed(self, process: Process) -> None:
        """R3: only past its drain."""
        due = None if process.asked is None else process.asked + process.by.drain * NS_PER_SECOND + KILL_AFTER_NS
        if due is None or self.clock.now() < due:
            raise ViolationError("R3", f"worker {process.number} was killed before its drain was over")
        self.reached.add("killed past its drain")
        self.excused = True
        self._end(process, -signal.SIGKILL)

    def _end(self, process: Process, code: int) -> None:
        process.code = code
        if code == 0:
            for partition, position in process.owned.items():
                self.committed[partition] = position
        process.owned.clear()
        del self.processes[process.number]

    # --- time ----------------------------------------------------------------------------------------------------------

    def wait(self, longest: int) -> None:
        """Let time pass: where the supervisor rests."""
        self.clock.ns += max(longest, 1)
        now = self.clock.now()
        self._befall((now - self.begin) / NS_PER_SECOND)
        for process in list(self.processes.values()):
            self._live(process, now)
        self._share()
        self._judge()

    def _befall(self, at: float) -> None:
        while self._left and self._left[0][0] <= at:
            _, self.file = self._left.pop(0)
            self.files[self.file.number] = self.file
            self.wish_reload("it was written")
        while self._deaths and self._deaths[0] <= at:
            self._deaths.pop(0)
            if self.processes:
                victim = self.chance.choice(sorted(self.processes.values(), key=lambda each: each.number))
                self.reached.add("died on the way" if self.reloading.under_way else "died")
                self.excused = True
                self._end(victim, -signal.SIGKILL)
        last = not self._left and at >= HEALED_AT + LIVENESS_SECONDS
        if self.stop_wished is None and (last or (self.plan.stop_at is not None and at >= self.plan.stop_at)):
            if last:
                self._judge_the_end()
            self.reached.add("stopped on the way" if self.reloading.under_way else "stopped")
            self.stop_wished = self.clock.now()
            self.put(StopRequested("SIGTERM"))

    def _live(self, process: Process, now: int) -> None:
        if process.asked is not None and now - process.asked >= process.ends_within:
            self._end(process, 0)
            return
        if process.by.bad == "doomed" and process.asked is None and now - process.born >= process.dies_after:
            self.excused = True
            self._end(process, 1)
            return
        if now // NS_PER_SECOND != (now - NS_PER_SECOND // 5) // NS_PER_SECOND:
            if process.by.bad == "hanging":
                if process.born <= now - process.grows < process.born + NS_PER_SECOND:
                    self.health.reported(process.number, WorkerReport(None, ()), now)
                return
            reasons = () if self.at_work(process) else ("draining",) if process.asked is not None else ("starting",)
            self.health.reported(process.number, WorkerReport(None, reasons), now)

    def _share(self) -> None:
        """Let whoever is at work share what nobody has, and land a record of each partition; whoever drains keeps its own."""
        workers = sorted((each for each in self.processes.values() if self.at_work(each)), key=lambda each: each.number)
        taken = {partition for each in self.processes.values() for partition in each.owned}
        for partition in range(PARTITIONS):
            if partition not in taken and workers:
                owner = min(workers, key=lambda each: len(each.owned))
                owner.owned[partition] = self.committed[partition]
        for each in workers:
            for partition in each.owned:
                position = each.owned[partition]
                self.doubled += position < self.landed_to[partition]
                each.owned[partition] = position + 1
                self.landed_to[partition] = max(self.landed_to[partition], position + 1)
        if self.clock.now() - self._commits_at >= COMMIT_EVERY_NS:
            self._commits_at = self.clock.now()
            for each in workers:
                for partition, position in each.owned.items():
                    self.committed[partition] = position

    def _judge(self) -> None:
        if self.doubled and not self.excused:
            raise ViolationError("R5", f"{self.doubled} records landed twice, and nobody had died")
        shown = self.registry.get_sample_value("doka_config_last_reload_successful")
        if shown != float(not self.unsuccessful):
            raise ViolationError("R7", f"the figure is {shown}, and the last reload was {not self.unsuccessful}")
        if self.stop_wished is not None:
            late = max((each.drain for each in self.files.values()), default=0) * NS_PER_SECOND + KILL_AFTER_NS
            if self.processes and self.clock.now() - self.stop_wished > late + 2 * NS_PER_SECOND:
                raise ViolationError("R8", f"workers {sorted(self.processes)} run long after the stop")

    def _judge_the_end(self) -> None:
        wrong = {each.number: each.by.number for each in self.processes.values() if each.by.number != self.file.number}
        shown = self.registry.get_sample_value("doka_config_info", {"hash": f"hash-{self.file.number}"})
        if wrong or len(self.processes) != self.plan.places or shown != 1 or self.unsuccessful:
            told = f"{len(self.processes)} run, by others {wrong}, shown {shown}, successful {not self.unsuccessful}"
            raise ViolationError(
                "R6", f"configuration {self.file.number} was to run at {self.plan.places} places: {told}"
            )
        self.reached.add("healed")


@dataclass
class ReloadOutcome:
    """What came of one run."""

    reached: frozenset[str]
    broken: BaseException | None = None


def run_reloads(plan: ReloadPlan) -> ReloadOutcome:
    """Run a plan to its end; a broken rule, and an unexpected error too, is in the outcome."""
    world = ReloadWorld(plan)
    try:
        world.supervisor.run()
    except (Exception, ViolationError) as broken:  # noqa: BLE001 - whatever breaks is a finding
        return ReloadOutcome(frozenset(world.reached), broken)
    return ReloadOutcome(frozenset(world.reached))


def rule_of(outcome: ReloadOutcome) -> str | None:
    """Name the rule that a run has broken; `error` for what is none."""
    if outcome.broken is None:
        return None
    return outcome.broken.rule if isinstance(outcome.broken, ViolationError) else f"error: {outcome.broken!r}"


Draw = Callable[[int], ReloadPlan]


def calm(draw: Draw = draw_reloads) -> Draw:
    """Give a draw in which nobody dies and nobody is slow, so that each record must land once."""
    return lambda seed: replace(draw(seed), deaths=(), slow_to_end=0.0, stop_at=None)


def stopped_on_the_way(seed: int) -> ReloadPlan:
    """Give a drawn run of three places that is stopped some seconds after something good was written."""
    plan, chance = draw_reloads(seed), random.Random(f"stops/{seed}")
    at = chance.uniform(10.0, 60.0)
    good = Written(50, static=plan.static, drain=chance.randint(2, 9))
    return replace(plan, places=3, written=((at, good), plan.written[-1]), stop_at=at + chance.uniform(0.5, 40.0))
