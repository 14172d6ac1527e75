from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from doka.adapters.aws.kinesis.connections import NAMES_MAX, Connections, Ends, cut

ENDS: Ends = ("127.0.0.1", "127.0.0.1", 443, 40_000)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A near end and a far end."""
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def test_a_quiet_connection_is_taken_once(pair: tuple[socket.socket, socket.socket]) -> None:
    """It is one request's at a time, and the next one's when it was given back."""
    connections = Connections()
    connections.keep(ENDS, pair[0].fileno())
    assert [True, False] == [connections.take(ENDS), connections.take(ENDS)]
    connections.keep(ENDS, pair[0].fileno())
    assert connections.take(ENDS)


def test_no_request_leaves_where_something_waits(pair: tuple[socket.socket, socket.socket]) -> None:
    """One byte is enough; it is not read."""
    connections = Connections()
    connections.keep(ENDS, pair[0].fileno())
    pair[1].send(b"x")
    assert not connections.take(ENDS)
    assert b"x" == pair[0].recv(10)


def test_no_request_leaves_on_a_closed_connection(pair: tuple[socket.socket, socket.socket]) -> None:
    """A far end that has gone can be seen before anything is sent."""
    connections = Connections()
    connections.keep(ENDS, pair[0].fileno())
    pair[1].close()
    assert not connections.take(ENDS)


def test_a_cut_connection_is_over_for_both_ends(pair: tuple[socket.socket, socket.socket]) -> None:
    """The far end sees the end at once, and the descriptor is still the library's to close."""
    cut(pair[0].fileno())
    assert (b"", b"") == (pair[1].recv(10), pair[0].recv(10))


def test_what_is_not_known_is_not_taken() -> None:
    """A connection whose last answer nobody believed is not used."""
    assert not Connections().take(ENDS)


def test_names_are_bounded(pair: tuple[socket.socket, socket.socket]) -> None:
    """Connections that libcurl has closed by itself are forgotten at last, the oldest first."""
    connections = Connections()
    for port in range(NAMES_MAX + 10):
        connections.keep((*ENDS[:3], port), pair[0].fileno())
    found = [port for port in range(NAMES_MAX + 10) if connections.take((*ENDS[:3], port))]
    assert list(range(10, NAMES_MAX + 10)) == found
