"""Many requests at once on the caller's thread: libcurl's multi interface, driven by its socket callbacks and poll.

It must never wait longer than it was told, and never wait at all in `start`.
`poll` and not `select`: a process with many brokers has descriptors above 1,023, which `select` cannot name.
"""

from __future__ import annotations

import select
from collections.abc import Iterator

import pycurl

from doka.adapters.aws.kinesis.connections import Connections, cut
from doka.adapters.aws.kinesis.request import Request
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.ports import Clock

_POLL_MASK = {
    pycurl.POLL_IN: select.POLLIN,
    pycurl.POLL_OUT: select.POLLOUT,
    pycurl.POLL_INOUT: select.POLLIN | select.POLLOUT,
}

CONNECTIONS_KEPT_MAX = 256
"""libcurl's default is four for each request in flight; a process with many hosts would shake hands all day."""


class Wire:
    """The requests in flight, and the connections kept alive between them.

    A connection is used again only when `keep` was called for the request before.
    Each started request is handed back exactly once by `finished`, unless the wire is closed first.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._poll = select.poll()
        self._watched: set[int] = set()
        self._due: int | None = None
        """When libcurl wants to be called for a timer (ns of the clock)."""
        self._running = 0
        self._connections = Connections()
        self._in_flight: dict[pycurl.Curl, Request] = {}
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, CONNECTIONS_KEPT_MAX)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)

    def __len__(self) -> int:
        return len(self._in_flight)

    def start(self, request: Request) -> None:
        """Begin a loaded request; what can be done without waiting is done at once."""
        request.connections = self._connections
        self._in_flight[request.curl] = request
        self._add(request)

    def step(self, wait: int) -> None:
        """Move all requests on by what the sockets allow, waiting at most `wait` ns for the first of them."""
        if self._due is not None:
            wait = min(wait, self._due - self._clock.now())
        for descriptor, ready in self._ready(max(0, wait)):
            action = pycurl.CSELECT_IN if ready & (select.POLLIN | select.POLLHUP) else 0
            action |= pycurl.CSELECT_OUT if ready & select.POLLOUT else 0
            action |= pycurl.CSELECT_ERR if ready & (select.POLLERR | select.POLLNVAL) else 0
            # One that an earlier one of this loop has closed is nothing to libcurl, and so passed over by it.
            _, self._running = self._multi.socket_action(descriptor, action)
        self._serve_timer()

    def _ready(self, wait: int) -> list[tuple[int, int]]:
        """Give the descriptors on which something can be done, waiting at most `wait` ns for the first."""
        if not self._watched and wait:  # `poll` waits whole milliseconds, up to one more than it was told
            select.select([], [], [], wait / NS_PER_SECOND)
            return []
        return self._poll.poll(wait / NS_PER_MS)

    def finished(self) -> Iterator[tuple[Request, int, str]]:
        """Hand back the requests that ended, each with libcurl's error number (0: none) and words."""
        if self._running == len(self._in_flight):
            return
        left = 1
        while left:
            left, whole, broken = self._multi.info_read()
            for curl in whole:
                self._in_flight[curl].descriptor = curl.getinfo(pycurl.ACTIVESOCKET)
                yield self._take(curl), 0, ""
            for curl, error, words in broken:
                if error == pycurl.E_ABORTED_BY_CALLBACK and self._in_flight[curl].turned_back:
                    self._start_afresh(curl)
                    continue
                yield self._take(curl), error, words

    def overdue(self, now: int) -> Iterator[tuple[Request, int, str]]:
        """Hand back the requests whose time is over by the steady clock, their connections closed."""
        for request in [request for request in self._in_flight.values() if request.overdue_at <= now]:
            self._running = -1  # unknown until libcurl next says it
            yield self._take(request.curl), pycurl.E_OPERATION_TIMEDOUT, "its time was over"

    def keep(self, request: Request) -> None:
        """Let others leave on the connection of a request that has just been handed back, answered."""
        if request.descriptor >= 0:
            self._connections.keep(request.ends, request.descriptor)

    def cut(self, request: Request) -> None:
        """End the connection of a request that has just been handed back, answered: nothing on it is to be trusted."""
        if request.descriptor >= 0:
            cut(request.descriptor)

    def close(self) -> None:
        """Drop all connections and requests."""
        for curl in list(self._in_flight):
            self._take(curl).close()
        self._multi.close()

    def _add(self, request: Request) -> None:
        self._multi.add_handle(request.curl)
        self._running += 1
        self._serve_timer()

    def _start_afresh(self, curl: pycurl.Curl) -> None:
        """Start a request again that was held back from its connection, which libcurl has closed; nothing has left."""
        self._multi.remove_handle(curl)
        self._in_flight[curl].wants_a_fresh_connection()
        self._add(self._in_flight[curl])

    def _take(self, curl: pycurl.Curl) -> Request:
        self._multi.remove_handle(curl)
        return self._in_flight.pop(curl)

    def _serve_timer(self) -> None:
        if self._due is not None and self._due <= self._clock.now():
            self._due = None
            _, self._running = self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def _watch(self, what: int, descriptor: int, *_: object) -> None:
        if what == pycurl.POLL_REMOVE:
            if descriptor in self._watched:  # else a name that was looked up in vain
                self._watched.remove(descriptor)
                self._poll.unregister(descriptor)
            return
        mask = _POLL_MASK.get(what)
        if mask is not None:
            self._watched.add(descriptor)
            self._poll.register(descriptor, mask)

    def _set_timer(self, timeout_ms: int) -> None:
        self._due = None if timeout_ms < 0 else self._clock.now() + timeout_ms * NS_PER_MS
