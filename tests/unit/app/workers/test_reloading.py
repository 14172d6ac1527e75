from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from doka.app.workers.reloading import (
    AGAIN_NS,
    JUDGE_WITHIN_NS,
    PROVEN_NS,
    READY_WITHIN_NS,
    SETTLED_NS,
    Failed,
    Judge,
    Reloading,
    ReloadOrder,
    StopJudging,
    Taken,
)
from doka.app.workers.supervision import KILL_AFTER_NS, KillWorker, StartWorker, StopWorker, Supervision
from doka.domain.limits import NS_PER_SECOND

DRAIN = 25 * NS_PER_SECOND
START = 1_000 * NS_PER_SECOND
LOOK = NS_PER_SECOND // 5
KILLED = -signal.SIGKILL


class Stage:
    """Workers in virtual time: each is ready a second after its start and ends a second after it was asked to.

    `sick` are numbers that never become ready, `stubborn` such that never end by themselves, `doomed` such that die
    with this code as soon as they have started.
    """

    def __init__(self, places: int = 1) -> None:
        self.now = START
        self.supervision = Supervision(places, DRAIN, lambda: 0.5, START)
        self.reloading = Reloading(self.supervision, places, DRAIN)
        self.by: dict[int, int] = {}
        """The configuration of each worker that runs."""
        self.since: dict[int, int] = {}
        self.asked: dict[int, int] = {}
        self.sick: set[int] = set()
        self.stubborn: set[int] = set()
        self.doomed: dict[int, int] = {}
        self.told: list[ReloadOrder] = []
        self.deeds: list[object] = []
        self.at_work_min = places
        self.at_once_max = 0
        self.turn()
        self.pass_seconds(5)
        self.deeds.clear()
        self.at_work_min = places

    @property
    def ready(self) -> set[int]:
        """Who is at work: ready, and not about to end."""
        grown = {worker for worker, since in self.since.items() if self.now - since >= NS_PER_SECOND}
        return grown - self.sick - set(self.asked)

    def turn(self) -> None:
        """Do what a supervisor does in one turn."""
        reports = {
            worker: () if worker in self.ready else ("it is not ready",)
            for worker, since in self.since.items()
            if self.now - since >= LOOK
        }
        self.told += self.reloading.decide(self.now, reports)
        for order in self.supervision.decide(self.now):
            self.deeds.append(order)
            match order:
                case StartWorker(worker, by):
                    self.by[worker], self.since[worker] = by, self.now
                case StopWorker(worker):
                    self.asked[worker] = self.now
                case KillWorker(worker):
                    self.end(worker, KILLED)
        for worker, code in list(self.doomed.items()):
            if worker in self.by:
                self.end(worker, code)
        for worker, since in list(self.asked.items()):
            if self.now - since >= NS_PER_SECOND and worker not in self.stubborn:
                self.end(worker, 0)
        self.at_work_min = min(self.at_work_min, len(self.ready))
        self.at_once_max = max(self.at_once_max, len(self.by))

    def end(self, worker: int, code: int) -> None:
        """Let a worker's process end."""
        for where in (self.by, self.since, self.asked):
            where.pop(worker, None)
        self.reloading.ended(self.supervision.ended(worker, code, self.now))

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass, a look after the other."""
        end = self.now + round(seconds * NS_PER_SECOND)
        while self.now < end:
            self.now += LOOK
            self.turn()

    def accept(self, *, static: bool = False) -> int:
        """Ask for a reload, and let what is judged be accepted; give the number of the configuration."""
        self.reloading.ask()
        self.turn()
        assert Judge() == self.told.pop()
        return self.reloading.accepted(DRAIN, static=static)


def test_the_new_worker_is_at_work_before_the_old_one_leaves() -> None:
    """One place: the new one proves itself, the old one drains, and never is nobody at work, nor more than two there."""
    stage = Stage()
    assert 1 == stage.accept()
    stage.pass_seconds(30)
    assert [StartWorker(1, 1), StopWorker(0)] == stage.deeds
    assert [Taken(1)] == stage.told
    assert {1: 1} == stage.by
    assert (1, 2) == (stage.at_work_min, stage.at_once_max)
    assert frozenset({1}) == stage.reloading.members()


def test_places_are_replaced_one_after_another() -> None:
    """Three places: at most one more process than places at any time, each number is used once, and all are new at the end."""
    stage = Stage(3)
    stage.accept()
    stage.pass_seconds(60)
    assert [
        *(StartWorker(3, 1), StopWorker(0)),
        *(StartWorker(4, 1), StopWorker(1)),
        *(StartWorker(5, 1), StopWorker(2)),
    ] == stage.deeds
    assert [Taken(1)] == stage.told
    assert (3, 4) == (stage.at_work_min, stage.at_once_max)
    stage.accept()
    stage.pass_seconds(60)
    assert {0: 2, 1: 2, 2: 2} == stage.by, "the numbers come back"


def test_a_static_member_ends_before_its_successor_takes_its_name() -> None:
    """Two of one name cannot be members: never are both there."""
    stage = Stage()
    stage.accept(static=True)
    stage.turn()
    assert [StopWorker(0)] == stage.deeds
    assert frozenset({0}) == stage.reloading.members(), "while it drains it is what the service is made of"
    stage.pass_seconds(30)
    assert [StopWorker(0), StartWorker(1, 1)] == stage.deeds
    assert [Taken(1)] == stage.told
    assert 1 == stage.at_once_max


def test_who_is_tried_out_is_no_member_yet() -> None:
    """Readiness is that of the old one until the new one has proved itself."""
    stage = Stage()
    stage.accept()
    stage.turn()
    assert {0: 0, 1: 1} == stage.by
    assert frozenset({0}) == stage.reloading.members()
    stage.pass_seconds(1 + PROVEN_NS / NS_PER_SECOND + 0.4)
    assert frozenset({1}) == stage.reloading.members()


@pytest.mark.parametrize("code", [1, 2, KILLED])
def test_a_new_worker_that_dies_takes_the_reload_back_and_stops_nobody(code: int) -> None:
    """Bad at run time, in whatever way: the old one stays, is never asked to end, and the reason is told."""
    stage = Stage()
    stage.doomed = {1: code}
    stage.accept()
    stage.pass_seconds(30)
    how = "was killed by SIGKILL" if code < 0 else f"ended with exit code {code}"
    assert [Failed(f"worker 1 {how}")] == stage.told
    assert {0: 0} == stage.by
    assert [StartWorker(1, 1)] == stage.deeds
    assert not stage.supervision.stopping


def test_a_new_worker_that_is_never_ready_is_drained_and_the_old_one_stays() -> None:
    """A worker that waits for something would wait for ever: the wait has an end, and no record was in danger."""
    stage = Stage()
    stage.sick = {1}
    stage.accept()
    stage.pass_seconds(READY_WITHIN_NS / NS_PER_SECOND + 5)
    assert [Failed("worker 1 was not ready within 60 s: it is not ready")] == stage.told
    assert [StartWorker(1, 1), StopWorker(1)] == stage.deeds
    assert {0: 0} == stage.by


def test_where_the_old_one_is_not_ready_either_the_new_one_is_taken() -> None:
    """What stands still anyway is no reason against a configuration, which may be the cure."""
    stage = Stage()
    stage.sick = {0, 1}
    stage.accept()
    stage.pass_seconds(READY_WITHIN_NS / NS_PER_SECOND + SETTLED_NS / NS_PER_SECOND + 5)
    assert [Taken(1)] == stage.told
    assert {1: 1} == stage.by


def test_what_was_replaced_already_comes_back() -> None:
    """The third of three does not do: the first two are replaced back, by the same steps, and two are at work throughout."""
    stage = Stage(3)
    stage.doomed = {5: 1}
    stage.accept()
    stage.pass_seconds(90)
    assert [Failed("worker 5 ended with exit code 1")] == stage.told
    assert {0: 0, 1: 0, 2: 0} == stage.by
    assert (3, 4) == (stage.at_work_min, stage.at_once_max)


def test_who_dies_soon_after_it_was_put_in_takes_the_reload_back() -> None:
    """A halt that comes with the first records is no stop of everything: nobody is left there, so the old one is started."""
    stage = Stage()
    stage.accept()
    stage.pass_seconds(8)
    assert {1: 1} == stage.by
    stage.end(1, 1)
    stage.pass_seconds(2)
    assert [Failed("worker 1 ended with exit code 1")] == stage.told
    assert [0] == list(stage.by.values())
    assert not stage.supervision.stopping


def test_a_static_place_whose_new_worker_died_gets_its_old_configuration_back() -> None:
    """Its old worker has ended, so one is started by the configuration before."""
    stage = Stage()
    stage.doomed = {1: 2}
    stage.accept(static=True)
    stage.turn()
    stage.pass_seconds(1.4)
    stage.doomed.clear()
    stage.pass_seconds(10)
    assert [Failed("worker 1 ended with exit code 2")] == stage.told
    assert [0] == list(stage.by.values())


def test_a_place_that_cannot_be_brought_back_stays_and_is_told() -> None:
    """On the way back a worker that works is not given up for one that does not."""
    stage = Stage(2)
    stage.accept()
    stage.pass_seconds(6.4)
    assert {2: 1, 1: 0} == {worker: by for worker, by in stage.by.items() if worker not in (3, 0)}
    stage.doomed = {3: 1, 0: 1}
    stage.pass_seconds(20)
    told = "worker 3 ended with exit code 1; what runs at place 0 runs by the new one, for it could not be brought back"
    assert [Failed(told)] == stage.told
    assert {2: 1, 1: 0} == stage.by
    assert frozenset({0, 1}) == stage.reloading.used()


def test_an_old_worker_that_hangs_in_its_drain_is_killed_and_the_reload_goes_on() -> None:
    """A reload that hangs would keep all later ones from happening."""
    stage = Stage()
    stage.stubborn = {0}
    stage.accept()
    stage.pass_seconds(10 + (DRAIN + KILL_AFTER_NS + SETTLED_NS) / NS_PER_SECOND)
    assert [StartWorker(1, 1), StopWorker(0), KillWorker(0)] == stage.deeds
    assert [Taken(1)] == stage.told


def test_a_wish_during_a_reload_waits_its_turn_and_is_not_forgotten() -> None:
    """However many there are, what is judged next is what is there then, once."""
    stage = Stage()
    stage.accept()
    stage.pass_seconds(2)
    for _ in range(3):
        stage.reloading.ask()
    stage.pass_seconds(30)
    assert [Taken(1), Judge()] == stage.told
    stage.reloading.unchanged()
    stage.pass_seconds(5)
    assert [Taken(1), Judge()] == stage.told


def test_a_wish_while_one_is_judged_is_judged_after_it() -> None:
    """The file may have been read before it was changed again."""
    stage = Stage()
    stage.reloading.ask()
    stage.turn()
    stage.reloading.ask()
    stage.turn()
    assert [Judge()] == stage.told
    stage.reloading.refused(stage.now, passing=False)
    stage.turn()
    assert [Judge(), Judge()] == stage.told


def test_a_judging_that_hangs_is_ended_and_the_next_one_comes() -> None:
    """A minute, then it is over."""
    stage = Stage()
    stage.reloading.ask()
    stage.turn()
    stage.pass_seconds(JUDGE_WITHIN_NS / NS_PER_SECOND)
    assert [Judge(), StopJudging(late=True)] == stage.told
    stage.reloading.refused(stage.now, passing=True)
    stage.reloading.ask()
    stage.turn()
    assert Judge() == stage.told[-1]


def test_what_the_outside_refused_is_judged_again_by_itself() -> None:
    """A topic is created, a permission spreads: nobody has to touch the file. What the file says wrongly is not."""
    stage = Stage()
    stage.reloading.ask()
    stage.turn()
    stage.reloading.refused(stage.now, passing=True)
    stage.pass_seconds(AGAIN_NS / NS_PER_SECOND - 1)
    assert [Judge()] == stage.told
    stage.pass_seconds(1)
    assert [Judge(), Judge()] == stage.told
    stage.reloading.refused(stage.now, passing=False)
    stage.pass_seconds(2 * AGAIN_NS / NS_PER_SECOND)
    assert [Judge(), Judge()] == stage.told
    assert {0: 0} == stage.by


@pytest.mark.parametrize("after", [0.2, 2, 6, 9])
def test_a_stop_amid_a_reload_asks_everybody_once(after: float) -> None:
    """Whoever runs drains, on trial or not, and nobody is started any more."""
    stage = Stage(2)
    stage.accept()
    stage.pass_seconds(after)
    there = set(stage.by) - set(stage.asked)
    stage.deeds.clear()
    stage.supervision.stop("stopped by SIGTERM", stage.now)
    stage.pass_seconds(5)
    assert sorted(there) == sorted(deed.worker for deed in stage.deeds if isinstance(deed, StopWorker))
    assert {} == stage.by
    assert stage.supervision.finished
    assert (0, "stopped by SIGTERM") == stage.supervision.ending()
    assert [] == stage.told


def test_a_stop_ends_a_judging() -> None:
    """Nobody waits for it any more, and no refusal is told."""
    stage = Stage()
    stage.reloading.ask()
    stage.turn()
    stage.supervision.stop("stopped by SIGTERM", stage.now)
    stage.turn()
    assert [Judge(), StopJudging(late=False)] == stage.told


def test_an_old_worker_that_is_down_is_replaced_all_the_same() -> None:
    """One that waits for its restart is forgotten once the new one has proved itself."""
    stage = Stage()
    stage.end(0, KILLED)
    stage.accept()
    stage.pass_seconds(30)
    assert Taken(1) in stage.told
    assert {1: 1} == stage.by


def _moments() -> Iterator[float]:
    return (tenths / 5 for tenths in range(150))


@pytest.mark.parametrize("victim", [0, 1, 2, 3])
def test_whoever_dies_whenever_all_places_have_a_worker_in_the_end(victim: int) -> None:
    """A death by chance at every moment of a reload of two places: at the end two run, all of them by one configuration."""
    for moment in _moments():
        stage = Stage(2)
        stage.accept()
        stage.pass_seconds(moment)
        if victim not in stage.by:
            continue
        stage.end(victim, KILLED)
        stage.pass_seconds(120)
        assert 2 == len(stage.by), moment
        assert 1 == len(set(stage.by.values())), moment
        assert stage.reloading.members() == frozenset(stage.by), moment
        assert isinstance(stage.told[-1], Taken | Failed), moment
        assert not stage.reloading.under_way
