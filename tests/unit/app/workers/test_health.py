from __future__ import annotations

from doka.adapters.telemetry.health import STALLED_AFTER_NS
from doka.app.workers.health import SILENT_AFTER_NS, WorkerReport, WorkersHealth
from doka.domain.limits import NS_PER_SECOND

START = 1_000 * NS_PER_SECOND
WELL = WorkerReport(None, ())


def reported(workers: int = 2) -> WorkersHealth:
    """Give the health of workers that are all well."""
    health = WorkersHealth(workers, START)
    for number in range(workers):
        health.started(number)
        health.reported(number, WELL, START)
    return health


def test_workers_that_start_are_alive_and_not_ready() -> None:
    """Until its first report a worker is starting, for as long as any loop may take for a turn."""
    health = WorkersHealth(2, START)
    health.started(0)
    health.started(1)
    health.reported(1, WELL, START)
    assert () == health.stalled(START + STALLED_AFTER_NS)
    assert ("worker 0 is starting",) == health.reasons(START + STALLED_AFTER_NS)


def test_all_well_is_ready() -> None:
    """With a good report of each worker there is no reason not to be."""
    assert ((), ()) == (reported().stalled(START), reported().reasons(START))


def test_the_reasons_of_each_worker_are_told_with_its_number() -> None:
    """What one worker misses makes all of them not ready, and still alive."""
    health = reported()
    health.reported(1, WorkerReport(None, ("route orders is blocked: AccessDenied",)), START)
    assert () == health.stalled(START)
    assert ("worker 1: route orders is blocked: AccessDenied",) == health.reasons(START)


def test_a_loop_that_stands_still_is_not_alive() -> None:
    """A worker says so itself while its threads still run."""
    health = reported()
    stalled = "the loop has not turned for 61 s (limit 60 s)"
    health.reported(0, WorkerReport(stalled, (stalled,)), START)
    assert (f"worker 0: {stalled}",) == health.stalled(START) == health.reasons(START)


def test_a_worker_of_which_nothing_is_heard_is_not_alive() -> None:
    """A process that hangs whole reports nothing; after as long as a loop has, that is told."""
    health = reported()
    late = START + STALLED_AFTER_NS + NS_PER_SECOND
    health.reported(1, WELL, late)
    assert () == health.stalled(late - NS_PER_SECOND)
    assert ("worker 0: nothing was heard of it for 61 s (limit 60 s)",) == health.stalled(late)


def test_a_worker_that_waits_for_its_restart_is_alive_and_not_ready() -> None:
    """The supervisor cures it; restarting everything would only hurt the others. A last word read late changes nothing."""
    health = reported()
    due = START + 8 * NS_PER_SECOND
    health.went_down(1, "was killed by SIGKILL", due)
    health.reported(1, WELL, START)
    assert () == health.stalled(due)
    told = ("worker 1 is down: it was killed by SIGKILL; it is started again in 8 s",)
    assert told == health.reasons(START)

    health.started(1)
    assert ("worker 1 is starting",) == health.reasons(due)
    health.reported(1, WELL, due)
    assert () == health.reasons(due)


def test_a_worker_that_no_restart_cures_is_not_alive() -> None:
    """Dying before each first report does not begin the minute anew."""
    health = reported()
    due = START + NS_PER_SECOND
    health.went_down(0, "was killed by SIGSEGV", due)
    later = due + STALLED_AFTER_NS + NS_PER_SECOND
    for moment in range(due, later, 10 * NS_PER_SECOND):
        health.started(0)
        health.went_down(0, "was killed by SIGSEGV", moment + NS_PER_SECOND)
    health.reported(1, WELL, later)
    told = "worker 0: nothing was heard of it for 61 s (limit 60 s); it was killed by SIGSEGV"
    assert (told,) == health.stalled(later)


def test_a_stop_is_a_reason_and_who_ended_in_it_is_not_missed() -> None:
    """While all drain nothing is ready; who has ended is down for good and alive enough."""
    health = reported()
    health.went_down(0, "was killed by SIGKILL", START + NS_PER_SECOND)
    health.stopping("stopped by SIGTERM")
    health.went_down(1, "ended with exit code 0", None)
    assert () == health.stalled(START + 2 * STALLED_AFTER_NS)
    assert (
        "stopping: stopped by SIGTERM",
        "worker 0 is down: it was killed by SIGKILL",
        "worker 1 is down: it ended with exit code 0",
    ) == health.reasons(START)


def test_up_is_who_was_heard_of_since_its_start() -> None:
    """A worker that starts, or is down, is not."""
    health = WorkersHealth(2, START)
    health.started(0)
    assert frozenset() == health.up()
    health.reported(0, WELL, START)
    health.reported(1, WELL, START)
    assert {0, 1} == health.up()
    health.went_down(1, "was killed by SIGKILL", None)
    assert {0} == health.up()


def test_who_is_no_member_is_known_of_and_not_judged_by() -> None:
    """One that is only tried out may be silent or unready; its reports are there for whoever tries it out."""
    health = WorkersHealth(1, START)
    health.started(0)
    health.reported(0, WorkerReport(None, ()), START)
    health.expect(1, START)
    health.started(1)
    assert {0: ()} == health.reports(START)
    health.reported(1, WorkerReport("its loop hangs", ("route orders is blocked",)), START)
    assert {0: (), 1: ("its loop hangs", "route orders is blocked")} == health.reports(START)
    assert ((), ()) == (health.reasons(START), health.stalled(START))
    health.made_of(frozenset({1}))
    assert ("worker 1: its loop hangs", "worker 1: route orders is blocked") == health.reasons(START)
    health.forget(0)
    assert frozenset({1}) == health.up()
    health.reported(0, WorkerReport(None, ()), START)  # a last word that was read late
    assert frozenset({1}) == health.up()


def test_who_has_fallen_silent_has_no_report() -> None:
    """It said that it is ready, and may hang since: whoever tries it out must not believe its last word."""
    health = WorkersHealth(1, START)
    health.started(0)
    health.reported(0, WorkerReport(None, ()), START)
    assert {0: ()} == health.reports(START + SILENT_AFTER_NS)
    assert {} == health.reports(START + SILENT_AFTER_NS + 1)
    assert frozenset({0}) == health.up()
