from __future__ import annotations

import signal

import pytest

from doka.app.workers.supervision import (
    KILL_AFTER_NS,
    RESTART_FIRST_NS,
    RESTART_LAST_NS,
    STEADY_AFTER_NS,
    KillWorker,
    Outage,
    StartWorker,
    StopWorker,
    Supervision,
    how_it_ended,
)
from doka.domain.limits import NS_PER_SECOND

DRAIN = 25 * NS_PER_SECOND
START = 1_000 * NS_PER_SECOND
KILLED = -signal.SIGKILL


def almost_one() -> float:
    """Draw the longest wait there is."""
    return 1 - 2**-53


def begun(workers: int = 3) -> Supervision:
    """Give a supervision whose workers all run."""
    supervision = Supervision(workers, DRAIN, almost_one, START)
    assert [StartWorker(number) for number in range(workers)] == supervision.decide(START)
    return supervision


def test_all_are_started_once() -> None:
    """Each worker is ordered at the start, and not again while it runs."""
    supervision = begun()
    assert [] == supervision.decide(START + 1)
    assert supervision.next_wake() is None
    assert not supervision.finished


@pytest.mark.parametrize("code", [KILLED, -signal.SIGSEGV, 0])
def test_who_dies_is_started_again_after_its_wait(code: int) -> None:
    """A death by chance, and an end that nobody asked for, cost a wait and then a new process; the others go on."""
    supervision = begun()
    outage = supervision.ended(1, code, START)

    assert outage.restart_in is not None
    assert not supervision.stopping
    due = START + outage.restart_in
    assert due == supervision.next_wake()
    assert [] == supervision.decide(due - 1)
    assert [StartWorker(1)] == supervision.decide(due)
    assert [] == supervision.decide(due)


def test_who_dies_young_again_and_again_waits_longer_up_to_a_minute() -> None:
    """The wait doubles with each early death and is bounded; after a steady run it begins anew."""
    supervision, now, waits = begun(1), START, []
    for _ in range(9):
        outage = supervision.ended(0, KILLED, now)
        assert outage.restart_in is not None
        waits.append(outage.restart_in)
        now += outage.restart_in
        assert [StartWorker(0)] == supervision.decide(now)
    ceilings = [min(RESTART_LAST_NS, RESTART_FIRST_NS << doublings) for doublings in range(9)]
    assert all(0.99 * ceiling < wait <= ceiling for wait, ceiling in zip(waits, ceilings, strict=True))

    outage = supervision.ended(0, KILLED, now + STEADY_AFTER_NS)
    assert outage.restart_in is not None
    assert outage.restart_in <= RESTART_FIRST_NS


@pytest.mark.parametrize("code", [1, 2, 3])
def test_who_says_that_it_cannot_go_on_stops_all_with_its_code(code: int) -> None:
    """A wrong configuration or a halt is not tried again: all others drain, and the code is that of the cause."""
    supervision = begun()
    assert Outage(1, f"ended with exit code {code}", None) == supervision.ended(1, code, START)

    assert supervision.stopping
    assert [StopWorker(0), StopWorker(2)] == supervision.decide(START)
    supervision.ended(0, KILLED, START)
    supervision.ended(2, 0, START)
    assert supervision.finished
    assert (code, f"worker 1 ended with exit code {code}, so a new one would end the same way") == supervision.ending()


def test_one_stop_asks_each_worker_once_and_a_second_changes_nothing() -> None:
    """Every running worker is asked to drain, once, whatever comes after; the first reason stays."""
    supervision = begun()
    supervision.stop("stopped by SIGTERM", START)
    assert [StopWorker(0), StopWorker(1), StopWorker(2)] == supervision.decide(START)
    supervision.stop("stopped by SIGINT", START + 1)
    assert [] == supervision.decide(START + 1)
    for number in range(3):
        assert not supervision.finished
        assert Outage(number, "ended with exit code 0", None, clean=True) == supervision.ended(number, 0, START + 2)
    assert supervision.finished
    assert (0, "stopped by SIGTERM") == supervision.ending()


def test_nobody_is_started_once_a_stop_is_wished() -> None:
    """A worker that waits for its restart stays down, and its death is in the exit code: nothing cured it."""
    supervision = begun(2)
    assert supervision.ended(1, KILLED, START).restart_in
    supervision.stop("stopped by SIGTERM", START)

    assert [StopWorker(0)] == supervision.decide(START + RESTART_LAST_NS // 10)
    supervision.ended(0, 0, START)
    assert supervision.finished
    assert (128 + 9, "stopped by SIGTERM; worker 1 was killed by SIGKILL") == supervision.ending()


def test_a_death_that_a_restart_cured_is_not_in_the_exit_code() -> None:
    """What counts of a worker is its last end."""
    supervision = begun(1)
    outage = supervision.ended(0, KILLED, START)
    assert outage.restart_in is not None
    assert [StartWorker(0)] == supervision.decide(START + outage.restart_in)
    supervision.stop("stopped by SIGTERM", START + outage.restart_in)
    supervision.ended(0, 0, START + outage.restart_in)
    assert (0, "stopped by SIGTERM") == supervision.ending()


def test_the_exit_code_is_the_worst_of_all() -> None:
    """Of several bad ends the highest code is given, and each is told."""
    supervision = begun()
    supervision.stop("stopped by SIGTERM", START)
    for number, code in enumerate((0, 1, -signal.SIGSEGV)):
        supervision.ended(number, code, START)
    told = "stopped by SIGTERM; worker 1 ended with exit code 1; worker 2 was killed by SIGSEGV"
    assert (128 + 11, told) == supervision.ending()


def test_who_outlives_its_drain_is_killed_once() -> None:
    """Some seconds past the drain, whoever still runs is killed, so that the supervisor ends in time too."""
    supervision = begun(2)
    supervision.stop("stopped by SIGTERM", START)
    supervision.decide(START)
    supervision.ended(0, 0, START)
    late = START + DRAIN + KILL_AFTER_NS

    assert late == supervision.next_wake()
    assert [] == supervision.decide(late - 1)
    assert [KillWorker(1)] == supervision.decide(late)
    assert [] == supervision.decide(late + 1)
    supervision.ended(1, KILLED, late)
    assert (137, "stopped by SIGTERM; worker 1 did not end within its drain and was killed") == supervision.ending()


def test_a_process_that_the_system_does_not_give_is_tried_again() -> None:
    """No memory for a process now does not mean none for ever."""
    supervision = begun(1)
    outage = supervision.unstartable(0, "Cannot allocate memory", START)
    assert "could not be started (Cannot allocate memory)" == outage.how
    assert outage.restart_in is not None
    assert [StartWorker(0)] == supervision.decide(START + outage.restart_in)


def test_ends_are_told_in_words() -> None:
    """An exit code, a signal by its name, and one that has none."""
    assert ["ended with exit code 2", "was killed by SIGKILL", "was killed by signal 40"] == [
        how_it_ended(code) for code in (2, -9, -40)
    ]


def test_who_is_on_trial_is_not_started_again_and_stops_nobody() -> None:
    """However it ends: that is news for whoever put it there."""
    for code in (0, 1, KILLED):
        supervision = begun(1)
        supervision.add(1, by=7, drain=DRAIN, now=START, on_trial=True)
        assert [StartWorker(1, 7)] == supervision.decide(START)
        outage = supervision.ended(1, code, START)
        assert (None, True, False) == (outage.restart_in, outage.left, outage.clean)
        assert not supervision.stopping
        assert (None, 0) == (supervision.by(1), supervision.by(0))
        assert [] == supervision.decide(START + RESTART_LAST_NS)


def test_who_was_taken_is_a_worker_like_the_others() -> None:
    """Its exit code stops all, and a death by chance is cured."""
    supervision = begun(1)
    supervision.add(1, by=1, drain=DRAIN, now=START, on_trial=True)
    supervision.decide(START)
    supervision.take(1)
    assert supervision.ended(1, KILLED, START).restart_in is not None
    supervision.decide(START + RESTART_LAST_NS)
    assert supervision.ended(1, 1, START + RESTART_LAST_NS).restart_in is None
    assert supervision.stopping


def test_who_retires_is_asked_once_and_killed_past_its_own_drain() -> None:
    """Each worker has the drain of its own configuration, and how it ends is nobody's exit code."""
    supervision = begun(1)
    supervision.add(1, by=1, drain=3 * DRAIN, now=START, on_trial=False)
    supervision.decide(START)
    supervision.retire(1)
    assert (0,) == supervision.members()
    assert [StopWorker(1)] == supervision.decide(START)
    assert [] == supervision.decide(START + 1)
    late = START + 3 * DRAIN + KILL_AFTER_NS
    assert late == supervision.next_wake()
    assert [KillWorker(1)] == supervision.decide(late)
    outage = supervision.ended(1, KILLED, late)
    assert ("did not end within its drain and was killed", True) == (outage.how, outage.left)
    supervision.stop("stopped by SIGTERM", late)
    supervision.decide(late)
    supervision.ended(0, 0, late)
    assert (0, "stopped by SIGTERM") == supervision.ending()


def test_who_is_down_and_retires_is_forgotten_at_once() -> None:
    """Nobody waits for its restart."""
    supervision = begun(2)
    supervision.ended(1, KILLED, START)
    supervision.retire(1)
    assert supervision.by(1) is None
    assert [] == supervision.decide(START + RESTART_LAST_NS)


def test_nobody_is_added_once_a_stop_is_wished() -> None:
    """A reload may be in the middle of it."""
    supervision = begun(1)
    supervision.stop("stopped by SIGTERM", START)
    supervision.add(1, by=1, drain=DRAIN, now=START, on_trial=True)
    assert [StopWorker(0)] == supervision.decide(START)
