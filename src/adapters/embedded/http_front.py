"""The HTTP side of a stand-in for AWS: keep-alive, one thread for each connection, a `Date` in every answer.

It must never print, never hold an answer back for more bytes (40 ms by Nagle and delayed acknowledgement), and leave
no thread or socket behind when it is closed.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from doka.adapters.embedded.aws_answer import Answer, refusal
from doka.domain.limits import PUT_BYTES_MAX
from doka.domain.ports import Clock

JOIN_SECONDS = 5.0
BODY_BYTES_MAX = 4 * PUT_BYTES_MAX // 3 + 1024 * 1024  # the largest put in base64, and room for its keys in JSON

Respond = Callable[[str, Mapping[str, str], bytes], Answer]
"""(path, headers by lower-case name, body) -> the answer."""


class HttpFront:
    """Listens from its birth, answers POST requests from `start` to `close`, each by `respond`."""

    def __init__(self, respond: Respond, clock: Clock, host: str, port: int) -> None:
        self._server = _Server((host, port), respond, clock)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="gate-accept", daemon=True
        )

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return self._server.server_port

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Break every connection and wait for its thread; closing twice is fine."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.break_connections()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], respond: Respond, clock: Clock) -> None:
        self.respond = respond
        self.clock = clock
        self.lock = threading.Lock()
        self.open: dict[socket.socket, threading.Thread] = {}
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without looking up the name of the host, which may take seconds and is of no use."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that went away; anything else is a bug and is told."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def break_connections(self) -> None:
        """Shut every open connection and wait for the threads that served them."""
        with self.lock:
            still = dict(self.open)
        for connection in still:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in still.values():
            thread.join(JOIN_SECONDS)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body of an answer leave together

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.open[self.connection] = threading.current_thread()

    def finish(self) -> None:
        with self.server.lock:
            del self.server.open[self.connection]
        super().finish()

    def do_POST(self) -> None:
        """Answer one request."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
            self.close_connection = True
            self._write(refusal("", 411, "MissingContentLength", f"a Content-Length up to {BODY_BYTES_MAX} is needed"))
            return
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True  # the client went away in the middle
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._write(self.server.respond(self.path, headers, body))

    def handle_expect_100(self) -> bool:
        """Let a client that asks first go on: libcurl does for large bodies."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing."""

    def _write(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        date = self.server.clock.wall() if answer.date is None else answer.date
        self.send_header("Date", formatdate(date, usegmt=True))
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)
