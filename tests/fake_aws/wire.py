"""HTTP/1.1 as bytes: reading a request's head, writing an answer. No sockets here."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from tests.fake_aws.script import Action

HEAD_BYTES_MAX = 64 * 1024
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


class BadRequestError(Exception):
    """The bytes are no request that this server reads; the connection cannot be used further."""


@dataclass(slots=True, eq=False)
class Request:
    """One request: header names in lower case, the body complete once it reaches a handler."""

    method: str
    path: str
    headers: dict[str, str]
    length: int
    body: bytes | bytearray = b""
    received_at: int = 0
    """Ns on the service's clock, when its last byte was read."""
    id: str = ""
    taken: tuple[Action, ...] = ()
    """What the script had in store for the next request, when its head was read."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered; `cut_at` sends only so many bytes of the body and then closes, with the full length promised.

    `headers` take the place of the server's own; an empty one is left out. `closes` ends the connection behind it.
    """

    body: bytes
    status: int = 200
    content_type: bytes = b"application/x-amz-json-1.1"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    cut_at: int | None = None
    closes: bool = False

    def encode(self, request_id: str, date: bytes) -> bytes:
        """Give the whole answer as bytes, the body cut where it should be."""
        lines = {
            b"x-amzn-RequestId": request_id.encode(),
            b"Date": date,
            b"Content-Type": self.content_type,
            b"Content-Length": b"%d" % len(self.body),
        } | dict(self.headers)
        start = b"HTTP/1.1 %d %b" % (self.status, _REASONS.get(self.status, b"Unknown"))
        head = [start, *(name + b": " + value for name, value in lines.items() if value)]
        body = self.body if self.cut_at is None else self.body[: self.cut_at]
        return b"\r\n".join(head) + b"\r\n\r\n" + body


def read_head(buffer: bytearray) -> Request | None:
    """Take a complete head from the front of `buffer`, or give None while it is incomplete.

    Raises BadRequestError for what is no HTTP/1.1, for a chunked body and for a head without end.
    """
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        if len(buffer) > HEAD_BYTES_MAX:
            raise BadRequestError("a head without end")
        return None
    lines = bytes(buffer[:end]).decode("latin-1").split("\r\n")
    del buffer[: end + 4]
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequestError(f"not a request line: {lines[0][:80]!r}")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise BadRequestError("a header without a colon")
        headers[name.lower()] = value.strip()
    if "transfer-encoding" in headers:
        raise BadRequestError("chunked bodies are not read")
    length = headers.get("content-length", "0")
    if not length.isdecimal():
        raise BadRequestError("a length that is no number")
    return Request(method=words[0], path=words[1], headers=headers, length=int(length))
