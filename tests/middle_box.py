"""A middle box that cannot be trusted: real TCP, between a client and a stand-in for AWS, one connection for each.

It repeats answers at moments of its own choice, holds them back, drops requests and answers, and sends an old answer
before the right one, as boxes do that keep connections for others and lose count.
What it sends on a connection was sent on this very connection before: which connection an answer belongs to is all that
HTTP/1.1 knows of it, and a box that mixes connections up is beyond what a client can see.
It meddles with puts only.
"""

from __future__ import annotations

import random
import select
import socket
import threading
from collections import Counter
from dataclasses import dataclass

from tests.relay import Relay

LATE_SECONDS_MAX = 0.02
HELD_SECONDS_MAX = 0.05
PUT = b"Kinesis_20131202.PutRecords"


@dataclass(frozen=True, slots=True)
class Mischief:
    """How probable each thing is, for one put."""

    repeat: float = 0.0
    """Its answer comes once more later: on the idle connection, while the next put is sent, or when it has been."""
    hold: float = 0.0
    """Its answer waits a little."""
    drop_request: float = 0.0
    """It never gets to the service; nothing else is told to the client."""
    drop_answer: float = 0.0
    """The service takes it, and its answer is never told."""


class MiddleBox(Relay):
    """The box, on threads of its own; `did` counts what it did."""

    def __init__(self, upstream: str, mischief: Mischief, seed: int) -> None:
        super().__init__(upstream, "middle-box")
        self.mischief = mischief
        self.did: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self.port}"

    def draw(self, what: str, probability: float) -> bool:
        """Say whether it happens this time, and count it."""
        with self._lock:
            happens = self._random.random() < probability
            self.did[what] += happens
            return happens

    def seconds(self, at_most: float) -> float:
        """Draw a time."""
        with self._lock:
            return self._random.random() * at_most

    def serve(self, client: socket.socket) -> None:
        """Carry one connection's requests and answers, and meddle with them."""
        with socket.create_connection(self.upstream) as service:
            self.mind(service)
            for end in (client, service):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _Carrier(self, client, service).run()


class _Carrier:
    """One connection: one request at a time, and what it still means to say once more."""

    def __init__(self, box: MiddleBox, client: socket.socket, service: socket.socket) -> None:
        self._box = box
        self._client = client
        self._service = service
        self._from_client = bytearray()
        self._from_service = bytearray()
        self._again: bytes | None = None

    def run(self) -> None:
        while True:
            self._repeat_while_idle()
            request = self._message(self._client, self._from_client)
            if request is None:
                return
            if PUT not in request[:2048]:
                self._service.sendall(request)
                answer = self._message(self._service, self._from_service)
                if answer is None:
                    return
                self._client.sendall(answer)
                continue
            self._say_again("repeated when the next was sent")
            if not self._put(request):
                return

    def _put(self, request: bytes) -> bool:
        box, mischief = self._box, self._box.mischief
        if box.draw("dropped request", mischief.drop_request):
            return self._wait_for_the_end()
        self._service.sendall(request)
        answer = self._message(self._service, self._from_service)
        if answer is None:
            return False
        if box.draw("dropped answer", mischief.drop_answer):
            return self._wait_for_the_end()
        if box.draw("held", mischief.hold):
            select.select([self._client], [], [], box.seconds(HELD_SECONDS_MAX))
        self._client.sendall(answer)
        if box.draw("repeat", mischief.repeat):
            self._again = answer
        return True

    def _repeat_while_idle(self) -> None:
        """Say it again at a time of its own, unless the next request begins before that: then during or after it."""
        if self._again is None:
            return
        begun, _, _ = select.select([self._client], [], [], self._box.seconds(LATE_SECONDS_MAX))
        if not begun:
            self._say_again("repeated when idle")
        elif self._box.draw("repeated while the next was sent", 0.5):
            self._client.sendall(self._again)
            self._again = None

    def _say_again(self, when: str) -> None:
        if self._again is not None:
            self._box.draw(when, 1.0)
            self._client.sendall(self._again)
            self._again = None

    def _wait_for_the_end(self) -> bool:
        while self._client.recv(65536):
            pass
        return False

    def _message(self, end: socket.socket, buffer: bytearray) -> bytes | None:
        """Read a request or an answer whole; None at the end of the connection."""
        while b"\r\n\r\n" not in buffer:
            if not self._more(end, buffer):
                return None
        head = bytes(buffer[: buffer.find(b"\r\n\r\n") + 4])
        size = len(head) + _length(head)
        while len(buffer) < size:
            if not self._more(end, buffer):
                return None
        whole = bytes(buffer[:size])
        del buffer[:size]
        return whole

    @staticmethod
    def _more(end: socket.socket, buffer: bytearray) -> bool:
        data = end.recv(256 * 1024)
        buffer += data
        return bool(data)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
