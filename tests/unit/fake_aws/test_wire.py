"""Heads read and answers written."""

from __future__ import annotations

import pytest

from tests.fake_aws.wire import HEAD_BYTES_MAX, BadRequestError, Reply, read_head

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-LENGTH:  5 \r\n\r\n"


def test_a_head_is_taken_from_the_front() -> None:
    """What follows the head stays in the buffer; names are lower, values bare."""
    buffer = bytearray(HEAD + b"hello")
    request = read_head(buffer)
    assert request is not None
    assert ("POST", "/", {"host": "x", "content-length": "5"}, 5) == (
        request.method,
        request.path,
        request.headers,
        request.length,
    )
    assert b"hello" == buffer


@pytest.mark.parametrize("cut", range(0, len(HEAD), 7))
def test_an_incomplete_head_is_waited_for(cut: int) -> None:
    """Nothing is taken before the empty line."""
    buffer = bytearray(HEAD[:cut])
    assert (None, HEAD[:cut]) == (read_head(buffer), bytes(buffer))


@pytest.mark.parametrize(
    "head",
    [
        b"nonsense\r\n\r\n",
        b"GET / SPDY/3\r\n\r\n",
        b"POST / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        pytest.param(b"x" * (HEAD_BYTES_MAX + 1), id="a byte too long"),
    ],
)
def test_what_is_no_request_is_refused(head: bytes) -> None:
    """A broken head ends the connection rather than being guessed at."""
    with pytest.raises(BadRequestError):
        read_head(bytearray(head))


def test_an_answer_has_a_date_and_a_length() -> None:
    """Date is always there, since clients learn the service's time from it."""
    encoded = Reply(b"body", headers=((b"X", b"y"),)).encode("id", b"now")
    head, _, body = encoded.partition(b"\r\n\r\n")
    assert b"body" == body
    status, *lines = head.split(b"\r\n")
    assert b"HTTP/1.1 200 OK" == status
    assert {b"Content-Length: 4", b"Date: now", b"X: y", b"x-amzn-RequestId: id"} < set(lines)


def test_a_cut_answer_promises_more_than_it_sends() -> None:
    """The length is the whole body's."""
    encoded = Reply(b"body", cut_at=1).encode("id", b"now")
    assert (True, True) == (b"Content-Length: 4" in encoded, encoded.endswith(b"\r\n\r\nb"))
