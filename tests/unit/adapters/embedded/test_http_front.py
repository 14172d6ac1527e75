from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from email.utils import formatdate
from statistics import median

import pytest

from doka.adapters.embedded.aws_answer import Answer
from doka.adapters.embedded.http_front import BODY_BYTES_MAX, HttpFront
from tests.manual_clock import ManualClock
from tests.timing import seconds_of
from tests.waiting import eventually

CLOCK = ManualClock()
SECONDS = 5


def echo(path: str, headers: Mapping[str, str], body: bytes) -> Answer:
    """Answer with what was asked."""
    return Answer(200, b"|".join([path.encode(), headers["x-mine"].encode(), body]), (("X-Kind", "echo"),))


@contextmanager
def running(front: HttpFront) -> Iterator[HttpFront]:
    """Run a front until the block ends."""
    front.start()
    try:
        yield front
    finally:
        front.close()


@pytest.fixture
def front() -> Iterator[HttpFront]:
    """A front that echoes."""
    with running(HttpFront(echo, CLOCK, "127.0.0.1", 0)) as started:
        yield started


@pytest.fixture
def client(front: HttpFront) -> Iterator[http.client.HTTPConnection]:
    """One connection to it."""
    with closing(http.client.HTTPConnection("127.0.0.1", front.port, timeout=SECONDS)) as connection:
        yield connection


def raw(front: HttpFront) -> socket.socket:
    """Give a bare connection."""
    return socket.create_connection(("127.0.0.1", front.port), timeout=SECONDS)


def everything(connection: socket.socket) -> bytes:
    """Read until the other side ends the connection."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_request_reaches_whoever_responds(client: http.client.HTTPConnection) -> None:
    """Path, headers under lower-case names and the whole body go in; status, headers and body come out."""
    body = bytes(range(256)) * 1000
    client.request("POST", "/a?b=c", body, {"X-MINE": "Yes"})
    answer = client.getresponse()

    assert (200, "echo", b"/a?b=c|Yes|" + body) == (answer.status, answer.headers["X-Kind"], answer.read())


def test_one_connection_serves_many_requests(client: http.client.HTTPConnection) -> None:
    """It is kept alive, as the clients of AWS expect, and each answer comes at once."""
    sockets = set()

    def ask() -> None:
        client.request("POST", "/", b"hi", {"x-mine": ""})
        assert b"/||hi" == client.getresponse().read()
        sockets.add(client.sock)

    took = median(seconds_of(ask) for _ in range(50))
    assert (1, True) == (len(sockets), None not in sockets)
    assert took < 0.03, "an answer that waits for an acknowledgement takes 40 ms"


@pytest.mark.parametrize("date", [None, 1_900_000_000.0])
def test_every_answer_has_a_date(date: float | None) -> None:
    """That of the clock it was given, unless the answer carries its own; the host's is never looked at."""
    clock = ManualClock(ahead_seconds=1200)
    with (
        running(HttpFront(lambda *_: Answer(200, b"", date=date), clock, "127.0.0.1", 0)) as front,
        closing(http.client.HTTPConnection("127.0.0.1", front.port, timeout=SECONDS)) as client,
    ):
        client.request("POST", "/", b"")
        dates = client.getresponse().headers.get_all("Date")

    assert [formatdate(clock.wall() if date is None else date, usegmt=True)] == dates


@pytest.mark.parametrize("length", ["", "Content-Length: -1", "Content-Length: x", f"Content-Length: {10**9}"])
def test_a_body_without_a_usable_length_is_refused_unread(front: HttpFront, length: str) -> None:
    """The connection ends, because nobody can tell where the next request on it begins."""
    with closing(raw(front)) as connection:
        head = "\r\n".join(["POST / HTTP/1.1", "Host: x", "X-Mine: x", *([length] if length else []), "", ""])
        connection.sendall(head.encode())
        answer = everything(connection)

    assert answer.startswith(b"HTTP/1.1 411 ")
    assert (True, True) == (b"Connection: close" in answer, str(BODY_BYTES_MAX).encode() in answer)


def test_a_request_that_breaks_off_is_not_responded_to() -> None:
    """Half a body is nobody's request."""
    asked: list[bytes] = []

    def keep(_path: str, _headers: Mapping[str, str], body: bytes) -> Answer:
        asked.append(body)
        return Answer(200, b"")

    with running(HttpFront(keep, CLOCK, "127.0.0.1", 0)) as front, closing(raw(front)) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf")
        connection.shutdown(socket.SHUT_WR)

        assert b"" == everything(connection)
    assert [] == asked


def test_a_client_that_asks_first_is_told_to_go_on(front: HttpFront) -> None:
    """`100 Continue` leaves at once: a client that waits for it would send its body a second later."""
    with closing(raw(front)) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nX-Mine: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        first = connection.recv(65536)
        connection.sendall(b"hi")

        assert b"HTTP/1.1 100 Continue\r\n\r\n" == first
        assert connection.recv(65536).endswith(b"/|x|hi")


def test_closing_breaks_open_connections_and_leaves_no_thread() -> None:
    """Idle clients see the end of it, nobody listens any more, and closing twice is fine."""
    before = set(threading.enumerate())
    front = HttpFront(echo, CLOCK, "127.0.0.1", 0)
    front.start()
    with closing(raw(front)) as idle:
        # accept thread and the connection's own
        eventually(lambda: len(set(threading.enumerate()) - before) == 2, what="the thread of the connection")
        front.close()

        assert b"" == everything(idle)
    front.close()
    assert set() == {thread for thread in threading.enumerate() if thread.is_alive()} - before
    with pytest.raises(ConnectionRefusedError):
        raw(front)


def test_a_front_that_was_never_started_can_be_closed() -> None:
    """It listens from its birth, so its port has to be given back though nobody answered there."""
    front = HttpFront(echo, CLOCK, "127.0.0.1", 0)
    front.close()

    with pytest.raises(ConnectionRefusedError):
        raw(front)


def test_a_client_that_went_away_is_no_news_and_a_bug_is(capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed for a reset connection; what breaks in the response is told."""

    def respond(path: str, _headers: Mapping[str, str], _body: bytes) -> Answer:
        raise ConnectionResetError if path == "/gone" else ZeroDivisionError("a bug")

    told = []
    with running(HttpFront(respond, CLOCK, "127.0.0.1", 0)) as front:
        for path in ("/gone", "/bug"):
            with closing(raw(front)) as connection:
                connection.sendall(f"POST {path} HTTP/1.1\r\nContent-Length: 0\r\n\r\n".encode())
                everything(connection)
                told.append(capfd.readouterr().err)

    assert ["", True] == [told[0], "a bug" in told[1]]
