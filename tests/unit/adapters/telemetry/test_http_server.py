from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from doka.adapters.telemetry.http_server import CONNECTIONS_MAX, REQUEST_BYTES_MAX, HealthServer, Response
from doka.domain.errors import UsageError
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from tests.manual_clock import ManualClock
from tests.unit.adapters.telemetry.given import ask, get, hand_clock
from tests.waiting import eventually


def answer(path: str) -> Response | None:
    """Know one page, one that is large, and one that fails."""
    match path:
        case "/here":
            return Response(200, b"it is")
        case "/large":
            return Response(200, b"x" * 5_000_000)
        case "/broken":
            raise RuntimeError("an accident with a secret in it")
        case _:
            return None


class RealClock(ManualClock):
    """The hand-set clock, moved by the kernel's."""

    def now(self) -> int:
        """Give the monotonic time in ns."""
        import time

        return time.monotonic_ns()


@pytest.fixture
def server() -> Iterator[HealthServer]:
    """Give a server on a free port of this machine."""
    made = HealthServer(RealClock(), "127.0.0.1", 0)
    made.open(answer)
    yield made
    made.close()


def test_pages(server: HealthServer) -> None:
    """A known path is answered with its page, with or without a query; an unknown one with 404."""
    assert (200, "it is") == get(server.port, "/here")
    assert (200, "it is") == get(server.port, "/here?x=1")
    assert (404, "there are /metrics, /healthz and /readyz\n") == get(server.port, "/elsewhere")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_only_get_and_head(server: HealthServer, method: str) -> None:
    """Every other method is refused, and told what is allowed."""
    head, _blank, body = ask(server.port, f"{method} /here HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc").partition(
        "\r\n\r\n"
    )
    assert head.startswith("HTTP/1.1 405 ")
    assert "Allow: GET, HEAD" in head.split("\r\n")
    assert "only GET and HEAD are answered here\n" == body


@pytest.mark.parametrize("path", ["/here", "/elsewhere", "/broken"])
def test_a_head_is_a_get_without_its_body(server: HealthServer, path: str) -> None:
    """HEAD gives the very head that GET gives, the length of the page included, and nothing behind it."""
    whole = ask(server.port, f"GET {path} HTTP/1.1\r\n\r\n")
    head, blank, _body = whole.partition("\r\n\r\n")
    assert head + blank == ask(server.port, f"HEAD {path} HTTP/1.1\r\n\r\n")


@pytest.mark.parametrize(
    "request_line", ["", "GET /here", "GET  /here HTTP/1.1", "\x16\x03\x01\x02", "GET /here FTP/1"]
)
def test_what_is_no_http(server: HealthServer, request_line: str) -> None:
    """Garbage is refused, and the server goes on."""
    assert ask(server.port, f"{request_line}\r\n\r\n").startswith("HTTP/1.1 400 ")
    assert 200 == get(server.port, "/here")[0]


def test_a_head_without_end(server: HealthServer) -> None:
    """A request that never ends its head is refused at its limit."""
    assert ask(server.port, "GET /here HTTP/1.1\r\nX: " + "y" * REQUEST_BYTES_MAX).startswith("HTTP/1.1 431 ")


def test_a_page_that_fails(server: HealthServer) -> None:
    """An error while rendering is a 500 without its text, and the next question is answered."""
    code, body = get(server.port, "/broken")
    assert (500, "doka could not render this page\n") == (code, body)
    assert 200 == get(server.port, "/here")[0]


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("", 200),
        ("Host: 127.0.0.1:9400\r\n", 200),
        ("Host: [::1]:9400\r\n", 200),
        ("host:localhost\r\n", 200),
        ("Host: LocalHost:1\r\n", 200),
        ("Host: doka.internal:9400\r\n", 200),
        ("Host: evil.example:9400\r\n", 421),
        ("Host: 127.0.0.1.evil.example\r\n", 421),
        ("Host: localhost\r\nHost: evil.example\r\n", 421),
        ("Host: [::1\r\n", 421),
        ("Host: \r\n", 421),
    ],
)
def test_a_page_for_known_hosts_is_for_no_other(host: str, code: int) -> None:
    """A name that somebody else lets lead here gets neither the page nor a word of it; what is for all it gets."""
    server = HealthServer(hand_clock(), "127.0.0.1", 0, ["doka.internal"])
    server.open(lambda path: Response(200, b"inside", for_known_hosts=path == "/inside", headers={"X-Y": "z"}))
    told = ask(server.port, f"GET /inside HTTP/1.1\r\n{host}\r\n")
    assert told.startswith(f"HTTP/1.1 {code} ")
    assert (code == 200) == ("inside" in told)
    assert (code == 200) == ("\r\nX-Y: z\r\n" in told)
    assert ask(server.port, f"GET /all HTTP/1.1\r\n{host}\r\n").startswith("HTTP/1.1 200 ")
    server.close()


def test_a_page_is_given_again_while_it_is_fresh() -> None:
    """What says for how long it is fresh is made once in that time, also for HEAD and with a query; others each time."""
    clock, made = hand_clock(), list[str]()

    def count(path: str) -> Response | None:
        made.append(path)
        return Response(200, b"%d" % len(made), fresh_ns=NS_PER_SECOND if path == "/dear" else 0)

    server = HealthServer(clock, "127.0.0.1", 0)
    server.open(count)
    try:
        first = [get(server.port, "/dear")[1] for _ in range(3)] + [get(server.port, "/dear?x=1")[1]]
        head = ask(server.port, "HEAD /dear HTTP/1.1\r\n\r\n")
        cheap = [get(server.port, "/cheap")[1] for _ in range(2)]
        clock.pass_seconds(0.999)
        last = get(server.port, "/dear")[1]
        clock.pass_seconds(0.001)
        anew = get(server.port, "/dear")[1]
    finally:
        server.close()
    assert (["1"] * 4, ["2", "3"], "1", "4") == (first, cheap, last, anew)
    assert "Content-Length: 1\r\n" in head
    assert ["/dear", "/cheap", "/cheap", "/dear"] == made


def test_a_page_that_is_outdated_is_made_anew() -> None:
    """Fresh is not enough: what it shows may have changed since."""
    made: list[str] = []
    changes: list[str] = []

    def count(path: str) -> Response | None:
        made.append(path)
        return Response(200, b"%d" % len(made), fresh_ns=NS_PER_SECOND, outdated=lambda: bool(changes))

    server = HealthServer(hand_clock(), "127.0.0.1", 0)
    server.open(count)
    try:
        first = [get(server.port, "/dear")[1] for _ in range(2)]
        changes.append("the state")
        anew = get(server.port, "/dear")[1]
    finally:
        server.close()
    assert (["1", "1"], "2") == (first, anew)


def test_a_page_that_takes_long_is_fresh_from_when_it_is_there() -> None:
    """A page of two seconds' work that is fresh for one is not made all the time."""
    clock, made = hand_clock(), list[str]()

    def slow(path: str) -> Response | None:
        made.append(path)
        clock.pass_seconds(2)
        return Response(200, b"", fresh_ns=NS_PER_SECOND)

    server = HealthServer(clock, "127.0.0.1", 0)
    server.open(slow)
    try:
        for _ in range(3):
            get(server.port, "/slow")
    finally:
        server.close()
    assert ["/slow"] == made


def test_a_page_that_failed_is_tried_again() -> None:
    """An error is nobody's answer but the one's who asked."""
    made: list[str] = []

    def recover(path: str) -> Response | None:
        made.append(path)
        return Response(200, b"well", fresh_ns=1) if len(made) > 1 else answer("/broken")

    server = HealthServer(hand_clock(), "127.0.0.1", 0)
    server.open(recover)
    try:
        assert [500, 200] == [get(server.port, "/dear")[0] for _ in range(2)]
    finally:
        server.close()


def test_a_large_page(server: HealthServer) -> None:
    """A page larger than any socket buffer arrives whole."""
    assert 5_000_000 == len(get(server.port, "/large")[1])


def test_byte_by_byte(server: HealthServer) -> None:
    """A request that comes in single bytes is understood."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
        for byte in b"GET /here HTTP/1.0\r\n\r\n":
            sock.sendall(bytes([byte]))
        assert sock.recv(1 << 16).startswith(b"HTTP/1.1 200 ")


def test_slow_clients_do_no_harm(server: HealthServer) -> None:
    """While somebody holds hundreds of connections open and sends nothing, a probe is answered at once by one thread."""
    before = set(threading.enumerate())
    held = [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in range(3 * CONNECTIONS_MAX)]
    try:
        for sock in held[-CONNECTIONS_MAX:]:
            sock.sendall(b"GET /he")
        for _ in range(5):
            assert (200, "it is") == get(server.port, "/here")
        assert set() == set(threading.enumerate()) - before  # a thread of an earlier test may end meanwhile
    finally:
        for sock in held:
            sock.close()


def test_a_silent_connection_is_dropped() -> None:
    """A client that has not said all by its deadline loses its connection, however it trickles."""
    server = HealthServer(RealClock(), "127.0.0.1", 0, patience=200 * NS_PER_MS)
    server.open(answer)
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
            sock.sendall(b"GET /here HTT")
            assert b"" == sock.recv(1)
    finally:
        server.close()


def test_a_client_that_does_not_read_is_dropped() -> None:
    """A client that asks for a large page and reads nothing of it holds its socket no longer than its deadline."""
    server = HealthServer(RealClock(), "127.0.0.1", 0, patience=200 * NS_PER_MS)
    server.open(answer)
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
            sock.sendall(b"GET /large HTTP/1.1\r\n\r\n")
            eventually(lambda: not server.connections, within=5, what="the connection to be dropped")
    finally:
        server.close()


def test_a_clock_that_leaps_drops_what_is_old() -> None:
    """After a suspend, connections older than their patience are gone, and new ones are served."""
    clock = hand_clock()
    server = HealthServer(clock, "127.0.0.1", 0, patience=NS_PER_SECOND)
    server.open(answer)
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
            eventually(lambda: server.connections == 1, what="the connection to be taken")
            clock.pass_seconds(3600)
            assert (200, "it is") == get(server.port, "/here")
            assert b"" == sock.recv(1)
    finally:
        server.close()


def test_a_port_in_use() -> None:
    """A port that somebody else listens on is the operator's to change: the error names the setting."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = HealthServer(RealClock(), "127.0.0.1", taken.getsockname()[1])
        with pytest.raises(UsageError, match=r"^http\.port: .*in use.*; choose another, or 0 for any free one$"):
            server.open(answer)


@pytest.mark.parametrize(
    ("host", "port", "setting"), [("no.such.host.invalid", 0, "http.host"), ("127.0.0.1", 70_000, "http.port")]
)
def test_a_place_that_cannot_be(host: str, port: int, setting: str) -> None:
    """A host that is none, or a port out of range, is an error that names its setting."""
    with pytest.raises(UsageError, match=f"^{setting}: "):
        HealthServer(RealClock(), host, port).open(answer)


def test_close_frees_the_port() -> None:
    """After close nobody listens, its thread is gone, and another server can take the port."""
    first = HealthServer(RealClock(), "127.0.0.1", 0)
    first.open(answer)
    port = first.port
    with socket.create_connection(("127.0.0.1", port), timeout=5) as left_open:
        eventually(lambda: first.connections == 1, what="the connection to be taken")
        first.close()
        assert b"" == left_open.recv(1)
    assert [] == [thread for thread in threading.enumerate() if thread.name == "doka-http"]
    second = HealthServer(RealClock(), "127.0.0.1", port)
    second.open(answer)
    assert (200, "it is") == get(second.port, "/here")
    second.close()
    second.close()
