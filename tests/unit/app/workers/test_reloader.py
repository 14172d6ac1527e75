from __future__ import annotations

from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry

from doka.adapters.telemetry.merged_page import ConfigurationMetrics
from doka.app.settings.load import settings_from
from doka.app.settings.model import Settings
from doka.app.workers.health import WorkersHealth
from doka.app.workers.reloader import Configuration, Reloader
from doka.app.workers.reloading import JUDGE_WITHIN_NS, READY_WITHIN_NS, SETTLED_NS, Reloading
from doka.app.workers.supervision import StartWorker, Supervision
from doka.app.workers.trial import Judged
from doka.domain.limits import NS_PER_SECOND
from tests.manual_clock import ManualClock
from tests.unit.app.given import LONELY

DRAIN = 25 * NS_PER_SECOND
OLD = settings_from(LONELY, hostname="pod-1")
NEW = settings_from({**LONELY, "log": {"level": "debug"}}, hostname="pod-1")


class FakeTrial:
    """A judging that ends when a test says so."""

    def __init__(self) -> None:
        self.judged: Judged | None = None
        self.killed = False

    def poll(self) -> Judged | None:
        return self.judged

    def kill(self) -> None:
        self.killed = True


class Told:
    """What was told, in its order."""

    def __init__(self) -> None:
        self.said: list[tuple[object, ...]] = []

    def judging(self, why: str) -> None:
        self.said.append(("judging", why))

    def unchanged(self, name: str) -> None:
        self.said.append(("unchanged", name))

    def refused(self, problems: Sequence[str], *, again_in: int | None) -> None:
        self.said.append(("refused", *problems, again_in is not None))

    def replacing(self, name: str, old: str) -> None:
        self.said.append(("replacing", name, old))

    def taken(self, name: str, seconds: float) -> None:
        self.said.append(("taken", name))

    def failed(self, reason: str, name: str) -> None:
        self.said.append(("failed", reason, name))

    def heed(self, level: str) -> None:
        self.said.append(("heed", level))


class Stage:
    """A reloader of one worker, which is ready at once, over trials that a test decides."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.supervision = Supervision(1, DRAIN, lambda: 0.5, self.clock.now())
        self.supervision.decide(self.clock.now())
        self.registry = CollectorRegistry()
        self.told = Told()
        self.trials: list[FakeTrial] = []
        self.judged: list[Settings] = []
        self.members: list[frozenset[int]] = []
        self.no_process = False
        self.reloader = Reloader(
            Reloading(self.supervision, 1, DRAIN),
            Configuration(OLD, "old"),
            judge=self._judge,
            health=WorkersHealth(1, self.clock.now()),
            show=self.members.append,
            metrics=ConfigurationMetrics(self.registry),
            telemetry=self.told,
            clock=self.clock,
        )

    def _judge(self, running: Settings) -> FakeTrial:
        if self.no_process:
            raise OSError(11, "Resource temporarily unavailable")
        self.judged.append(running)
        self.trials.append(FakeTrial())
        return self.trials[-1]

    def turn(self, later: int = 0) -> None:
        self.clock.ns += later
        self.reloader.turn(self.clock.now())

    def judge(self, judged: Judged) -> None:
        """Wish for a reload, and let this come of its judging."""
        self.reloader.wish("a test")
        self.turn()
        self.trials[-1].judged = judged
        self.turn()

    def figure(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


def test_what_says_the_same_changes_nothing() -> None:
    """No worker is started, and the figure says that all is well."""
    stage = Stage()
    stage.judge(Judged(OLD, "old"))
    assert [("judging", "a test"), ("unchanged", "old")] == stage.told.said
    assert 1 == stage.figure("doka_config_last_reload_successful")
    assert 1 == stage.figure("doka_config_reloads_total", outcome="unchanged")
    assert [] == stage.supervision.decide(stage.clock.now())


def test_what_is_refused_is_told_once_and_judged_again_each_minute() -> None:
    """The same lines each minute would hide the others; a new wish, or other problems, are told."""
    stage = Stage()
    stage.judge(Judged(problems=("topic a is missing",), passing=True))
    for _ in range(3):
        stage.turn(60 * NS_PER_SECOND)
        stage.trials[-1].judged = Judged(problems=("topic a is missing",), passing=True)
        stage.turn()
    assert 4 == len(stage.trials)
    assert [("judging", "a test"), ("refused", "topic a is missing", True)] == stage.told.said
    assert 4 == stage.figure("doka_config_reloads_total", outcome="refused")
    assert 0 == stage.figure("doka_config_last_reload_successful")
    stage.judge(Judged(problems=("topic a is missing",)))
    assert ("refused", "topic a is missing", False) == stage.told.said[-1]
    assert [] == stage.supervision.decide(stage.clock.now())


def test_what_is_accepted_and_works_is_what_runs() -> None:
    """The new worker gets the new settings; hash, time and level follow when all is done, not before."""
    stage = Stage()
    stage.judge(Judged(NEW, "new"))
    stage.turn()
    assert [StartWorker(1, 1)] == stage.supervision.decide(stage.clock.now())
    assert (NEW, OLD) == (stage.reloader.configuration(1), stage.reloader.configuration(0))
    assert (OLD, "old") == (stage.reloader.running, stage.reloader.hash)
    stage.turn(READY_WITHIN_NS)  # the old one is not ready either, as far as is known
    stage.supervision.decide(stage.clock.now())
    stage.reloader.ended(stage.supervision.ended(0, 0, stage.clock.now()))
    stage.turn()
    stage.turn()
    stage.turn(SETTLED_NS)
    assert [("replacing", "new", "old"), ("heed", "debug"), ("taken", "new")] == stage.told.said[1:]
    assert (NEW, "new") == (stage.reloader.running, stage.reloader.hash)
    assert 1 == stage.figure("doka_config_info", hash="new")
    assert stage.figure("doka_config_info", hash="old") is None
    assert stage.clock.wall() == stage.figure("doka_config_loaded_timestamp_seconds")
    assert frozenset({1}) == stage.members[-1]
    with pytest.raises(KeyError):
        stage.reloader.configuration(0)  # nobody runs by it any more


def test_a_new_worker_that_dies_leaves_what_runs() -> None:
    """The figure is 0, the hash that of the old one, and the next reload is held to the old settings."""
    stage = Stage()
    stage.judge(Judged(NEW, "new"))
    stage.turn()
    stage.supervision.decide(stage.clock.now())
    stage.reloader.ended(stage.supervision.ended(1, 2, stage.clock.now()))
    stage.turn()
    stage.turn()
    stage.turn()
    assert ("failed", "worker 1 ended with exit code 2", "new") == stage.told.said[-1]
    assert 0 == stage.figure("doka_config_last_reload_successful")
    assert 1 == stage.figure("doka_config_info", hash="old")
    stage.judge(Judged(NEW, "new"))
    assert [OLD, OLD] == stage.judged


def test_a_judging_that_hangs_is_killed_and_told() -> None:
    """Whatever it waits for: a minute, then a line that says where to look."""
    stage = Stage()
    stage.reloader.wish("a test")
    stage.turn()
    stage.turn(JUDGE_WITHIN_NS)
    assert stage.trials[0].killed
    told = "it could not be judged within 60 s; look at what it names: files, brokers, STS, streams"
    assert ("refused", told, True) == stage.told.said[-1]
    stage.judge(Judged(OLD, "old"))
    assert "old" in stage.told.said[-1]


def test_a_process_that_the_system_does_not_give_is_a_refusal() -> None:
    """It is tried again in a minute, and nothing else happens."""
    stage = Stage()
    stage.no_process = True
    stage.reloader.wish("a test")
    stage.turn()
    told = "no process could be started to judge it (Resource temporarily unavailable)"
    assert ("refused", told, True) == stage.told.said[-1]


def test_a_stop_kills_what_judges_and_tells_no_refusal() -> None:
    """Nobody waits for it."""
    stage = Stage()
    stage.reloader.wish("a test")
    stage.turn()
    stage.supervision.stop("stopped by SIGTERM", stage.clock.now())
    stage.turn()
    assert stage.trials[0].killed
    assert [("judging", "a test")] == stage.told.said


def test_what_is_seen_and_has_been_judged_is_no_wish() -> None:
    """A SIGHUP and the look at the file tell of the same change: it is judged once, before, amid or after the look."""
    stage = Stage()
    stage.judge(Judged(problems=("no",), state=b"one"))
    stage.reloader.wish("it was changed", b"one")
    stage.turn()
    assert 1 == len(stage.trials)
    stage.reloader.wish("a SIGHUP came")
    stage.turn()
    stage.reloader.wish("it was changed", b"two")
    stage.trials[-1].judged = Judged(OLD, "old", state=b"two")
    stage.turn()
    stage.turn()
    assert 2 == len(stage.trials)


def test_what_is_seen_and_is_another_is_judged_in_its_turn() -> None:
    """It was written while the one before was judged, or while that could not be."""
    stage = Stage()
    stage.reloader.wish("a SIGHUP came")
    stage.turn()
    stage.reloader.wish("it was changed", b"two")
    stage.trials[-1].judged = Judged(OLD, "old", state=b"one")
    stage.turn()
    stage.turn()
    assert 2 == len(stage.trials)
    stage.reloader.wish("it was changed", b"three")
    stage.turn(JUDGE_WITHIN_NS)
    stage.turn()
    assert 3 == len(stage.trials)
