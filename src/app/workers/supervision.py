"""What the supervisor decides: whom to start again and when, when to give up, and how it all ended. Pure.

Theory of operation. A worker is a whole `doka run` in a process of its own, so its exit code means what it always means:

    killed by a signal, or 0 unasked    chance, or somebody's hand: it is started again, later each time it dies young
    1, 2 or any other code              it said itself that it cannot go on: a wrong configuration or a halt. A new
                                        process would say the same, so all are stopped and that code is the supervisor's

A stop asks every worker once; a second wish changes nothing, for cutting a drain short would only make duplicates.
A reload (`reloading.py`) tries a new worker out beside the others, and retires an old one. How these two end is news for
the reload alone: who is on trial is not started again and stops nobody, and who retires was meant to end.
A worker that outlives its drain by far is killed: that loses nothing, and somebody waits for the supervisor to end.
It must never start a worker while a stop is under way, and never call a run clean that was not.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass

from doka.domain.backoff import Jitter, backoff
from doka.domain.limits import NS_PER_SECOND

RESTART_FIRST_NS = NS_PER_SECOND
RESTART_LAST_NS = 60 * NS_PER_SECOND
STEADY_AFTER_NS = 60 * NS_PER_SECOND  # who ran for so long did not die young
KILL_AFTER_NS = (
    4 * NS_PER_SECOND
)  # past the drain; a worker ends 3 s past it at the latest, and an orchestrator grants 5
_SIGNALLED = 128  # as shells say it: 128 + the signal's number


@dataclass(frozen=True, slots=True)
class StartWorker:
    """Start a process for this worker, by a configuration of this number: 0 is that of the start."""

    worker: int
    by: int = 0


@dataclass(frozen=True, slots=True)
class StopWorker:
    """Ask this worker to drain and end."""

    worker: int


@dataclass(frozen=True, slots=True)
class KillWorker:
    """End this worker at once: it did not end within its drain."""

    worker: int


Order = StartWorker | StopWorker | KillWorker


@dataclass(frozen=True, slots=True)
class Outage:
    """How a worker went down; `restart_in` is the time in ns until it is started again, None for never."""

    worker: int
    how: str
    restart_in: int | None
    clean: bool = False
    left: bool = False
    """It was on trial or retired, so nobody expects it back."""


@dataclass(slots=True)
class _Worker:
    """Runs, or is due at a time in ns, or neither: then it has ended for good."""

    due: int | None
    drain: int
    by: int = 0
    on_trial: bool = False
    retired: bool = False
    runs: bool = False
    started_at: int = 0
    young_deaths: int = 0
    asked_at: int | None = None
    killed: bool = False
    code: int = 0  # of its last end, as a shell would say it
    how: str = ""


class Supervision:
    """Holds each worker's state; is told what happened, gives orders, reads no clock."""

    def __init__(self, workers: int, drain: int, jitter: Jitter, now: int) -> None:
        """Have so many workers, all due now; `drain` is the time in ns that a worker may take to end."""
        self._workers = {number: _Worker(now, drain) for number in range(workers)}
        self._jitter = jitter
        self._stop_at: int | None = None
        self._reason = ""
        self._cause: int | None = None  # the exit code for which all are stopped

    @property
    def stopping(self) -> bool:
        """Whether all are to end."""
        return self._stop_at is not None

    @property
    def reason(self) -> str:
        """Why all are to end; empty while they are not."""
        return self._reason

    @property
    def finished(self) -> bool:
        """Whether nobody runs and nobody will."""
        return self.stopping and not any(worker.runs for worker in self._workers.values())

    def decide(self, now: int) -> list[Order]:
        """Give what is to be done now; who is ordered to start counts as running until told otherwise."""
        orders: list[Order] = []
        for number, worker in self._workers.items():
            if not worker.runs:
                if worker.due is not None and worker.due <= now:
                    worker.due, worker.runs, worker.started_at = None, True, now
                    worker.code, worker.how = 0, ""
                    orders.append(StartWorker(number, worker.by))
            elif worker.asked_at is None:
                if self.stopping or worker.retired:
                    worker.asked_at = now
                    orders.append(StopWorker(number))
            elif not worker.killed and now >= worker.asked_at + worker.drain + KILL_AFTER_NS:
                worker.killed = True
                orders.append(KillWorker(number))
        return orders

    def next_wake(self) -> int | None:
        """Give when time alone changes something, in ns of the clock; None: never."""
        times = [worker.due for worker in self._workers.values() if worker.due is not None]
        times += [
            worker.asked_at + worker.drain + KILL_AFTER_NS
            for worker in self._workers.values()
            if worker.runs and worker.asked_at is not None and not worker.killed
        ]
        return min(times, default=None)

    # --- for a reload ----------------------------------------------------------------------------------------------

    def by(self, worker: int) -> int | None:
        """Give the number of the configuration that a worker has; None where there is no such worker."""
        known = self._workers.get(worker)
        return None if known is None else known.by

    def members(self) -> tuple[int, ...]:
        """Give the numbers of all that are not retired."""
        return tuple(number for number, worker in self._workers.items() if not worker.retired)

    def add(self, worker: int, *, by: int, drain: int, now: int, on_trial: bool) -> None:
        """Have another worker, due now, by a configuration of this number, which has ended in this time (ns) when asked."""
        if not self.stopping:
            self._workers[worker] = _Worker(now, drain, by, on_trial)

    def take(self, worker: int) -> None:
        """Let one that was on trial be a worker like the others."""
        self._workers[worker].on_trial = False

    def retire(self, worker: int) -> None:
        """Let a worker drain and end for good; one that is down is forgotten at once."""
        known = self._workers.get(worker)
        if known is not None and not known.runs:
            del self._workers[worker]
        elif known is not None:
            known.retired = True

    def ended(self, worker: int, code: int, now: int) -> Outage:
        """Note that a worker's process ended with this code, negative for the signal that killed it."""
        return self._down(worker, how_it_ended(code), code, now)

    def unstartable(self, worker: int, why: str, now: int) -> Outage:
        """Note that the system gave no process for a worker: a chance like being killed."""
        return self._down(worker, f"could not be started ({why})", -signal.SIGKILL, now)

    def stop(self, reason: str, now: int) -> None:
        """End all; only the first call counts."""
        if self._stop_at is None:
            self._stop_at, self._reason = now, reason
            for worker in self._workers.values():
                worker.due = None

    def ending(self) -> tuple[int, str]:
        """Give the exit code, the worst of the workers' unless one of them made all stop, and the reason."""
        bad = [f"worker {number} {w.how}" for number, w in self._workers.items() if w.code and w.how]
        if self._cause is not None:
            return self._cause, self._reason
        return max((worker.code for worker in self._workers.values()), default=0), "; ".join([self._reason, *bad])

    def _down(self, number: int, how: str, code: int, now: int) -> Outage:
        worker = self._workers[number]
        if worker.killed:
            how = "did not end within its drain and was killed"
        worker.runs, worker.how = False, how
        worker.code = _SIGNALLED - code if code < 0 else code
        if self.stopping:
            return Outage(number, how, None, clean=code == 0)
        if worker.on_trial or worker.retired:
            del self._workers[number]
            return Outage(number, how, None, clean=code == 0 and worker.retired, left=True)
        if code > 0:
            self._cause = code
            self.stop(f"worker {number} {how}, so a new one would end the same way", now)
            return Outage(number, how, None)
        steady = now - worker.started_at >= STEADY_AFTER_NS
        worker.young_deaths = 1 if steady else worker.young_deaths + 1
        wait = backoff(worker.young_deaths, self._jitter, first=RESTART_FIRST_NS, last=RESTART_LAST_NS)
        worker.due = now + wait
        return Outage(number, how, wait)


def how_it_ended(code: int) -> str:
    """Say an exit code in words; negative is the signal that killed the process."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal has no name
        return f"was killed by signal {-code}"
