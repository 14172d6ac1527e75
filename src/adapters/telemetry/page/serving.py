"""Answers for the page and for /status.json, with the headers that keep a browser to what comes from here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

import orjson

from doka.adapters.telemetry.http_server import Response
from doka.adapters.telemetry.page.data import RouteTotals, process_data, whole
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock
from doka.domain.status import Status

STATUS_PATH: Final = "/status.json"
STATUS_FRESH_NS: Final = NS_PER_SECOND
"""As often as the state is published: ten open pages cost what one does."""
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


class StatusPage:
    """What a single process answers with."""

    def __init__(
        self,
        clock: Clock,
        version: str,
        group: str,
        streams: Mapping[str, str],
        totals: Callable[[], Mapping[str, RouteTotals]],
    ) -> None:
        """Take the names, the stream of each route by its name, and what gives the counts of the routes."""
        self._clock = clock
        self._version = version
        self._group = group
        self._streams = streams
        self._totals = totals

    def told(self, status: Status | None, reasons: Sequence[str]) -> dict[str, Any]:
        """Give what /status.json says, from the status that was published last; before the first it has no process."""
        processes = []
        if status is not None:
            now, wall = self._clock.now(), self._clock.wall()
            processes = [{"worker": None, **process_data(status, now, wall, self._streams, self._totals())}]
        return whole(self._version, self._group, reasons, processes)
