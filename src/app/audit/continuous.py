"""Audits that follow each other until somebody stops them: when each begins, what is told of it, and when one is tried again.

It must never end for what may be cured meanwhile, and never call a window judged that was not read to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from doka.adapters.audit.file import AuditFile
from doka.adapters.kafka.not_told import NotToldError
from doka.adapters.telemetry.audit_telemetry import AuditTelemetry
from doka.app.audit.planning import shown
from doka.app.audit.reading import Reading
from doka.app.audit.telling import LOST, Found, found_by, sentence
from doka.app.audit.windows import Windows
from doka.domain.audit.fates import Fate
from doka.domain.audit.landed import StreamUnreadableError
from doka.domain.errors import UsageError
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.ports import Clock

AGAIN_NS: Final = 300 * NS_PER_SECOND
"""After so long a failed audit is tried again, or after the interval where that is shorter."""
LOOK_NS: Final = 500 * NS_PER_MS
"""How long a stop may wait."""

FAILURES: Final = (NotToldError, StreamUnreadableError, UsageError)


class Continuous:
    """The audits of some routes, each every so many ns from its beginning, one at a time."""

    def __init__(
        self,
        routes: Mapping[str, Windows],
        every_ns: int,
        clock: Clock,
        telemetry: AuditTelemetry,
        *,
        why: Callable[[str, Exception], str],
        stopped: Callable[[], bool],
        rest: Callable[[int], object],
    ) -> None:
        """Take the parts; `why` says of a failure of a route what to do, `stopped` whether to end, `rest` lets so many ns pass."""
        self._routes = routes
        self._every_ns = every_ns
        self._clock = clock
        self._telemetry = telemetry
        self._why = why
        self._is_stopped = stopped
        self._rest = rest
        self._stopping = False
        self._due = dict.fromkeys(routes, clock.now())
        self._lost = dict.fromkeys(routes, 0)

    def run(self) -> int:
        """Audit until somebody stops it; give 1 where something is lost by what is known then, else 0."""
        while not self._stopped():
            route = min(self._due, key=self._due.__getitem__)
            left = self._due[route] - self._clock.now()
            if left > 0:
                self._rest(min(left, LOOK_NS))
                self._telemetry.turned()
            else:
                self._audit(route)
        return LOST if any(self._lost.values()) else 0

    def _stopped(self) -> bool:
        self._stopping = self._stopping or self._is_stopped()
        return self._stopping

    def _audit(self, route: str) -> None:
        """Judge one window, if it can be; a stop leaves it for the next process."""
        windows, began = self._routes[route], self._clock.now()
        try:
            begun = windows.begin()
            self._telemetry.turned()
            with begun.file as file:
                before = self._carried(route, file)
                reading = Reading(windows.sides, file, begun.identities)
                if begun.unreadable is None and not reading.run(lambda _: self._telemetry.turned(), self._stopped):
                    return
                found = found_by(begun, reading, begun.unreadable)
                windows.finish(file)
        except FAILURES as error:
            again_in = min(self._every_ns, AGAIN_NS)
            self._due[route] = self._clock.now() + again_in
            self._telemetry.failed(route, self._why(route, error), again_in)
            return
        # Behind one that was begun by an earlier process, or an earlier try, the next is due at once.
        self._due[route] = self._clock.now() if begun.goes_on else max(began + self._every_ns, self._clock.now())
        self._tell(route, found, before, self._clock.now() - began)

    def _carried(self, route: str, file: AuditFile) -> int:
        """Show how many losses of earlier windows are looked for again; give how many."""
        lost = file.lost
        self._lost[route] = lost
        self._telemetry.stands(route, lost)
        return lost

    def _tell(self, route: str, found: Found, before: int, took_ns: int) -> None:
        judgement = found.judgement
        lost = self._lost[route] = judgement.counts[Fate.LOST]
        whole = judgement.whole and not found.notes and found.why_stopped is None
        until = f"judged until {shown(judgement.judged_until_ms)}"
        more = "".join(f" Not judged: {note}." for note in (*found.notes, *filter(None, [found.why_stopped])))
        if lost:
            more += f" Next: doka replay --audit {found.path}, and it is found by the audit after that."
        self._telemetry.audited(
            route,
            judgement,
            judgement.records - before,
            took_ns,
            whole=whole,
            told=f"{sentence(found)} It is {until}.{more}",
        )
