"""What is known of the workers at this moment: who is alive, who is ready, and who is down until when.

Alive is judged as for a single process: only what a restart of the whole cures makes it false. That is a loop that
stands still, and a worker that nobody has heard of for as long, be it hung or dead beyond every restart.
Who is only tried out, or drains because it was replaced, is known of and not judged by: the service is its members.
Written by the supervisor's thread and the readers of the workers, read by the thread that answers HTTP; every value is
replaced whole.
"""

from __future__ import annotations

from dataclasses import dataclass

from doka.adapters.telemetry.health import STALLED_AFTER_NS
from doka.domain.limits import NS_PER_SECOND

SILENT_AFTER_NS = 4 * NS_PER_SECOND
"""A worker reports each second; on a busy machine some late."""


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What a worker says of itself each second: why its loop is not alive, and why it is not ready."""

    stalled: str | None
    reasons: tuple[str, ...]


@dataclass(slots=True)
class _Known:
    expected: int  # since when something should be heard of it
    heard: int | None = None  # when its last report came; None before the first of its process
    report: WorkerReport | None = None
    down: str | None = None  # how it went down; None while it runs
    due: int | None = None  # when it is started again


class WorkersHealth:
    """Answers whether all workers live and whether all are ready; `now` is always the caller's."""

    def __init__(self, workers: int, now: int) -> None:
        """Know of so many workers that they are to be heard of from now on."""
        self._workers = {number: _Known(expected=now) for number in range(workers)}
        self._members = frozenset(self._workers)
        self._stopping: str | None = None

    def made_of(self, members: frozenset[int]) -> None:
        """Note which workers the service is made of now."""
        self._members = members

    def forget(self, worker: int) -> None:
        """Note that a worker has left for good, as it was meant to."""
        self._workers = {number: known for number, known in self._workers.items() if number != worker}

    def expect(self, worker: int, now: int) -> None:
        """Note that this worker, known or not, is to be heard of from now on."""
        if worker not in self._workers:
            self._workers = {**self._workers, worker: _Known(expected=now)}

    def started(self, worker: int) -> None:
        """Note that a process was started; it has not proved anything yet."""
        known = self._workers[worker]
        known.down = known.due = known.report = None

    def reported(self, worker: int, report: WorkerReport, now: int) -> None:
        """Note what a worker said."""
        known = self._workers.get(worker)
        if (
            known is not None and known.down is None
        ):  # a last word that was read late says nothing of a process that is gone
            known.report, known.heard = report, now

    def went_down(self, worker: int, how: str, due: int | None) -> None:
        """Note that a worker is down until `due`; None: for good."""
        known = self._workers[worker]
        if known.heard is not None and due is not None:  # else the outage is still the one before
            known.expected = due
        known.heard = known.report = None
        known.down, known.due = how, due

    def stopping(self, reason: str) -> None:
        """Note that all are to end."""
        self._stopping = reason
        for known in self._workers.values():
            known.due = None

    def up(self) -> frozenset[int]:
        """Give the workers that are up and have been heard of."""
        return frozenset(number for number, known in self._workers.items() if known.report is not None)

    def reports(self, now: int) -> dict[int, tuple[str, ...]]:
        """Give why each worker that was heard of in the last seconds is not ready; nothing where it is.

        One that has fallen silent has no report: it may have said that it is ready, and hang since.
        """
        told = {
            number: known.report
            for number, known in self._workers.items()
            if known.heard is not None and now - known.heard <= SILENT_AFTER_NS
        }
        return {number: (*_stall(report), *report.reasons) for number, report in told.items() if report is not None}

    def stalled(self, now: int) -> tuple[str, ...]:
        """Say why a restart of all is called for, a sentence for each worker; empty while it is not."""
        found = []
        for number, known in self._judged():
            if known.down is not None and known.due is None:
                continue  # it ended in a stop, and that has its own deadline
            silent = now - max(known.expected, known.heard or known.expected)
            if silent > STALLED_AFTER_NS:
                limit = STALLED_AFTER_NS // NS_PER_SECOND
                last = "" if known.down is None else f"; it {known.down}"
                found.append(
                    f"worker {number}: nothing was heard of it for {silent // NS_PER_SECOND} s (limit {limit} s){last}"
                )
            elif known.report is not None and known.report.stalled is not None:
                found.append(f"worker {number}: {known.report.stalled}")
        return tuple(found)

    def reasons(self, now: int) -> tuple[str, ...]:
        """Say why not all are ready, a sentence each; empty when they are."""
        found = [] if self._stopping is None else [f"stopping: {self._stopping}"]
        found += self.stalled(now)
        for number, known in self._judged():
            if known.down is not None:
                again = ""
                if known.due is not None:
                    again = f"; it is started again in {max(0, known.due - now) / NS_PER_SECOND:.0f} s"
                found.append(f"worker {number} is down: it {known.down}{again}")
            elif known.report is None:
                found.append(f"worker {number} is starting")
            else:
                found += [f"worker {number}: {reason}" for reason in known.report.reasons]
        return tuple(dict.fromkeys(found))

    def _judged(self) -> list[tuple[int, _Known]]:
        workers, members = self._workers, self._members
        return [(number, workers[number]) for number in sorted(members & workers.keys())]


def _stall(report: WorkerReport) -> tuple[str, ...]:
    return () if report.stalled is None else (report.stalled,)
