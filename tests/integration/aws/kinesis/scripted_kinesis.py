"""A Kinesis that does to each request what a test tells it, down to the socket; it keeps what it accepted.

Each connection has a thread, each thread takes the next act of the script for the next request that it sees.
Nothing here waits for a time: a server that shall be silent is silent until it is closed.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any


@dataclass(frozen=True)
class Request:
    """One request as it arrived: its number, its connection's number, headers in lower case, and as much body as was read."""

    number: int
    connection: int
    start: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def records(self) -> list[dict[str, Any]]:
        """The entries of the put."""
        records: list[dict[str, Any]] = json.loads(self.body)["Records"]
        return records


class Peer:
    """The server's end of one connection, with what an act may do to it."""

    def __init__(self, server: ScriptedKinesis, connection: socket.socket, number: int) -> None:
        self.server = server
        self.number = number
        self._connection = connection
        self._received = b""

    def read_head(self) -> tuple[str, dict[str, str]] | None:
        """Read up to the end of the headers; None when the client has gone."""
        while b"\r\n\r\n" not in self._received:
            more = self._connection.recv(65536)
            if not more:
                return None
            self._received += more
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        start, *lines = head.decode("latin-1").split("\r\n")
        return start, {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def read_body(self, size: int) -> bytes:
        """Read that many bytes of the body."""
        while len(self._received) < size:
            more = self._connection.recv(65536)
            if not more:
                raise ConnectionError("the client went while it sent")
            self._received += more
        body, self._received = self._received[:size], self._received[size:]
        return body

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._connection.sendall(data)

    def reset(self) -> None:
        """End the connection by RST."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """End the connection by FIN."""
        self._connection.close()

    def stay_silent(self) -> None:
        """Keep the connection, say nothing, until the client goes or the server is closed."""
        while self._connection.recv(65536):
            pass


Act = Callable[[Peer, str, dict[str, str]], bool]
"""Does one thing to one request whose head was read; True: the connection goes on."""


def accept(peer: Peer, start: str, headers: dict[str, str]) -> Request:
    """Take a request whole, as the service does before it answers."""
    return peer.server.keep(peer, start, headers, peer.read_body(int(headers["content-length"])))


def landed(request: Request) -> object:
    """Give the answer of a put of which every entry landed."""
    results = [{"SequenceNumber": str(49 + n), "ShardId": "shardId-000000000000"} for n in range(len(request.records))]
    return {"FailedRecordCount": 0, "Records": results}


def answer(
    body: object = landed,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    date: float | None = None,
    cut_to: int | None = None,
) -> Act:
    """Accept and answer with this body: bytes, JSON, or what a function makes of the request.

    The body is cut off after `cut_to` bytes where given; a header that is given as empty is left out.
    """

    def act(peer: Peer, start: str, read: dict[str, str]) -> bool:
        request = accept(peer, start, read)
        told = body(request) if callable(body) else body
        raw = told if isinstance(told, bytes) else json.dumps(told).encode()
        lines = {
            "x-amzn-RequestId": f"5c1b7ed0-0000-4000-8000-{request.number:012x}",
            "Content-Length": str(len(raw)),
            "Date": formatdate(date, usegmt=True),
        } | dict(headers or {})
        head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        whole = head.encode() + b"\r\n" + raw
        peer.send(whole if cut_to is None else whole[: len(whole) - len(raw) + cut_to])
        return cut_to is None

    return act


def refuse(code: str, message: str = "", *, status: int = 400, date: float | None = None) -> Act:
    """Accept the bytes and refuse the put in the service's own words."""
    return answer({"__type": code, "message": message}, status=status, date=date)


def raw(data: bytes) -> Act:
    """Accept, send these bytes, and close."""

    def act(peer: Peer, start: str, headers: dict[str, str]) -> bool:
        accept(peer, start, headers)
        peer.send(data)
        return False

    return act


def reset_at_head(peer: Peer, start: str, headers: dict[str, str]) -> bool:
    """Reset after the headers: nothing is accepted."""
    peer.reset()
    return False


def reset_in_body(peer: Peer, start: str, headers: dict[str, str]) -> bool:
    """Reset in the middle of the body: nothing is accepted."""
    peer.read_body(int(headers["content-length"]) // 2)
    peer.reset()
    return False


def reset_when_accepted(peer: Peer, start: str, headers: dict[str, str]) -> bool:
    """Accept the put and reset instead of answering."""
    accept(peer, start, headers)
    peer.reset()
    return False


def close_when_accepted(peer: Peer, start: str, headers: dict[str, str]) -> bool:
    """Accept the put and close in good order instead of answering."""
    accept(peer, start, headers)
    return False


def silence(peer: Peer, start: str, headers: dict[str, str]) -> bool:
    """Accept the put and never answer."""
    accept(peer, start, headers)
    peer.stay_silent()
    return False


def answer_and_close(peer: Peer, start: str, headers: dict[str, str]) -> bool:
    """Answer well, then close the connection without having announced it, as a load balancer does to idle ones."""
    answer()(peer, start, headers)
    return False


@dataclass
class ScriptedKinesis:
    """Does the acts of `script` in order, afterwards `always`; `accepted` are the puts that it took whole."""

    script: deque[Act] = field(default_factory=deque)
    always: Act = field(default_factory=answer)
    accepted: list[Request] = field(default_factory=list)
    connections: int = 0
    closed_connections: int = 0
    port: int = 0
    tls: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http{'s' if self.tls else ''}://localhost:{self.port}"

    def will(self, *acts: Act) -> None:
        """Do these next."""
        self.script.extend(acts)

    def keep(self, peer: Peer, start: str, headers: dict[str, str], body: bytes) -> Request:
        """Remember a request that was accepted."""
        request = Request(len(self.accepted), peer.number, start, headers, body)
        self.accepted.append(request)
        return request

    def serve(self, connection: socket.socket, number: int) -> None:
        """Serve one connection until an act ends it or the client goes."""
        peer = Peer(self, connection, number)
        with suppress(OSError):
            while (head := peer.read_head()) is not None:
                act = self.script.popleft() if self.script else self.always
                if not act(peer, *head):
                    break
        connection.close()
        self.closed_connections += 1


@contextmanager
def scripted_kinesis(tls: ssl.SSLContext | None = None) -> Iterator[ScriptedKinesis]:
    """Run one on a free port of this machine; every socket and thread of it is gone at the end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = ScriptedKinesis(port=listener.getsockname()[1], tls=tls)
        open_connections: list[socket.socket] = []
        threads: list[threading.Thread] = []

        def listen() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                server.connections += 1
                if tls is not None:
                    try:
                        connection = tls.wrap_socket(connection, server_side=True)
                    except OSError:  # the client does not trust us, which is the point of some tests
                        connection.close()
                        continue
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                open_connections.append(connection)
                serving = threading.Thread(target=server.serve, args=(connection, server.connections))
                threads.append(serving)
                serving.start()

        accepting = threading.Thread(target=listen)
        accepting.start()
        try:
            yield server
        finally:
            _end([listener], [accepting])
            _end(open_connections, threads)


def _end(sockets: Iterable[socket.socket], threads: Iterable[threading.Thread]) -> None:
    """Wake whoever waits on these sockets and wait for them."""
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
