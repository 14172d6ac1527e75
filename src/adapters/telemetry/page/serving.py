"""Answers for the page and for /status.json, with the headers that keep a browser to what comes from here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final, NamedTuple

import orjson

from doka.adapters.telemetry.http_server import Response
from doka.adapters.telemetry.page.data import Service, Totals, process_data, whole
from doka.adapters.telemetry.page.waits import Waits, waits_of
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock
from doka.domain.status import Status

STATUS_PATH: Final = "/status.json"
STATUS_FRESH_NS: Final = NS_PER_SECOND
"""As often as the state is published: ten open pages cost what one does."""
LOOK_SHARE: Final = 2_000
"""A look at the partitions that took a millisecond does for two seconds: it takes the interpreter that the loop sends with."""
LOOK_REST_MAX_NS: Final = 30 * NS_PER_SECOND
_FILES: Final = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/status.js": ("status.js", "text/javascript; charset=utf-8"),
    "/status.css": ("status.css", "text/css; charset=utf-8"),
}
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def page_at(
    path: str, told: Callable[[], Mapping[str, Any]], outdated: Callable[[], bool] = lambda: False
) -> Response | None:
    """Answer with a part of the page, or with what `told` gives, which is `whole`; None for a path that is neither.

    What is told is made once a second, and again when it is `outdated`.
    """
    if path == STATUS_PATH:
        body = orjson.dumps(told(), option=orjson.OPT_APPEND_NEWLINE)
        return Response(200, body, "application/json", STATUS_FRESH_NS, outdated, _HEADERS, for_known_hosts=True)
    if path not in _FILES:
        return None
    name, content_type = _FILES[path]
    body = (files("doka.adapters.telemetry.page") / name).read_bytes()
    return Response(200, body, content_type, headers=_HEADERS, for_known_hosts=True)


class _Look(NamedTuple):
    """A look at the partitions: when it was taken, and until when it does (ns of `Clock.now`)."""

    at: int
    until: int
    waits: Waits
    first: orjson.Fragment
    """Those of them that are shown, as JSON."""


class StatusPage:
    """What a single process answers with; asked by one thread, that of the server or of a worker's link."""

    def __init__(
        self, clock: Clock, service: Service, streams: Mapping[str, str], totals: Callable[[], Totals]
    ) -> None:
        """Take the names, the stream of each route by its name, and what gives the counts."""
        self._clock = clock
        self._service = service
        self._streams = streams
        self._totals = totals
        self._began = clock.now()
        self._look: _Look | None = None

    def told(self, status: Status | None, reasons: Sequence[str]) -> dict[str, Any]:
        """Give what /status.json says, from the status that was published last; before the first it has no process."""
        processes = []
        if status is not None:
            now = self._clock.now()
            look = self._looked(status, now)
            told = process_data(status, look.waits, now, self._streams, self._totals())
            ages = {
                "uptime_seconds": (now - self._began) / NS_PER_SECOND,
                "partitions_age_seconds": (now - look.at) / NS_PER_SECOND,
            }
            processes = [{"worker": None, **ages, **told, "partitions": look.first}]
        return whole(self._service, reasons, processes)

    def _looked(self, status: Status, now: int) -> _Look:
        """Look at the partitions, or take the look before: what all looks cost stays below half a thousandth of the time."""
        if self._look is None or now >= self._look.until:
            waits = waits_of(status, max(0, now - status.at), self._clock.wall())
            first = orjson.Fragment(orjson.dumps(waits.first))
            rest = min((self._clock.now() - now) * LOOK_SHARE, LOOK_REST_MAX_NS)
            self._look = _Look(now, now + rest, waits, first)
        return self._look
