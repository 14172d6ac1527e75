"""Several clusters in one process: a supervisor for each configuration, side by side, and their pages as one.

Each has its workers, its group and its reloads for itself; together they have one port, one log and one end. Nothing of
one is known to another, so a cluster that is away is a reason of its own and stands in nobody's way.
Who ends by itself has a reason to be believed, so the others are drained then, as the workers of one configuration are.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from doka.adapters.telemetry.health import METRICS_FRESH_NS, healthz, readyz
from doka.adapters.telemetry.http_server import Response
from doka.adapters.telemetry.merged_page import TEXT, merged
from doka.adapters.telemetry.page.serving import page_at
from doka.app.runtime import Ending
from doka.app.workers.health import WorkersHealth
from doka.app.workers.supervisor import LOOK_EVERY_NS, StopInbox, Supervisor
from doka.domain.events import StopRequested
from doka.domain.ports import Clock

UNEXPECTED = Ending(1, "an unexpected error inside the supervisor came up, please report it")

Shown = Callable[[Sequence[str], Sequence[Mapping[str, Any]]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Member:
    """A supervisor of the fleet, what is known of its workers, and where it is told of stops."""

    supervisor: Supervisor
    health: WorkersHealth
    inbox: StopInbox


class Fleet:
    """Runs the supervisors of all configurations until all have ended; `answer` may be called from another thread."""

    def __init__(
        self, members: Mapping[str, Member], inbox: StopInbox, clock: Clock, shown: Shown | None = None
    ) -> None:
        """Take each configuration's supervisor by its name, and where stops for all of them are left."""
        self._members = members
        self._inbox = inbox
        self._clock = clock
        self._shown = shown
        self._endings: dict[str, Ending] = {}

    def run(self) -> Ending:
        """Run all, and stay until none is left: the worst exit code, and the reason of each that did not end well."""
        threads = {
            name: threading.Thread(target=self._run, args=(name, member), name=f"doka-supervisor-{name}")
            for name, member in self._members.items()
        }
        for thread in threads.values():
            thread.start()
        stopped = False
        while any(thread.is_alive() for thread in threads.values()):
            for event in self._inbox.drain():
                for member in self._members.values():
                    member.inbox.put(event)
            if self._endings and not stopped:
                stopped = True
                first = next(iter(self._endings))
                for member in self._members.values():
                    member.inbox.put(StopRequested(f"the end of {first}"))
            self._inbox.wait(LOOK_EVERY_NS)
        code = max(ending.code for ending in self._endings.values())
        told = [f"{name}: {ending.reason}" for name, ending in self._endings.items() if ending.code == code]
        return Ending(code, "; ".join(told))

    def answer(self, path: str) -> Response | None:
        """Answer a GET for all configurations together; None for a path that there is not."""
        now = self._clock.now()
        match path:
            case "/metrics":
                answers = {name: member.supervisor.answer(path) for name, member in self._members.items()}
                pages = {name: answer.body for name, answer in answers.items() if answer is not None}
                return Response(200, merged(pages, "config"), TEXT, METRICS_FRESH_NS)
            case "/healthz":
                return healthz(self._named(lambda member: member.health.stalled(now)))
            case "/readyz":
                return readyz(self._named(lambda member: member.health.reasons(now)))
            case _:
                return None if self._shown is None else page_at(path, self._told)

    def _run(self, name: str, member: Member) -> None:
        ending = UNEXPECTED
        try:
            ending = member.supervisor.run()
        finally:
            self._endings = {**self._endings, name: ending}

    def _named(self, reasons: Callable[[Member], Sequence[str]]) -> tuple[str, ...]:
        return tuple(f"{name}: {reason}" for name, member in self._members.items() for reason in reasons(member))

    def _told(self) -> Mapping[str, Any]:
        assert self._shown is not None  # narrows the type
        now = self._clock.now()
        told = [
            {**each, "config": name} for name, member in self._members.items() for each in member.supervisor.processes()
        ]
        return self._shown(self._named(lambda member: member.health.reasons(now)), told)
