"""The simulated world with the real instruments: what a scraper, a probe and a reader of the log see, in virtual time.

Runtime, forwarder and telemetry are those of production, put together by its container; only what is outside is
simulated. So two hours of a fault take a second, and what is read is the page, byte for byte, that would be served.

    stage = Stage(scrape_every=15)
    stage.strike(Kind.BROKER_UNREACHABLE, 60, 600, draw=1)
    stage.at(300, lambda: seen.append(stage.ask("/readyz").body))
    stage.run_to(900)
    stage.scrapes[300.0].samples["doka_ready"]      # 0.0
    stage.scrapes[300.0].reasons                    # what /readyz says then
    stage.log                                       # each line, as JSON was written
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import orjson

from doka.adapters.simulated.dozing import DOZE_AT_MOST_NS, DozingSource, NextWake
from doka.adapters.simulated.incidents import plan_incidents
from doka.adapters.simulated.kinesis import SimulatedSink
from doka.adapters.simulated.life import Life, ProcessDiedError
from doka.adapters.simulated.plan import CALM, Incident, Kind, Plan, Span, Work
from doka.adapters.simulated.producer import Producer
from doka.adapters.simulated.timeline import START_NS
from doka.adapters.simulated.world import World
from doka.adapters.telemetry.health import Health
from doka.adapters.telemetry.http_server import Response
from doka.adapters.telemetry.line_writer import LineWriter
from doka.adapters.telemetry.logs import Log
from doka.adapters.telemetry.telemetry import ServiceTelemetry
from doka.app.container import Container
from doka.app.runtime import Ending
from doka.app.simulated import service_of_this_process
from doka.domain.events import Event
from doka.domain.limits import NS_PER_SECOND

NEVER = 10**6  # seconds: later than any play ends
STEADY = Plan(
    seed=1,
    work=Work(records=10**9, burst=4, every=Span(20 * NS_PER_SECOND, 20 * NS_PER_SECOND)),
    session_timeout=45 * NS_PER_SECOND,
    restart=5 * NS_PER_SECOND,
    heal_at=NEVER * NS_PER_SECOND,
)
"""One to four records each 20 s for one route of two partitions and two shards, with the limits of production."""

_HOST_SAMPLES = re.compile(r"^doka_process_\S+ .*\n", re.MULTILINE)


@dataclass(frozen=True)
class Scrape:
    """What the pages said at one moment (s after the start)."""

    at: float
    page: str | None
    """The text of /metrics; None: nobody answered."""
    ready: bool
    """Whether /readyz answered 200."""
    reasons: tuple[str, ...]
    """What it gave as reasons."""

    @cached_property
    def samples(self) -> dict[str, float]:
        """Each series as it stands on the page, labels and all, with its value; empty when nobody answered."""
        lines = [] if self.page is None else self.page.splitlines()
        split = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in split}


@dataclass(frozen=True)
class _Process:
    """What answers while one life lasts."""

    began: float
    """By its wall clock (s)."""
    health: Health


class Stage:
    """One play: say what shall happen and when (s after the start), run it once, then read what was seen.

    It takes the plan of the world, how often the pages are scraped (s), and how often the loop turns at least while
    nothing happens (s), which is how old a published status can be.
    """

    def __init__(self, plan: Plan = STEADY, *, scrape_every: float = 30.0, turn_every: float = 1.0) -> None:
        self.world = World(plan)
        self.scrapes: dict[float, Scrape] = {}
        """By their moments."""
        self.log: list[dict[str, Any]] = []
        """Each line as it was written, with `at` (s after the start). What a killed process had gathered is missing."""
        self.endings: list[Ending] = []
        """How each life ended that ended by itself."""
        self.incidents: list[Incident] = []
        """What was said to strike."""
        self.fates: set[str] = set()
        """The rates of the weather that was said to come."""
        self._scrape_every = scrape_every
        self._turn_every = turn_every
        self._process: _Process | None = None
        self.hangs_until = 0
        """Until when the loop hangs (ns of the timeline)."""

    # --- what shall happen ---------------------------------------------------------------------------------------

    def strike(self, kind: Kind, since: float, until: float, draw: int = 0) -> None:
        """Let a fault of the world last from `since` to `until`; `draw` chooses what it hits (see incidents.py)."""
        self.incidents.append(Incident(kind, _ns(since), _ns(until), draw))

    def weather(self, since: float, until: float, **rates: float) -> None:
        """Let requests, entries, commits, questions and letters meet these fates (`Rates`) from `since` to `until`."""
        self.fates |= rates.keys()
        self.at(since, lambda: self._set_rates(**rates))
        self.at(until, self._set_rates)

    def at(self, moment: float, call: Callable[[], object]) -> None:
        """Call something at a moment: to change the world, or to look at the pages between two scrapes."""
        self.world.timeline.at(START_NS + _ns(moment), call)

    def hang(self, since: float, until: float) -> None:
        """Let the loop hang in a call from `since` to `until`; the pages go on to be served."""
        self.at(since, lambda: setattr(self, "hangs_until", START_NS + _ns(until)))

    def write(self, partition: int, key: bytes | None, value: bytes | None) -> int:
        """Write a record of one's own into a partition of the first topic, now; give its offset."""
        world = self.world
        offset = list(world.logs.values())[partition].append(key, value, int(world.clock.true_wall() * 1_000))
        world.stir()
        return offset

    # --- the play ------------------------------------------------------------------------------------------------

    def run_to(self, until: float) -> Stage:
        """Play it, life after life, up to a moment, at which the process is killed."""
        world, ends_at = self.world, START_NS + _ns(until)
        world.plan = replace(world.plan, incidents=tuple(self.incidents))
        Producer(world, world.plan).start()
        plan_incidents(world)
        self._scrape_from(0.0)
        self._turn()
        world.timeline.at(ends_at, self._kill)
        while world.timeline.now < ends_at:
            self._one_life(world.begin_life())
            world.timeline.pass_to(min(ends_at, world.timeline.now + world.plan.restart))
        return self

    @property
    def now(self) -> float:
        """Seconds after the start."""
        return (self.world.timeline.now - START_NS) / NS_PER_SECOND

    def ask(self, path: str) -> Response | None:
        """Give what a GET of a page answers now; None where nobody answers, or there is no such page."""
        asleep = self.world.timeline.now < self.world.asleep_until
        return None if self._process is None or asleep else self._process.health.answer(path)

    def scrape(self) -> Scrape:
        """Read all that the pages say now."""
        metrics, readyz = self.ask("/metrics"), self.ask("/readyz")
        if metrics is None or readyz is None:
            return Scrape(self.now, None, ready=False, reasons=("nobody answers",))
        reasons = orjson.loads(readyz.body)["reasons"]
        return Scrape(self.now, self._of_this_host(metrics.body.decode()), readyz.code == 200, tuple(reasons))

    def _of_this_host(self, page: str) -> str:
        """Put the simulated host's figures of the process in the place of those of the process that simulates it."""
        assert self._process is not None
        return _HOST_SAMPLES.sub("", page) + f"doka_process_start_time_seconds {self._process.began}\n"

    def _one_life(self, life: Life) -> None:
        world = self.world
        container = Container(hostname="simulated", version="0", log_style="json")
        container.clock.override(world.clock)
        container.rules.override(world.plan.rules())
        container.server.override(None)
        container.shown.override(None)  # a person is shown none: it wants settings, and there are none here
        container.exports.override(None)  # and no collector
        container.log.override(Log(world.clock, _KeptLines(self)))
        telemetry: ServiceTelemetry = container.telemetry()
        self._process = _Process(world.clock.wall(), container.health())
        sink = _DozingSink(self, life)

        def source(next_wake: NextWake) -> DozingSource:
            sink.next_wake = next_wake
            return DozingSource(world, life, next_wake)

        runtime = service_of_this_process().begin(world, life, telemetry, sink=sink, source=source)
        try:
            self.endings.append(runtime.run())
            world.end_life(life)
        except ProcessDiedError:
            pass
        finally:
            self._process = None

    def _kill(self) -> None:
        if self.world.life is not None:
            self.world.life.doomed = True

    def _turn(self) -> None:
        """Let something happen now and then: a loop that dozes turns at each effect."""
        self.world.progress()  # time moves on: nobody turns in circles
        self.world.timeline.after(_ns(self._turn_every), self._turn)

    def _scrape_from(self, moment: float) -> None:
        def scrape() -> None:
            self.scrapes[moment] = self.scrape()
            self._scrape_from(moment + self._scrape_every)

        self.at(moment, scrape)

    def _set_rates(self, **rates: float) -> None:
        world = self.world
        world.rates = world.group.rates = world.tokens.rates = replace(CALM, **rates) if rates else CALM


class _KeptLines(LineWriter):
    """Keeps the lines of one process, where a real one would write them to stdout."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(-1)
        self._stage = stage

    def write(self, line: bytes) -> None:
        self._stage.log.append(orjson.loads(line) | {"at": self._stage.now})


class _DozingSink(SimulatedSink):
    """Waits in one step for answers that are far away, as `DozingSource` does for records: at most one effect happens."""

    def __init__(self, stage: Stage, life: Life) -> None:
        super().__init__(stage.world, life)
        self._stage = stage
        self.next_wake: NextWake = lambda now: now

    def answers(self, wait: int) -> Sequence[Event]:
        self._world.timeline.pass_to(self._stage.hangs_until)
        events = super().answers(wait)
        now = self._world.timeline.now
        if wait and not events and not self._life.inbox.waiting:
            wake = self.next_wake(now)
            self._world.timeline.step(now + DOZE_AT_MOST_NS if wake is None else wake)
        return events


def _ns(seconds: float) -> int:
    return int(seconds * NS_PER_SECOND)
