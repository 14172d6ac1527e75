from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from threading import Timer
from typing import Any

import orjson
import pytest

from doka.adapters.system.signals import StopSignals
from doka.app.runtime import Ending
from doka.app.workers.health import WorkerReport, WorkersHealth
from doka.app.workers.supervision import KILL_AFTER_NS, Outage, Supervision
from doka.app.workers.supervisor import LOOK_EVERY_NS, StopInbox, Supervisor
from doka.domain.events import StopRequested
from doka.domain.limits import NS_PER_SECOND
from tests.manual_clock import ManualClock

DRAIN = 10 * NS_PER_SECOND
Script = dict[int, Callable[[], None]]
Shown = Callable[[Sequence[str], Sequence[Mapping[str, Any]]], Mapping[str, Any]]


class FakeWorker:
    """A process that ends when a test says so, or when it is asked to."""

    def __init__(self, pid: int, *, heeds_stops: bool = True) -> None:
        self.pid = pid
        self.code: int | None = None
        self.closed = False
        self.stops = 0
        self.metrics: bytes | None = b""
        self._heeds_stops = heeds_stops

    def poll(self) -> int | None:
        return self.code

    def terminate(self) -> None:
        self.stops += 1
        if self._heeds_stops and self.code is None:
            self.code = 0

    def kill(self) -> None:
        self.code = -signal.SIGKILL

    def ask(self, path: str) -> None:
        pages = {
            "/metrics": b"# HELP x y\n# TYPE x gauge\nx %d\n" % self.pid,
            "/status.json": orjson.dumps({"processes": [{"worker": None, "held_bytes": self.pid}]}),
        }
        self.metrics = None if self.metrics is None else pages[path]

    def page(self, path: str, within: float) -> bytes | None:
        return self.metrics

    def close(self) -> None:
        assert self.code is not None, "a running worker was let go of"
        self.closed = True


class Told:
    """A telemetry that keeps what it was told."""

    def __init__(self) -> None:
        self.deeds: list[object] = []

    def started(self, worker: int, pid: int) -> None:
        self.deeds.append(("started", worker, pid))

    def ended(self, outage: Outage) -> None:
        self.deeds.append(outage)

    def stopping(self, reason: str) -> None:
        self.deeds.append(("stopping", reason))

    def page(self, pages: Mapping[int, bytes]) -> tuple[bytes, str]:
        return repr(dict(pages)).encode(), "text/plain"


class Hall(StopInbox):
    """A supervisor over fake processes; time passes while it rests, and `at` says what happens at its so-manieth rest."""

    def __init__(
        self, workers: int = 3, at: Script | None = None, *, heeds_stops: bool = True, shown: Shown | None = None
    ) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.begin = self.clock.now()
        self.told = Told()
        self.health = WorkersHealth(workers, self.begin)
        self.born: list[FakeWorker] = []
        self.now_running: dict[int, FakeWorker] = {}
        self.refusals = 0
        self.at: Script = at or {}
        self.rests = 0
        self._heeds_stops = heeds_stops
        self.supervisor = Supervisor(
            supervision=Supervision(workers, DRAIN, lambda: 0.5, self.begin),
            health=self.health,
            start=self._start,
            inbox=self,
            clock=self.clock,
            telemetry=self.told,
            shown=shown,
        )

    def _start(self, worker: int, by: int) -> FakeWorker:
        if self.refusals:
            self.refusals -= 1
            raise OSError(12, "Cannot allocate memory")
        made = FakeWorker(100 + len(self.born), heeds_stops=self._heeds_stops)
        self.born.append(made)
        self.now_running[worker] = made
        return made

    # --- where the supervisor rests

    def wait(self, longest: int) -> None:
        assert 0 <= longest <= LOOK_EVERY_NS
        self.rests += 1
        assert self.rests < 10_000, "it never ends"
        self.clock.ns += longest or 1
        self.at.pop(self.rests, lambda: None)()

    def asked_to_stop(self) -> None:
        """Wish for a stop."""
        self.put(StopRequested("SIGTERM"))

    def page(self, path: str) -> tuple[int, dict[str, object]]:
        """Ask for a page of all workers."""
        answer = self.supervisor.answer(path)
        assert answer is not None
        return answer.code, orjson.loads(answer.body)


def test_one_stop_ends_all() -> None:
    """Each worker is started once, asked once, let go of, and the exit code is theirs."""
    hall = Hall()
    hall.at = {5: hall.asked_to_stop, 6: hall.asked_to_stop}
    assert Ending(0, "stopped by SIGTERM") == hall.supervisor.run()
    assert [(1, True)] * 3 == [(worker.stops, worker.closed) for worker in hall.born]
    assert [
        *(("started", number, 100 + number) for number in range(3)),
        ("stopping", "stopped by SIGTERM"),
        *(Outage(number, "ended with exit code 0", None, clean=True) for number in range(3)),
    ] == hall.told.deeds


def test_a_killed_worker_is_started_again_and_the_others_are_left_alone() -> None:
    """After its wait there is a new process in its place; nobody else notices."""
    hall = Hall()

    def kill() -> None:
        hall.now_running[1].kill()

    hall.at = {3: kill, 50: hall.asked_to_stop}
    assert Ending(0, "stopped by SIGTERM") == hall.supervisor.run()
    assert [100, 103, 102] == [hall.now_running[number].pid for number in range(3)]
    assert [None] == [deed.restart_in for deed in hall.told.deeds if isinstance(deed, Outage) and deed.worker == 0]
    died = next(deed for deed in hall.told.deeds if isinstance(deed, Outage))
    assert (1, "was killed by SIGKILL") == (died.worker, died.how)
    assert died.restart_in


def test_a_worker_that_cannot_go_on_ends_all() -> None:
    """A wrong configuration is not tried again: the others drain, and the code is 2."""
    hall = Hall()

    def give_up() -> None:
        hall.now_running[2].code = 2

    hall.at = {3: give_up}
    ending = hall.supervisor.run()
    assert (2, "worker 2 ended with exit code 2, so a new one would end the same way") == (ending.code, ending.reason)
    assert [1, 1, 0] == [worker.stops for worker in hall.born]
    assert 3 == len(hall.born)


def test_who_does_not_heed_a_stop_is_killed_after_its_drain() -> None:
    """The supervisor ends some seconds after the drain, whatever the workers do."""
    hall = Hall(heeds_stops=False)
    hall.at = {1: hall.asked_to_stop}
    ending = hall.supervisor.run()
    assert 137 == ending.code
    took = hall.clock.now() - hall.begin
    assert DRAIN + KILL_AFTER_NS <= took <= DRAIN + KILL_AFTER_NS + 4 * LOOK_EVERY_NS
    assert [1] * 3 == [worker.stops for worker in hall.born]


def test_a_process_that_is_not_given_is_tried_again() -> None:
    """A host without memory for a moment is told and outlived."""
    hall = Hall(workers=2)
    hall.refusals = 2
    hall.at = {100: hall.asked_to_stop}
    assert Ending(0, "stopped by SIGTERM") == hall.supervisor.run()
    refused = [deed for deed in hall.told.deeds if isinstance(deed, Outage) and deed.restart_in]
    assert ["could not be started (Cannot allocate memory)"] * 2 == [outage.how for outage in refused]
    assert 2 == len(hall.born)


def test_the_pages_are_those_of_all_workers() -> None:
    """Metrics of all who answer, health and readiness of all together, and nothing else."""
    hall = Hall(workers=2)
    seen: list[object] = []

    def look() -> None:
        hall.health.reported(0, WorkerReport(None, ()), hall.clock.now())
        seen.append(hall.page("/readyz"))
        hall.health.reported(1, WorkerReport(None, ()), hall.clock.now())
        seen.extend((hall.page("/readyz"), hall.page("/healthz")))
        hall.now_running[0].metrics = None
        metrics = hall.supervisor.answer("/metrics")
        assert metrics is not None
        seen.extend((metrics.body, metrics.fresh_ns, hall.supervisor.answer("/else")))
        hall.asked_to_stop()

    hall.at = {2: look}
    hall.supervisor.run()
    assert [
        (503, {"ready": False, "reasons": ["worker 1 is starting"]}),
        (200, {"ready": True, "reasons": []}),
        (200, {"healthy": True, "reasons": []}),
        repr({1: b"# HELP x y\n# TYPE x gauge\nx 101\n"}).encode(),
        NS_PER_SECOND,
        None,
    ] == seen


def test_one_page_shows_all_who_answer() -> None:
    """Of each worker what it tells, under its number; who has nothing to tell in time is left out, and why is a reason."""
    hall = Hall(workers=2, shown=lambda reasons, processes: {"reasons": reasons, "processes": processes})
    seen: list[object] = []

    def look() -> None:
        hall.health.reported(1, WorkerReport(None, ()), hall.clock.now())
        hall.now_running[0].metrics = None
        page, shown = hall.supervisor.answer("/"), hall.supervisor.answer("/status.json")
        assert page is not None
        assert shown is not None
        seen.extend((page.content_type, orjson.loads(shown.body), shown.for_known_hosts))
        hall.asked_to_stop()

    hall.at = {2: look}
    hall.supervisor.run()
    told = {"reasons": ["worker 0 is starting"], "processes": [{"worker": 1, "held_bytes": 101}]}
    assert ["text/html; charset=utf-8", told, True] == seen


def test_a_silent_worker_makes_health_false() -> None:
    """A minute without a word of one worker, and an orchestrator is told to start all anew."""
    hall = Hall(workers=2)
    seen: list[object] = []

    def look() -> None:
        hall.clock.pass_seconds(61)
        hall.health.reported(0, WorkerReport(None, ()), hall.clock.now())
        seen.append(hall.page("/healthz"))
        hall.asked_to_stop()

    hall.at = {2: look}
    hall.supervisor.run()
    assert [(503, {"healthy": False, "reasons": ["worker 1: nothing was heard of it for 61 s (limit 60 s)"]})] == seen


def test_an_error_of_its_own_leaves_nobody_behind() -> None:
    """Whatever goes wrong in the supervisor, its workers are asked to end."""
    hall = Hall()

    def break_down() -> None:
        raise ZeroDivisionError

    hall.at = {3: break_down}
    with pytest.raises(ZeroDivisionError):
        hall.supervisor.run()
    assert [1, 1, 1] == [worker.stops for worker in hall.born]


def test_a_signal_ends_the_rest_of_the_supervisor() -> None:
    """The handler's wish is there at once, and none is lost."""
    inbox = StopInbox()
    with StopSignals(inbox):
        timer = Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM))
        timer.start()
        inbox.wait(60 * NS_PER_SECOND)
        os.kill(os.getpid(), signal.SIGINT)
        assert [StopRequested("SIGTERM"), StopRequested("SIGINT")] == inbox.drain()
        timer.join()
    inbox.wait(1)
    assert [] == inbox.drain()
