"""The connections that libcurl keeps between requests: nothing may wait on one of them before a request leaves.

HTTP/1.1 knows of an answer only that it is the next thing on its connection.
So what is there before a request has left belongs to no request of ours: a repeated answer, or the far end's goodbye.
libcurl looks at its kept connections once a second, which is a second in which it would believe such an answer.
"""

from __future__ import annotations

import os
import select
import socket
from contextlib import suppress

Ends = tuple[str, str, int, int]
"""Far address, near address, far port, near port: what libcurl tells of a connection before a request leaves on it."""

NAMES_MAX = 1024
"""Four for each connection that is kept; beyond it the oldest are forgotten, and what is not known is not used again."""


class Connections:
    """The descriptors of the connections on which a request may leave, by their ends.

    One is given to one request, and is there again when the answer to it was judged and believed: libcurl itself gives
    it to the next request as soon as an answer has been read, whatever that answer is worth.
    """

    def __init__(self) -> None:
        self._kept: dict[Ends, int] = {}

    def keep(self, ends: Ends, descriptor: int) -> None:
        """Let another request leave on a connection: it is open, and its last answer was believed."""
        self._kept.pop(ends, None)
        self._kept[ends] = descriptor
        if len(self._kept) > NAMES_MAX:
            del self._kept[next(iter(self._kept))]

    def take(self, ends: Ends) -> bool:
        """Tell whether a request may leave on a connection, which is its own from now on: nothing waits to be read."""
        descriptor = self._kept.pop(ends, None)
        if descriptor is None:
            return False
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return not poll.poll(0)


def cut(descriptor: int) -> None:
    """End a connection whose answer was not believed; the descriptor stays libcurl's to close."""
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
        connection.shutdown(socket.SHUT_RDWR)
