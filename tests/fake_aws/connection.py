"""One accepted socket, and the one request of it that is being handled.

A connection can be torn down at any moment of a request, and its answer may come late, in part, or never.
"""

from __future__ import annotations

import selectors
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple, Protocol

from tests.fake_aws.clock import ServiceClock
from tests.fake_aws.wire import BadRequestError, Reply, Request, read_head

READ_BYTES = 256 * 1024
_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s: close sends RST


class AtHead(NamedTuple):
    """What happens to a request of which only the head was read."""

    say: bytes = b""
    """Said at once."""
    tear_at: float | None = None
    """The share of its body that is read before the connection is torn down; None: it is not."""


class Server(Protocol):
    """What a connection needs of the loop that it lives in."""

    clock: ServiceClock
    selector: selectors.BaseSelector
    handle: Callable[[Request, Exchange], None]
    at_head: Callable[[Request], AtHead]
    answered: bytes
    """The last answer of any connection, as it was sent."""

    def next_request_id(self) -> str:
        """Give the next request's id."""
        ...

    def forget(self, connection: Connection) -> None:
        """Leave out a closed connection."""
        ...


class Exchange:
    """One request and its one answer; whichever of `answer`, `reset` or the client's going comes first, ends it."""

    def __init__(self, request: Request, connection: Connection) -> None:
        self.request = request
        self.on_end: Callable[[], None] = lambda: None
        self._connection = connection
        self._ended = False

    def answer(self, reply: Reply, *, repeat: str | None = None) -> None:
        """Send the answer, if the client is still there; `repeat`: say it, or the one before it, twice (`script.Repeat`)."""
        if self._end():
            self._connection.send(reply, self.request, repeat=repeat)

    def say(self, data: bytes) -> None:
        """Send bytes ahead of the answer, if the client is still there."""
        if not self._ended:
            self._connection.say(data)

    def close(self) -> None:
        """Close the connection in good order, without an answer."""
        if self._end():
            self._connection.close()

    def reset(self) -> None:
        """Tear the connection down with RST."""
        if self._end():
            self._connection.abort()

    def gone(self) -> None:
        """Note that the client closed before it had its answer."""
        self._end()

    def _end(self) -> bool:
        if self._ended:
            return False
        self._ended = True
        self.on_end()
        return True


class Connection:
    """One accepted socket: at most one request of it is being handled at a time."""

    def __init__(self, loop: Server, sock: socket.socket) -> None:
        self._loop = loop
        self._sock = sock
        self._buffer = bytearray()
        self._request: Request | None = None
        self._body = bytearray()
        self._filled = 0
        self._abort_at: int | None = None
        self._exchange: Exchange | None = None
        self._out = b""
        self._answered = b""
        self._close_after_out = False
        self._wanted = selectors.EVENT_READ
        self.closed = False
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop.selector.register(sock, selectors.EVENT_READ, self.on_ready)

    @property
    def idle(self) -> bool:
        """Whether no request of it is being read, handled or answered."""
        return self._exchange is None and self._request is None and not self._out and not self._buffer

    def on_ready(self, events: int) -> None:
        """Move bytes in whichever direction the socket allows."""
        if events & selectors.EVENT_WRITE and not self.closed:
            self._flush()
        if events & selectors.EVENT_READ and not self.closed:
            self._receive()

    def send(self, reply: Reply, request: Request, *, repeat: str | None = None) -> None:
        """Send an answer and go on with what the client has sent since."""
        self._exchange = None
        if self.closed:
            return
        said_last = reply.cut_at is not None or reply.closes
        asked_to_close = request.headers.get("connection", "").lower() == "close"
        self._close_after_out = said_last or asked_to_close
        if asked_to_close:  # said as servers say it, so that a client does not keep what is about to end
            reply = replace(reply, headers=((b"Connection", b"close"), *reply.headers))
        before, self._answered = self._answered, reply.encode(request.id, self._loop.clock.date())
        self._loop.answered = self._answered
        if repeat == "before":
            self.say(before)
        self.say(self._answered)
        if repeat == "after":
            self.say(self._answered)
        if self._buffer and not self.closed:
            self._advance()

    def say(self, data: bytes) -> None:
        """Send bytes, in a packet of their own where that goes at once."""
        if not self.closed:
            self._out += data
            self._flush()

    def say_again(self) -> None:
        """Repeat the last answer."""
        self.say(self._answered)

    def abort(self) -> None:
        """Close with RST: the client sees a reset, whatever it was doing."""
        if not self.closed:
            with suppress(OSError):
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            self.close()

    def close(self) -> None:
        """Close and forget the socket; an exchange without an answer ends here."""
        if self.closed:
            return
        self.closed = True
        self._loop.forget(self)
        with suppress(KeyError, ValueError):
            self._loop.selector.unregister(self._sock)
        self._sock.close()
        if self._exchange is not None:
            self._exchange.gone()

    def _receive(self) -> None:
        try:
            if self._request is not None and self._filled < self._request.length:
                with memoryview(self._body) as view:
                    count = self._sock.recv_into(view[self._filled : self._abort_at])
                self._filled += count
            else:
                data = self._sock.recv(READ_BYTES)
                count = len(data)
                self._buffer += data
        except BlockingIOError:
            return
        except OSError:
            count = 0
        if count == 0:
            self.close()
        elif self._exchange is None:
            self._advance()

    def _advance(self) -> None:
        if self._request is None:
            try:
                self._request = read_head(self._buffer)
            except BadRequestError:
                self.abort()
                return
            if self._request is None:
                return
            self._begin_body(self._request)
        request = self._request
        if self._abort_at is not None and self._filled >= self._abort_at:
            self.abort()
        elif self._filled >= request.length:
            request.body = self._body
            request.received_at = self._loop.clock.now()
            request.id = self._loop.next_request_id()
            self._request = None
            self._exchange = Exchange(request, self)
            self._loop.handle(request, self._exchange)

    def _begin_body(self, request: Request) -> None:
        self._body = bytearray(request.length)
        self._filled = min(request.length, len(self._buffer))
        self._body[: self._filled] = self._buffer[: self._filled]
        del self._buffer[: self._filled]
        say, tear_at = self._loop.at_head(request)
        self._abort_at = None if tear_at is None else int(tear_at * request.length)
        self.say(say)
        if request.headers.get("expect", "").lower() == "100-continue" and self._filled < request.length:
            self.say(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _flush(self) -> None:
        try:
            sent = self._sock.send(self._out) if self._out else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        self._out = self._out[sent:]
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._out else 0)
        if wanted != self._wanted:
            self._wanted = wanted
            self._loop.selector.modify(self._sock, wanted, self.on_ready)
        if not self._out and self._close_after_out:
            self.close()
