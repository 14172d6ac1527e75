from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from doka.app.workers.frames import FrameKind, receive_frame, send_frame

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Give both ends of a socket pair."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize("size", [0, 1, 65_536, 3_000_000])
def test_frames_arrive_whole_and_in_order(pair: Pair, size: int) -> None:
    """Whatever the size, and however the kernel cuts it."""
    sent = [(FrameKind.PAGE, b"x" * size), (FrameKind.ASK, b""), (FrameKind.REPORT, b"{}")]

    def send() -> None:
        for kind, payload in sent:
            send_frame(pair[0], kind, payload)

    sender = threading.Thread(target=send)
    sender.start()
    assert sent == [receive_frame(pair[1]) for _ in sent]
    sender.join()


@pytest.mark.parametrize("sent", [b"", b"\x03", b"\x03\x00\x00\x00\x09half"])
def test_the_end_of_the_other_side_is_none(pair: Pair, sent: bytes) -> None:
    """Between two frames, within a head and within a payload."""
    pair[0].sendall(sent)
    pair[0].close()
    assert receive_frame(pair[1]) is None


def test_sending_to_nobody_is_an_error(pair: Pair) -> None:
    """Who sends must learn that the other side is gone."""
    pair[1].close()
    with pytest.raises(OSError, match="Broken pipe"):
        send_frame(pair[0], FrameKind.ASK)
