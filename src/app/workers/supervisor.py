"""The supervisor: one thread that starts workers, waits, and carries out what `Supervision` decides.

It forwards nothing and opens no client, so it is small and has nothing to lose: whatever happens to it, the workers
notice and drain.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Protocol

import orjson

from doka.adapters.telemetry.health import METRICS_FRESH_NS, healthz, readyz
from doka.adapters.telemetry.http_server import Response
from doka.adapters.telemetry.page.serving import STATUS_PATH, page_at
from doka.app.runtime import Ending
from doka.app.workers.health import WorkersHealth
from doka.app.workers.supervision import KillWorker, Order, Outage, StartWorker, StopWorker, Supervision
from doka.domain.events import Event, StopRequested
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.ports import Clock

LOOK_EVERY_NS = 200 * NS_PER_MS  # for workers that have ended; five wake-ups a second cost nothing that can be measured
PAGES_WITHIN_NS = 2 * NS_PER_SECOND  # a scraper waits for ten, a connection of ours for five


class Worker(Protocol):
    """A worker's process, as the supervisor uses it."""

    @property
    def pid(self) -> int:
        """The id of the process."""
        ...

    def poll(self) -> int | None:
        """Give the exit code, negative for the signal that killed it; None while it runs."""
        ...

    def terminate(self) -> None:
        """Ask it to drain and end."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...

    def ask(self, path: str) -> None:
        """Ask for what it has at a path."""
        ...

    def page(self, path: str, within: float) -> bytes | None:
        """Give what was asked for, waiting so many seconds."""
        ...

    def close(self) -> None:
        """Let go of it once it has ended."""
        ...


class WorkerTelemetry(Protocol):
    """Who is told what happens, for people and for scrapers; never raises."""

    def started(self, worker: int, pid: int) -> None:
        """Tell of a worker that was started."""
        ...

    def ended(self, outage: Outage) -> None:
        """Tell of a worker that ended."""
        ...

    def stopping(self, reason: str) -> None:
        """Tell that all are to end."""
        ...

    def page(self, pages: Mapping[int, bytes]) -> tuple[bytes, str]:
        """Give one metrics page of the workers' pages, and its content type."""
        ...


class Reloads(Protocol):
    """Who reads the configuration again and replaces the workers, as `reloader.Reloader`."""

    def wish(self, why: str, state: bytes) -> None:
        """Read it as soon as its turn comes; a `state` that was seen, and has been judged, is no reason."""
        ...

    def turn(self, now: int) -> None:
        """Go on as far as it can without waiting."""
        ...

    def ended(self, outage: Outage) -> None:
        """Note that a worker went down."""
        ...

    def close(self) -> None:
        """Leave no process behind."""
        ...


class StopInbox:
    """Where signal handlers leave their wishes, and where the supervisor rests: `put` ends a `wait`."""

    def __init__(self) -> None:
        self._events: SimpleQueue[Event] = SimpleQueue()  # put() is re-entrant
        self._early: list[Event] = []
        self._reloads: SimpleQueue[tuple[str, bytes]] = SimpleQueue()

    def put(self, event: Event) -> None:
        """Leave a wish; from any thread or signal handler."""
        self._events.put(event)

    def wish_reload(self, why: str, state: bytes = b"") -> None:
        """Leave the wish that the configuration be read again; from any thread or signal handler. It ends no `wait`.

        With a `state`, which is what was seen, it is no wish where just that has been judged.
        """
        self._reloads.put((why, state))

    def reloads_wished(self) -> Sequence[tuple[str, bytes]]:
        """Give why reloads were wished for since the last call, and what was seen."""
        found = []
        with contextlib.suppress(Empty):
            while True:
                found.append(self._reloads.get_nowait())
        return found

    def drain(self) -> Sequence[Event]:
        """Take all that is there, without waiting."""
        found, self._early = self._early, []
        with contextlib.suppress(Empty):
            while True:
                found.append(self._events.get_nowait())
        return found

    def wait(self, longest: int) -> None:
        """Rest until something is there, at most so many ns."""
        with contextlib.suppress(Empty):
            self._early.append(self._events.get(timeout=max(longest, 0) / NS_PER_SECOND))


class Supervisor:
    """Runs the workers until all have ended for good; `answer` may be called from another thread meanwhile."""

    def __init__(
        self,
        *,
        supervision: Supervision,
        health: WorkersHealth,
        start: Callable[[int, int], Worker],
        inbox: StopInbox,
        clock: Clock,
        telemetry: WorkerTelemetry,
        shown: Callable[[Sequence[str], Sequence[Mapping[str, Any]]], Mapping[str, Any]] | None = None,
        reloads: Reloads | None = None,
    ) -> None:
        """Wire it; `start` gives a running worker of this number by the configuration of that number, or raises OSError.

        `shown` gives what a person is shown, of the reasons of all and what each worker tells; None: nobody is shown anything.
        Without `reloads` the configuration is that of the start.
        """
        self._supervision = supervision
        self._health = health
        self._start = start
        self._inbox = inbox
        self._clock = clock
        self._telemetry = telemetry
        self._shown = shown
        self._reloads = reloads
        self._running: dict[int, Worker] = {}
        self._told_stop = False

    def run(self) -> Ending:
        """Start the workers, and stay until none is left; on any error of its own, leave none behind."""
        try:
            while not self._supervision.finished:
                self._turn()
        finally:
            for worker in self._running.values():
                worker.terminate()
            if self._reloads is not None:
                self._reloads.close()
        return Ending(*self._supervision.ending())

    def answer(self, path: str) -> Response | None:
        """Answer a GET for all workers together; None for a path that there is not."""
        match path:
            case "/metrics":
                page, content_type = self._telemetry.page(self._pages(path))
                return Response(200, page, content_type, METRICS_FRESH_NS)
            case "/healthz":
                return healthz(self._health.stalled(self._clock.now()))
            case "/readyz":
                return readyz(self._health.reasons(self._clock.now()))
            case _:
                return None if self._shown is None else page_at(path, self._told)

    def processes(self) -> list[dict[str, Any]]:
        """Give what each worker that answers tells of itself, under its number."""
        return [
            process | {"worker": number}
            for number, page in self._pages(STATUS_PATH).items()
            for process in orjson.loads(page)["processes"]
        ]

    def _told(self) -> Mapping[str, Any]:
        """Give what a person is shown."""
        assert self._shown is not None  # narrows the type
        return self._shown(self._health.reasons(self._clock.now()), self.processes())

    def _turn(self) -> None:
        for event in self._inbox.drain():
            if isinstance(event, StopRequested):
                self._supervision.stop(f"stopped by {event.reason}", self._clock.now())
        self._turn_reloads()
        for order in self._supervision.decide(self._clock.now()):
            self._carry_out(order)
        self._tell_stop()
        wake, now = self._supervision.next_wake(), self._clock.now()
        self._inbox.wait(LOOK_EVERY_NS if wake is None else max(0, min(LOOK_EVERY_NS, wake - now)))
        for number, worker in list(self._running.items()):
            code = worker.poll()
            if code is not None:
                self._reap(number, worker, code)

    def _turn_reloads(self) -> None:
        if self._reloads is None:
            return
        for why, state in self._inbox.reloads_wished():
            self._reloads.wish(why, state)
        self._reloads.turn(self._clock.now())

    def _carry_out(self, order: Order) -> None:
        match order:
            case StartWorker(number, by):
                self._start_worker(number, by)
            case StopWorker(number):
                self._running[number].terminate()
            case KillWorker(number):
                self._running[number].kill()

    def _start_worker(self, number: int, by: int) -> None:
        self._health.expect(number, self._clock.now())
        self._health.started(number)
        try:
            worker = self._start(number, by)
        except OSError as error:
            why = error.strerror or type(error).__name__
            self._went_down(self._supervision.unstartable(number, why, self._clock.now()))
        else:
            self._running = {**self._running, number: worker}  # replaced whole: pages are gathered on another thread
            self._telemetry.started(number, worker.pid)

    def _reap(self, number: int, worker: Worker, code: int) -> None:
        self._running = {other: kept for other, kept in self._running.items() if other != number}
        worker.close()
        self._went_down(self._supervision.ended(number, code, self._clock.now()))

    def _went_down(self, outage: Outage) -> None:
        due = None if outage.restart_in is None else self._clock.now() + outage.restart_in
        if outage.left:
            self._health.forget(outage.worker)
        else:
            self._health.went_down(outage.worker, outage.how, due)
        if self._reloads is not None:
            self._reloads.ended(outage)
        self._telemetry.ended(outage)
        self._tell_stop()

    def _tell_stop(self) -> None:
        if self._supervision.stopping and not self._told_stop:
            self._told_stop = True
            self._health.stopping(self._supervision.reason)
            self._telemetry.stopping(self._supervision.reason)

    def _pages(self, path: str) -> dict[int, bytes]:
        """Ask all workers at once; whoever does not answer in time is left out."""
        running = self._running
        for worker in running.values():
            worker.ask(path)
        deadline = self._clock.now() + PAGES_WITHIN_NS
        pages = {
            number: worker.page(path, (deadline - self._clock.now()) / NS_PER_SECOND)
            for number, worker in running.items()
        }
        return {number: page for number, page in pages.items() if page is not None}
