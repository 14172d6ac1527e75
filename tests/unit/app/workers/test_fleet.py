from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pytest

from doka.adapters.system.clock import SystemClock
from doka.adapters.telemetry.health import readyz
from doka.adapters.telemetry.http_server import Response
from doka.app.runtime import Ending
from doka.app.workers.fleet import UNEXPECTED, Fleet, Member
from doka.app.workers.health import WorkerReport, WorkersHealth
from doka.app.workers.supervisor import StopInbox
from doka.domain.events import StopRequested
from tests.waiting import eventually

LONG = 10 * 10**9


class FakeSupervisor:
    """A supervisor that ends when it is told to, or by itself."""

    def __init__(self, name: str, by_itself: Ending | Exception | None = None) -> None:
        self.inbox = StopInbox()
        self.reasons: list[str] = []
        self._name, self._by_itself = name, by_itself

    def run(self) -> Ending:
        if isinstance(self._by_itself, Exception):
            raise self._by_itself
        if self._by_itself is not None:
            return self._by_itself
        while not (events := self.inbox.drain()):
            self.inbox.wait(LONG)
        self.reasons += [event.reason for event in events if isinstance(event, StopRequested)]
        return Ending(0, f"stopped by {self.reasons[0]}")

    def answer(self, path: str) -> Response:
        page = b'# HELP x y\n# TYPE x gauge\nx{worker="0"} 1\n'
        return Response(200, page, "text/plain", 0)

    def processes(self) -> list[dict[str, Any]]:
        return [{"worker": 0, "held_bytes": len(self._name)}]


def fleet(*supervisors: FakeSupervisor) -> tuple[Fleet, StopInbox, list[WorkersHealth]]:
    """Give a fleet of these, called a, b and so on, with one worker each that is ready."""
    clock, inbox = SystemClock(), StopInbox()
    members, healths = {}, []
    for name, supervisor in zip("ab", supervisors, strict=True):
        health = WorkersHealth(1, clock.now())
        health.started(0)
        health.reported(0, WorkerReport(None, ()), clock.now())
        healths.append(health)
        members[name] = Member(supervisor, health, supervisor.inbox)  # type: ignore[arg-type]

    def shown(reasons: Sequence[str], processes: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        return {"reasons": reasons, "processes": processes}

    return Fleet(members, inbox, clock, shown), inbox, healths


def test_one_stop_ends_all() -> None:
    """Each supervisor is told of it once, and the reason is that of each."""
    one, other = FakeSupervisor("one"), FakeSupervisor("other")
    made, inbox, _ = fleet(one, other)
    inbox.put(StopRequested("SIGTERM"))
    ending = made.run()
    assert 0 == ending.code
    assert {"a: stopped by SIGTERM", "b: stopped by SIGTERM"} == set(ending.reason.split("; "))
    assert ["SIGTERM"] == one.reasons[:1] == other.reasons[:1]


@pytest.mark.parametrize(
    ("end", "expected"),
    [(Ending(1, "it halted"), Ending(1, "a: it halted")), (RuntimeError(), Ending(1, f"a: {UNEXPECTED.reason}"))],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_who_cannot_go_on_drains_the_others(end: Ending | Exception, expected: Ending) -> None:
    """With its exit code, and its reason alone."""
    other = FakeSupervisor("other")
    assert expected == fleet(FakeSupervisor("one", end), other)[0].run()
    assert ["the end of a"] == other.reasons


def test_pages_are_one() -> None:
    """Figures by the label `config`, reasons by the name, and what a person is shown of each process."""
    made, _, healths = fleet(FakeSupervisor("one"), FakeSupervisor("other"))
    page = made.answer("/metrics")
    assert page is not None
    assert b'# HELP x y\n# TYPE x gauge\nx{config="a",worker="0"} 1\nx{config="b",worker="0"} 1\n' == page.body
    ready = made.answer("/readyz")
    assert ready == readyz(())
    healths[1].reported(0, WorkerReport("it hangs", ("route orders is blocked",)), SystemClock().now())
    unready, unwell, status = (made.answer(path) for path in ("/readyz", "/healthz", "/status.json"))
    assert unready is not None
    assert unwell is not None
    assert status is not None
    told = ["b: worker 0: it hangs", "b: worker 0: route orders is blocked"]
    assert (503, told) == (unready.code, orjson.loads(unready.body)["reasons"])
    assert (503, told[:1]) == (unwell.code, orjson.loads(unwell.body)["reasons"])
    shown = orjson.loads(status.body)
    assert told == shown["reasons"]
    assert [("a", 3), ("b", 5)] == [(each["config"], each["held_bytes"]) for each in shown["processes"]]
    assert made.answer("/nothing") is None


def test_a_stop_comes_through_while_they_run() -> None:
    """As a signal does: from another thread, at any time."""
    from threading import Thread

    one, other = FakeSupervisor("one"), FakeSupervisor("other")
    made, inbox, _ = fleet(one, other)
    endings: list[Ending] = []
    thread = Thread(target=lambda: endings.append(made.run()))
    thread.start()
    inbox.put(StopRequested("SIGINT"))
    eventually(lambda: endings, what="the end")
    thread.join()
    assert 0 == endings[0].code
