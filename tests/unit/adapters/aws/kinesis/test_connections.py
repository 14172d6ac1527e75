from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from doka.adapters.aws.kinesis.connections import NAMES_MAX, Connections, Ends

ENDS: Ends = ("127.0.0.1", "127.0.0.1", 443, 40_000)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A near end and a far end."""
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def test_a_quiet_connection_is_clean(pair: tuple[socket.socket, socket.socket]) -> None:
    """It is clean as often as it is asked for."""
    connections = Connections()
    connections.keep(ENDS, pair[0].fileno())
    assert [True, True] == [connections.is_clean(ENDS), connections.is_clean(ENDS)]


def test_what_waits_makes_a_connection_unclean(pair: tuple[socket.socket, socket.socket]) -> None:
    """One byte is enough; it is not read."""
    connections = Connections()
    connections.keep(ENDS, pair[0].fileno())
    pair[1].send(b"x")
    assert not connections.is_clean(ENDS)
    assert b"x" == pair[0].recv(10)


def test_a_closed_connection_is_unclean(pair: tuple[socket.socket, socket.socket]) -> None:
    """A far end that has gone can be seen before anything is sent."""
    connections = Connections()
    connections.keep(ENDS, pair[0].fileno())
    pair[1].close()
    assert not connections.is_clean(ENDS)


def test_a_cut_connection_is_over_for_both_ends(pair: tuple[socket.socket, socket.socket]) -> None:
    """The far end sees the end at once, and no request leaves on it."""
    connections = Connections()
    connections.keep(ENDS, pair[0].fileno())
    connections.cut(ENDS)
    assert b"" == pair[1].recv(10)
    assert not connections.is_clean(ENDS)
    assert b"" == pair[0].recv(10), "the descriptor itself is the library's to close"


def test_what_is_not_known_is_not_clean() -> None:
    """A connection that nobody looked after is not used; cutting it is nothing."""
    connections = Connections()
    connections.cut(ENDS)
    assert not connections.is_clean(ENDS)


def test_names_are_bounded(pair: tuple[socket.socket, socket.socket]) -> None:
    """Connections that libcurl has closed by itself are forgotten at last, the oldest first."""
    connections = Connections()
    for port in range(NAMES_MAX + 10):
        connections.keep((*ENDS[:3], port), pair[0].fileno())
    found = [port for port in range(NAMES_MAX + 10) if connections.is_clean((*ENDS[:3], port))]
    assert list(range(10, NAMES_MAX + 10)) == found
