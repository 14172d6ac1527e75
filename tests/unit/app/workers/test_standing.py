from __future__ import annotations

from doka.adapters.telemetry.health import STALLED_AFTER_NS
from doka.app.workers.standing import Report, Standing
from doka.domain.limits import NS_PER_SECOND

START = 1_000 * NS_PER_SECOND
WELL = Report(None, ())


def reported(workers: int = 2) -> Standing:
    """Give the standing of workers that are all well."""
    standing = Standing(workers, START)
    for number in range(workers):
        standing.started(number)
        standing.reported(number, WELL, START)
    return standing


def test_workers_that_start_are_alive_and_not_ready() -> None:
    """Until its first report a worker is starting, for as long as any loop may take for a turn."""
    standing = Standing(2, START)
    standing.started(0)
    standing.started(1)
    standing.reported(1, WELL, START)
    assert () == standing.stalled(START + STALLED_AFTER_NS)
    assert ("worker 0 is starting",) == standing.reasons(START + STALLED_AFTER_NS)


def test_all_well_is_ready() -> None:
    """With a good report of each worker there is no reason not to be."""
    assert ((), ()) == (reported().stalled(START), reported().reasons(START))


def test_the_reasons_of_each_worker_are_told_with_its_number() -> None:
    """What one worker misses makes all of them not ready, and still alive."""
    standing = reported()
    standing.reported(1, Report(None, ("route orders is blocked: AccessDenied",)), START)
    assert () == standing.stalled(START)
    assert ("worker 1: route orders is blocked: AccessDenied",) == standing.reasons(START)


def test_a_loop_that_stands_still_is_not_alive() -> None:
    """A worker says so itself while its threads still run."""
    standing = reported()
    stalled = "the loop has not turned for 61 s (limit 60 s)"
    standing.reported(0, Report(stalled, (stalled,)), START)
    assert (f"worker 0: {stalled}",) == standing.stalled(START) == standing.reasons(START)


def test_a_worker_of_which_nothing_is_heard_is_not_alive() -> None:
    """A process that hangs whole reports nothing; after as long as a loop has, that is told."""
    standing = reported()
    late = START + STALLED_AFTER_NS + NS_PER_SECOND
    standing.reported(1, WELL, late)
    assert () == standing.stalled(late - NS_PER_SECOND)
    assert ("worker 0: nothing was heard of it for 61 s (limit 60 s)",) == standing.stalled(late)


def test_a_worker_that_waits_for_its_restart_is_alive_and_not_ready() -> None:
    """The supervisor cures it; restarting everything would only hurt the others. A last word read late changes nothing."""
    standing = reported()
    due = START + 8 * NS_PER_SECOND
    standing.went_down(1, "was killed by SIGKILL", due)
    standing.reported(1, WELL, START)
    assert () == standing.stalled(due)
    told = ("worker 1 is down: it was killed by SIGKILL; it is started again in 8 s",)
    assert told == standing.reasons(START)

    standing.started(1)
    assert ("worker 1 is starting",) == standing.reasons(due)
    standing.reported(1, WELL, due)
    assert () == standing.reasons(due)


def test_a_worker_that_no_restart_cures_is_not_alive() -> None:
    """Dying before each first report does not begin the minute anew."""
    standing = reported()
    due = START + NS_PER_SECOND
    standing.went_down(0, "was killed by SIGSEGV", due)
    later = due + STALLED_AFTER_NS + NS_PER_SECOND
    for moment in range(due, later, 10 * NS_PER_SECOND):
        standing.started(0)
        standing.went_down(0, "was killed by SIGSEGV", moment + NS_PER_SECOND)
    standing.reported(1, WELL, later)
    told = "worker 0: nothing was heard of it for 61 s (limit 60 s); it was killed by SIGSEGV"
    assert (told,) == standing.stalled(later)


def test_a_stop_is_a_reason_and_who_ended_in_it_is_not_missed() -> None:
    """While all drain nothing is ready; who has ended is down for good and alive enough."""
    standing = reported()
    standing.went_down(0, "was killed by SIGKILL", START + NS_PER_SECOND)
    standing.stopping("stopped by SIGTERM")
    standing.went_down(1, "ended with exit code 0", None)
    assert () == standing.stalled(START + 2 * STALLED_AFTER_NS)
    assert (
        "stopping: stopped by SIGTERM",
        "worker 0 is down: it was killed by SIGKILL",
        "worker 1 is down: it ended with exit code 0",
    ) == standing.reasons(START)
