"""Carries out what `Reloading` decides: starts and ends trials, keeps the configurations, and tells what became of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from doka.adapters.telemetry.merged_page import ConfigurationMetrics
from doka.app.settings.model import Settings
from doka.app.workers.health import WorkersHealth
from doka.app.workers.reloading import AGAIN_NS, JUDGE_WITHIN_NS, Failed, Judge, Reloading, StopJudging, Taken
from doka.app.workers.supervision import Outage
from doka.app.workers.trial import Judged
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock


class RunningTrial(Protocol):
    """A judging that was started, as `trial.Trial`."""

    def poll(self) -> Judged | None:
        """Give what came of it; None while it goes on."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


class ReloadTelemetry(Protocol):
    """Who is told what becomes of reloads; never raises."""

    def judging(self, why: str) -> None:
        """Tell that the configuration is read again."""
        ...

    def unchanged(self, name: str) -> None:
        """Tell that it says what it said."""
        ...

    def refused(self, problems: Sequence[str], *, again_in: int | None) -> None:
        """Tell why it is not taken."""
        ...

    def replacing(self, name: str, old: str) -> None:
        """Tell that workers are replaced."""
        ...

    def taken(self, name: str, seconds: float) -> None:
        """Tell that all workers run by it."""
        ...

    def failed(self, reason: str, name: str) -> None:
        """Tell that it was taken back."""
        ...

    def heed(self, level: str) -> None:
        """Write lines of this level from now on."""
        ...


@dataclass(frozen=True, slots=True)
class Configuration:
    """Settings that workers run by, and their hash."""

    settings: Settings
    hash: str


class Reloader:
    """`Reloads` of a supervisor, on its thread; `configuration` gives what a worker is to run by."""

    def __init__(
        self,
        reloading: Reloading,
        running: Configuration,
        *,
        judge: Callable[[Settings], RunningTrial],
        health: WorkersHealth,
        show: Callable[[frozenset[int]], None],
        metrics: ConfigurationMetrics,
        telemetry: ReloadTelemetry,
        clock: Clock,
    ) -> None:
        """Wire it; `judge` begins to judge what is to replace these settings, `show` is told who the members are."""
        self._reloading = reloading
        self._configurations = {0: running}
        self._running = running
        self._judge = judge
        self._health = health
        self._show = show
        self._metrics = metrics
        self._telemetry = telemetry
        self._clock = clock
        self._trial: RunningTrial | None = None
        self._why = ""
        self._anyway = False
        self._began = 0
        self._judged = b""  # what was watched when it was judged last
        self._seen: tuple[str, bytes] | None = None  # while something is judged: it may be just that
        self._told: Sequence[str] = ()  # the problems that were told last: what comes again each minute is told once
        metrics.runs(running.hash, clock.wall())

    @property
    def running(self) -> Settings:
        """The settings that were taken last."""
        return self._running.settings

    @property
    def hash(self) -> str:
        """Their hash."""
        return self._running.hash

    def configuration(self, by: int) -> Settings:
        """Give the settings of this number."""
        return self._configurations[by].settings

    def wish(self, why: str, state: bytes = b"") -> None:
        """Read the configuration as soon as its turn comes; a `state` that has been judged, or is right now, is no reason."""
        if state and self._trial is not None:
            self._seen = why, state
            return
        if state and state == self._judged:
            return
        self._why = why
        self._told = ()
        self._reloading.ask()

    def ended(self, outage: Outage) -> None:
        """Note that a worker went down."""
        self._reloading.ended(outage)

    def close(self) -> None:
        """Leave no trial behind."""
        if self._trial is not None:
            self._trial.kill()
            self._trial = None

    def turn(self, now: int) -> None:
        """Go on as far as it can without waiting."""
        judged = None if self._trial is None else self._trial.poll()
        if judged is not None:
            self._trial = None
            self._judged = judged.state
            self._take_in(judged, now)
            self._wish_what_was_seen()
        for order in self._reloading.decide(now, self._health.reports(now)):
            match order:
                case Judge():
                    self._begin(now)
                case StopJudging(late):
                    self._end_judging(now, late=late)
                case Taken(by):
                    self._taken(by, now)
                case Failed(reason):
                    self._failed(reason)
        members = self._reloading.members()
        self._health.made_of(members)
        self._show(members)

    def _begin(self, now: int) -> None:
        if not self._told:
            self._telemetry.judging(self._why)
        try:
            self._trial = self._judge(self._running.settings)
        except OSError as error:
            told = f"no process could be started to judge it ({error.strerror or type(error).__name__})"
            self._refuse((told,), now, passing=True)

    def _end_judging(self, now: int, *, late: bool) -> None:
        self.close()
        if not late:
            return
        seconds = JUDGE_WITHIN_NS // NS_PER_SECOND
        told = f"it could not be judged within {seconds} s; look at what it names: files, brokers, STS, streams"
        self._refuse((told,), now, passing=True)
        self._wish_what_was_seen()

    def _wish_what_was_seen(self) -> None:
        seen, self._seen = self._seen, None
        if seen is not None:
            self.wish(*seen)

    def _take_in(self, judged: Judged, now: int) -> None:
        if judged.settings is None or judged.problems:
            self._refuse(judged.problems, now, passing=judged.passing)
        elif Configuration(judged.settings, judged.hash) == self._running and len(self._reloading.used()) == 1:
            self._reloading.unchanged()
            self._metrics.reloaded("unchanged")
            self._telemetry.unchanged(judged.hash)
        else:
            by = self._reloading.accepted(
                drain_of(judged.settings), static=judged.settings.kafka.group_instance_id is not None
            )
            self._configurations[by] = Configuration(judged.settings, judged.hash)
            self._began = now
            self._telemetry.replacing(judged.hash, self._running.hash)

    def _refuse(self, problems: Sequence[str], now: int, *, passing: bool) -> None:
        self._reloading.refused(now, passing=passing)
        self._metrics.reloaded("refused")
        if problems != self._told:
            self._told = problems
            self._telemetry.refused(problems, again_in=AGAIN_NS if passing else None)

    def _taken(self, by: int, now: int) -> None:
        self._running = self._configurations[by]
        self._metrics.runs(self._running.hash, self._clock.wall())
        self._metrics.reloaded("taken")
        self._telemetry.heed(self._running.settings.log.level)
        self._telemetry.taken(self._running.hash, (now - self._began) / NS_PER_SECOND)
        self._forget()

    def _failed(self, reason: str) -> None:
        self._metrics.reloaded("failed")
        self._telemetry.failed(reason, self._configurations[max(self._configurations)].hash)
        self._forget()

    def _forget(self) -> None:
        """Let go of what no worker runs by."""
        used = self._reloading.used()
        self._configurations = {by: kept for by, kept in self._configurations.items() if by in used}


def drain_of(settings: Settings) -> int:
    """Give the time in ns that a worker may take to end."""
    return round(settings.limits.drain_seconds * NS_PER_SECOND)
