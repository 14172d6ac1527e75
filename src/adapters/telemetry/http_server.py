"""A small HTTP server for a handful of pages, which cannot be made to take more than one thread and 64 sockets.

Why not the standard library's: it takes a thread for each connection, and a client that sends a byte now and then
keeps one for ever. Here one thread waits for all sockets, each connection has five seconds for all it has to say,
and when 64 are open the oldest that has not asked anything yet makes room: a probe gets its answer while somebody
holds connections open.
It must never raise into the loop, and it answers nothing but GET and HEAD: some probes and load balancers ask with the latter.
A page that is dear to make says for how long it is fresh, and is not made again before: whoever asks in a loop would
take the interpreter from the loop that forwards.
"""

from __future__ import annotations

import select
import selectors
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

from doka.domain.errors import UsageError
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock

CONNECTIONS_MAX = 64
CONNECTION_NS = 5 * NS_PER_SECOND
REQUEST_BYTES_MAX = 8 * 1024
PORT_MAX = 65_535
_READ_BYTES = 4 * 1024


@dataclass(frozen=True, slots=True)
class Response:
    """One whole HTTP answer."""

    code: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    fresh_ns: int = 0
    """For how long whoever asks for the same path again may be given this one; 0: each gets one of its own."""
    outdated: Callable[[], bool] = lambda: False
    """Whether it shows what is not so any more, though it is fresh."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further headers."""
    for_known_hosts: bool = False
    """Whether it is for those only who ask for this server by an address or a known name: a page of any site can have its
    own name lead here, and so read what a browser beside it may see (DNS rebinding)."""

    def as_bytes(self, extra: str = "") -> bytes:
        """Give it as it goes over the wire; `extra` is a header line with its end."""
        further = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        head = (
            f"HTTP/1.1 {self.code} {HTTPStatus(self.code).phrase}\r\nContent-Type: {self.content_type}\r\n"
            f"Content-Length: {len(self.body)}\r\nCache-Control: no-store\r\n{further}{extra}Connection: close\r\n\r\n"
        )
        return head.encode("latin-1") + self.body


@dataclass(slots=True, eq=False)
class _Connection:
    """Reads until the request's head is whole, then writes until the answer is gone, then waits for the other end."""

    sock: socket.socket
    deadline: int
    request: bytearray = field(default_factory=bytearray)
    answer: memoryview | None = None
    said: bool = False


class HealthServer:
    """Answers GETs by what `answer` gives; at most `CONNECTIONS_MAX` sockets and one thread at any time."""

    def __init__(
        self, clock: Clock, host: str, port: int, hosts: Iterable[str] = (), patience: int = CONNECTION_NS
    ) -> None:
        """Take where to listen; port 0 is any free one, to be read from `port` after `open`.

        `hosts` are the names by which clients may ask for it, besides localhost and every address.
        A connection is dropped `patience` ns after it was made, whatever it does.
        """
        self._clock = clock
        self._patience = patience
        self._host = host
        self._port = port
        self._hosts = frozenset(map(str.lower, (host, "localhost", *hosts)))
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._wake: socket.socket | None = None
        self._answer: Callable[[str], Response | None] = lambda _path: None
        self._connections: dict[socket.socket, _Connection] = {}  # oldest first
        self._fresh: dict[str, tuple[int, Response]] = {}  # by path: until when, and what is given until then

    @property
    def port(self) -> int:
        """The port that is listened on; the one that was asked for while nothing is."""
        return self._port if self._listener is None else int(self._listener.getsockname()[1])

    @property
    def connections(self) -> int:
        """How many connections are held at this moment."""
        return len(self._connections)

    def open(self, answer: Callable[[str], Response | None]) -> None:
        """Listen, and answer each path by `answer` on a thread of this server.

        Raises UsageError, naming http.port or http.host, when that cannot be.
        """
        self._listener = _listening(self._host, self._port)
        self._answer = answer
        ours, self._wake = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, args=(self._listener, ours), name="doka-http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop to listen and drop all connections; after it the port is free."""
        if self._thread is None or self._wake is None:
            return
        self._wake.close()
        self._thread.join(1.0)
        self._thread = self._wake = self._listener = None

    def _serve(self, listener: socket.socket, wake: socket.socket) -> None:
        with selectors.DefaultSelector() as selector, listener, wake:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(wake, selectors.EVENT_READ)
            while True:
                for key, _events in selector.select(self._until_next_deadline()):
                    if key.fileobj is wake:
                        for connection in list(self._connections.values()):
                            self._drop(selector, connection)
                        return
                    if key.fileobj is listener:
                        self._accept(selector, listener, wake)
                    elif key.data.sock in self._connections:  # not dropped to make room a moment ago
                        self._move(selector, key.data)
                self._drop_late(selector)

    def _until_next_deadline(self) -> float | None:
        deadlines = [connection.deadline for connection in self._connections.values()]
        return max(0, min(deadlines) - self._clock.now()) / NS_PER_SECOND if deadlines else None

    def _accept(self, selector: selectors.BaseSelector, listener: socket.socket, wake: socket.socket) -> None:
        try:
            sock, _address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):  # gone before it was taken
            return
        except OSError:  # no descriptor is left, and the listener stays readable: do not spin on it
            self._make_room(selector)
            select.select([wake], [], [], 0.1)
            return
        if len(self._connections) >= CONNECTIONS_MAX:
            self._make_room(selector)
        sock.settimeout(0)
        connection = _Connection(sock, self._clock.now() + self._patience)
        self._connections[sock] = connection
        selector.register(sock, selectors.EVENT_READ, connection)

    def _make_room(self, selector: selectors.BaseSelector) -> None:
        oldest_silent = next((c for c in self._connections.values() if c.answer is None), None)
        victim = oldest_silent or next(iter(self._connections.values()), None)
        if victim is not None:
            self._drop(selector, victim)

    def _drop_late(self, selector: selectors.BaseSelector) -> None:
        now = self._clock.now()
        for connection in [c for c in self._connections.values() if c.deadline <= now]:
            self._drop(selector, connection)

    def _drop(self, selector: selectors.BaseSelector, connection: _Connection) -> None:
        del self._connections[connection.sock]
        selector.unregister(connection.sock)
        connection.sock.close()

    def _move(self, selector: selectors.BaseSelector, connection: _Connection) -> None:
        """Do the next step of a connection that can read or write."""
        try:
            if connection.answer is None:
                done = self._read(selector, connection)
            elif not connection.said:
                done = self._write(selector, connection)
            else:  # let it read our answer before the socket goes: closing over unread bytes resets the connection
                done = not connection.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            done = True
        if done:
            self._drop(selector, connection)

    def _read(self, selector: selectors.BaseSelector, connection: _Connection) -> bool:
        received = connection.sock.recv(_READ_BYTES)
        if not received:
            return True
        connection.request += received
        head, end, _rest = connection.request.partition(b"\r\n\r\n")
        if not end and len(head) <= REQUEST_BYTES_MAX:
            return False
        connection.answer = memoryview(self._answered(bytes(head)) if end else Response(431, b"").as_bytes())
        selector.modify(connection.sock, selectors.EVENT_WRITE, connection)
        return self._write(selector, connection)

    def _write(self, selector: selectors.BaseSelector, connection: _Connection) -> bool:
        assert connection.answer is not None  # narrows the type
        connection.answer = connection.answer[connection.sock.send(connection.answer) :]
        if not connection.answer:
            connection.said = True
            connection.sock.shutdown(socket.SHUT_WR)
            selector.modify(connection.sock, selectors.EVENT_READ, connection)
        return False

    def _answered(self, head: bytes) -> bytes:
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):  # noqa: PLR2004 - method, target, version
            return Response(400, b"this is no HTTP request\n").as_bytes()
        method, target, _version = words
        if method not in {"GET", "HEAD"}:
            return Response(405, b"only GET and HEAD are answered here\n").as_bytes("Allow: GET, HEAD\r\n")
        page = self._page(target.split("?", 1)[0])
        if page.for_known_hosts and not self._is_known(head):
            page = Response(421, b"this page is not for clients of that name: ask by an address, or see http.hosts\n")
        answer = page.as_bytes()
        return answer if method == "GET" else answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"

    def _is_known(self, head: bytes) -> bool:
        """Say whether a client asked by an address, by a known name, or by none at all, which no browser does."""
        asked = [line[5:].strip() for line in head.split(b"\r\n")[1:] if line[:5].lower() == b"host:"]
        if not asked:
            return True
        try:
            name = urlsplit("//" + asked[0].decode("latin-1")).hostname or ""
        except ValueError:
            return False
        with suppress(ValueError):
            ip_address(name)
            return len(asked) == 1
        return len(asked) == 1 and name in self._hosts

    def _page(self, path: str) -> Response:
        until, fresh = self._fresh.get(path, (0, None))
        if fresh is not None and self._clock.now() < until and not fresh.outdated():
            return fresh
        try:
            answer = self._answer(path)
        except Exception:  # noqa: BLE001 - whatever went wrong, this thread must answer the next question
            return Response(500, b"doka could not render this page\n")
        if answer is None:
            return Response(404, b"there are /metrics, /healthz and /readyz\n")
        if answer.fresh_ns:  # from when it is there: one that takes long to make must not be made all the time
            self._fresh[path] = self._clock.now() + answer.fresh_ns, answer
        return answer


def _listening(host: str, port: int) -> socket.socket:
    if not 0 <= port <= PORT_MAX:  # getaddrinfo would take it modulo 65,536
        raise UsageError(f"http.port: {port} is no port; choose one of 1..{PORT_MAX}, or 0 for any free one")
    try:
        family, _kind, _protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=CONNECTIONS_MAX)
    except socket.gaierror as error:
        raise UsageError(f"http.host: {host!r} is no address of this machine ({error.strerror})") from None
    except OSError as error:
        raise UsageError(
            f"http.port: {host} port {port} cannot be listened on ({error.strerror}); choose another, or 0 for any free one"
        ) from None
    listener.settimeout(0)
    return listener
