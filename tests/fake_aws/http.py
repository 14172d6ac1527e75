"""A small, quick HTTP/1.1 server: raw sockets, one selector, one thread, timers.

It can do what a library's server will not: reset a connection at a chosen moment, answer late or in part, and
hold an answer until a test releases it.
The handler gets every request with an `Exchange` and may answer at once, later, or never.
"""

from __future__ import annotations

import heapq
import itertools
import selectors
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from tests.fake_aws.clock import NS_PER_SECOND, ServiceClock
from tests.fake_aws.connection import AtHead, Connection, Exchange
from tests.fake_aws.tls import TlsSocket
from tests.fake_aws.wire import Request


class HttpLoop:
    """The server: `run` turns until `stop`; only `post` and `stop` may be called from another thread."""

    def __init__(
        self,
        clock: ServiceClock,
        handle: Callable[[Request, Exchange], None],
        host: str,
        port: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.clock = clock
        self.handle = handle
        self.at_head: Callable[[Request], AtHead] = lambda _: AtHead()
        self.answered = b""
        self.opened = 0
        """Connections so far."""
        self._tls = tls
        self.selector: selectors.BaseSelector = selectors.DefaultSelector()
        self._connections: set[Connection] = set()
        self._listening = False
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self._posted: deque[Callable[[], object]] = deque()
        self._request_serial = itertools.count(1)
        self._timer_serial = itertools.count(1)
        self._stopping = False
        self._waker, self._woken = socket.socketpair()
        self._waker.settimeout(0)
        self._woken.settimeout(0)
        self.selector.register(self._woken, selectors.EVENT_READ, self._drain_wakeups)
        self._listener = _bound((host, port))
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self.listen()

    @property
    def url(self) -> str:
        """Where it listens; behind TLS by the name that certificates have."""
        host, port = self.address
        return f"http://{host}:{port}" if self._tls is None else f"https://localhost:{port}"

    @property
    def closed(self) -> int:
        """Connections that are over."""
        return self.opened - len(self._connections)

    def listen(self) -> None:
        """Accept connections, on the same port as before if there was one."""
        if not self._listening:
            self._listener.listen(512)
            self._listening = True
            self.selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def refuse(self) -> None:
        """Stop accepting: a connection attempt is refused by the kernel; open connections stay."""
        if self._listening:
            self.selector.unregister(self._listener)
            self._listener.close()
            self._listening = False
            self._listener = _bound(self.address)  # so that nobody else is given the port meanwhile

    def drop(self, *, idle_only: bool) -> int:
        """Close connections from this side, as a server does that has had enough; gives how many."""
        doomed = [connection for connection in self._connections if connection.idle or not idle_only]
        for connection in doomed:
            connection.close()
        return len(doomed)

    def say_again(self) -> None:
        """Repeat on each connection that no request uses what was answered there last."""
        for connection in self._connections:
            if connection.idle:
                connection.say_again()

    def forget(self, connection: Connection) -> None:
        """Leave a closed connection out of the set."""
        self._connections.discard(connection)

    def next_request_id(self) -> str:
        """Give an id in the form of the real ones, in order of arrival."""
        return f"fa6e0000-0000-4000-8000-{next(self._request_serial):012x}"

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call after so many seconds of real time, on the loop's thread."""
        due = time.monotonic_ns() + int(seconds * NS_PER_SECOND)
        heapq.heappush(self._timers, (due, next(self._timer_serial), call))

    def post(self, call: Callable[[], object]) -> None:
        """Have the loop's thread call this soon; for other threads."""
        self._posted.append(call)
        with suppress(OSError):  # full: it wakes anyhow; closed: it took the call and ended before this line
            self._waker.send(b"x")

    def stop(self) -> None:
        """Make `run` return soon; for other threads."""
        self.post(self._begin_stop)

    def run(self) -> None:
        """Serve until `stop`, then close every socket."""
        try:
            while not self._stopping:
                for key, events in self.selector.select(self._patience()):
                    key.data(events)
                self._run_due()
        finally:
            self.drop(idle_only=False)
            self._listener.close()
            self.selector.close()
            self._waker.close()
            self._woken.close()

    def _begin_stop(self) -> None:
        self._stopping = True

    def _patience(self) -> float | None:
        return max(0.0, (self._timers[0][0] - time.monotonic_ns()) / NS_PER_SECOND) if self._timers else None

    def _run_due(self) -> None:
        while self._posted:
            self._posted.popleft()()
        while self._timers and self._timers[0][0] <= time.monotonic_ns():
            heapq.heappop(self._timers)[2]()

    def _drain_wakeups(self, _: int) -> None:
        with suppress(BlockingIOError):
            self._woken.recv(4096)

    def _accept(self, _: int) -> None:
        with suppress(BlockingIOError):
            accepted = self._listener.accept()[0]
            self.opened += 1
            if self._tls is not None:
                accepted = cast("Any", TlsSocket(accepted, self._tls))
            self._connections.add(Connection(self, accepted))


def _bound(address: tuple[str, int]) -> socket.socket:
    sock = socket.socket()
    sock.settimeout(0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(address)
    return sock
