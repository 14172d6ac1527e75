"""What supervisor and worker say to each other over their socket pair: frames of a kind, a length and a payload.

The pair belongs to these two processes alone and both run the same program, so nothing is checked but the end of it.
The end of the pair is a message too: it is how a worker learns that its supervisor is gone, however it went.
"""

from __future__ import annotations

import socket
import struct
from enum import IntEnum

_HEAD = struct.Struct(">BI")


class FrameKind(IntEnum):
    """What a frame is."""

    SETUP = 1  # to the worker, once: a pickled `Setup`
    ASK = 2  # to the worker: give what you have at this path
    PAGE = 3  # to the supervisor: the path that was asked for, a NUL, and what is there
    REPORT = 4  # to the supervisor, each second: JSON with `stalled` and `reasons`


def send_frame(sock: socket.socket, kind: FrameKind, payload: bytes = b"") -> None:
    """Send one frame, waiting while the other end does not read. Raises OSError when there is no other end."""
    sock.sendall(_HEAD.pack(kind, len(payload)) + payload)


def receive_frame(sock: socket.socket) -> tuple[FrameKind, bytes] | None:
    """Wait for one whole frame; None when the other end is gone."""
    head = _exactly(sock, _HEAD.size)
    if head is None:
        return None
    kind, size = _HEAD.unpack(head)
    payload = _exactly(sock, size)
    return None if payload is None else (FrameKind(kind), payload)


def _exactly(sock: socket.socket, size: int) -> bytes | None:
    received = bytearray()
    while len(received) < size:
        try:
            part = sock.recv(size - len(received))
        except OSError:  # reset: as good as its end
            return None
        if not part:
            return None
        received += part
    return bytes(received)
