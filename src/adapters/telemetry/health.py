"""Answers what is asked over HTTP: the figures, whether we live, whether we are ready, and the page that shows it.

Alive means that the loop turns; only a loop that hangs is cured by a restart, so nothing else makes /healthz false.
Ready means that records flow or could: a blocked route, a missing topic or a stuck partition is told here, with its
reason, and needs no restart.

The page of figures is made once for each state, which is published about once a second, and again when it is a second
old. Whether it lives and whether it is ready is judged anew at each question, since a probe acts on it; the sentences of
a state are made once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson

from doka.adapters.telemetry.http_server import Response
from doka.adapters.telemetry.page.serving import StatusPage, page_at
from doka.adapters.telemetry.redaction import redact
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock
from doka.domain.status import Status

STALLED_AFTER_NS = 60 * NS_PER_SECOND
"""Longer than anything the loop may wait for: a drain ends within `limits.drain_seconds`."""
METRICS_FRESH_NS = NS_PER_SECOND
"""As often as the state is published: 500 partitions are a page of 300 kB, and 28 ms of the interpreter each time."""


class Health:
    """Judges by the last turn of the loop and the last status; both are replaced whole by the loop's thread."""

    def __init__(self, clock: Clock, page: Callable[[], tuple[bytes, str]], shown: StatusPage | None = None) -> None:
        """Take what renders the metrics: it gives the page and its content type; and what a person is shown, if anything."""
        self._clock = clock
        self._page = page
        self._shown = shown
        self._turned = clock.now()  # the loop has as long for its first turn as for any other
        self._status: Status | None = None
        self._told: tuple[Status, tuple[str, ...]] | None = None  # the reasons of the status that was asked for last

    def publish(self, status: Status) -> None:
        """Judge readiness by this status from now on."""
        self._status = status

    def turned(self, now: int) -> None:
        """Note that the loop turned (ns of `Clock.now`)."""
        self._turned = now

    def stalled(self) -> str | None:
        """Say why this process is not alive; None while it is."""
        since = self._clock.now() - self._turned
        if since <= STALLED_AFTER_NS:
            return None
        return f"the loop has not turned for {since // NS_PER_SECOND} s (limit {STALLED_AFTER_NS // NS_PER_SECOND} s)"

    def reasons(self) -> tuple[str, ...]:
        """Say why this process is not ready, a sentence each; empty when it is."""
        stalled = self.stalled()
        told = self._reasons()
        return told if stalled is None else (stalled, *told)

    def _reasons(self) -> tuple[str, ...]:
        """Give the reasons of the present state; a status never changes, so its sentences are made once."""
        status, told = self._status, self._told
        if status is None:
            return ("starting: no state was published yet",)
        if told is None or told[0] is not status:
            told = self._told = status, tuple(map(redact, status.reasons()))
        return told[1]

    def repeats(self) -> int:
        """Count the records that would be sent again if this process ended now, by the last status."""
        return 0 if self._status is None else sum(leg.ahead for _, leg in self._status.legs())

    def answer(self, path: str) -> Response | None:
        """Answer a GET; None for a path that there is not."""
        match path:
            case "/metrics":
                status = self._status  # a later one outdates the page: else it would contradict /readyz
                page, content_type = self._page()
                return Response(200, page, content_type, METRICS_FRESH_NS, lambda: self._status is not status)
            case "/healthz":
                stalled = self.stalled()
                return healthz(() if stalled is None else (stalled,))
            case "/readyz":
                return readyz(self.reasons())
            case _:
                return None if self._shown is None else self._for_a_person(path, self._shown)

    def _for_a_person(self, path: str, shown: StatusPage) -> Response | None:
        status = self._status
        return page_at(path, lambda: shown.told(status, self.reasons()), lambda: self._status is not status)


def healthz(reasons: Sequence[str]) -> Response:
    """Answer whether it is alive: it is without a reason not to be."""
    return _json(503 if reasons else 200, {"healthy": not reasons, "reasons": reasons})


def readyz(reasons: Sequence[str]) -> Response:
    """Answer whether it is ready: it is without a reason not to be."""
    return _json(503 if reasons else 200, {"ready": not reasons, "reasons": reasons})


def _json(code: int, body: dict[str, object]) -> Response:
    return Response(code, orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE), "application/json")
