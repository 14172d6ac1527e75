"""One request on one libcurl handle, which outlives it: the handle and its buffers are used again and again.

The body goes out through a read function without a seek function.
libcurl would otherwise repeat a POST by itself when a kept-alive connection dies before the first byte of an answer,
and the service may have accepted it; so it fails with SEND_FAIL_REWIND, which is ambiguous.
A kept connection is looked at in the moment before a request leaves on it: one that the far end has closed, or on which
something waits that belongs to no request, is not used, and that costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pycurl

from doka.adapters.aws.kinesis.connections import Connections, Ends
from doka.adapters.https import hold_to_rules, trust_only
from doka.domain.commands import SendPut
from doka.domain.limits import NS_PER_MS

ANSWER_BYTES_MAX = 4 * 1024 * 1024
"""500 results are about 60 KB; what is far beyond is no answer of the service."""

RECEIVE_BUFFER_BYTES = 128 * 1024
SEND_BUFFER_BYTES = 256 * 1024
"""How much libcurl asks for at once; its default of 64 KiB needs more calls than it saves memory."""

CONNECT_TIMEOUT_MS = 3_000
CONNECT_SHARE = 2
"""A connect may take at most a half of the request's time, so that a failed one is never ambiguous."""

OVERDUE_GRACE_NS = 250 * NS_PER_MS
"""libcurl's own timer comes first; ours runs through suspend and catches what its clock slept over."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What there is of a request that ended; an answer is whole where libcurl reported no error."""

    status: int
    head: bytes
    body: bytes
    started: bool
    """Whether libcurl asked for any of the body: if not, nothing of it can have left."""
    sent_whole: bool
    """Whether libcurl had asked for all of the body when the answer began."""
    body_bytes: int
    """How large its own body was."""
    fresh: bool
    """Whether it was the first request of its connection."""


class Request:
    """One request in flight, or none (`command` is None); its buffers hold nothing of a request that ended."""

    def __init__(self, ca_path: str) -> None:
        self.command: SendPut | None = None
        self.url = ""
        self.sent_at = 0
        self.overdue_at = 0
        self.connections = Connections()
        """Those that this one may be given; its wire says which."""
        self.ends: Ends = ("", "", 0, 0)
        """Of the connection on which it left last."""
        self.descriptor = -1
        """Of that connection after the request ended; negative where it is closed."""
        self.turned_back = False
        """Whether it was held back from a kept connection on which something waited; nothing of it has left."""
        self._fresh = False
        self._begun_early = False
        self._body = BytesIO()
        self._size = 0
        self._head = BytesIO()
        self._answer = BytesIO()
        curl = self.curl = pycurl.Curl()
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.READFUNCTION, self._read)
        curl.setopt(pycurl.WRITEFUNCTION, self._answer.write)
        curl.setopt(pycurl.HEADERFUNCTION, self._head.write)
        curl.setopt(pycurl.SOCKOPTFUNCTION, self._connecting)
        curl.setopt(pycurl.PREREQFUNCTION, self._may_leave)
        hold_to_rules(curl)
        curl.setopt(pycurl.TCP_NODELAY, 1)
        curl.setopt(pycurl.TCP_KEEPALIVE, 1)
        curl.setopt(pycurl.BUFFERSIZE, RECEIVE_BUFFER_BYTES)
        curl.setopt(pycurl.UPLOAD_BUFFERSIZE, SEND_BUFFER_BYTES)
        curl.setopt(pycurl.MAXFILESIZE, ANSWER_BYTES_MAX)
        self._ca_path = ""
        self.trust(ca_path)

    def load(self, command: SendPut, url: str, headers: Mapping[str, str], body: bytes, now: int) -> None:
        """Take a signed request; its time runs from `now`."""
        timeout_ms = max(1, command.timeout // NS_PER_MS)
        self.command = command
        self.sent_at = now
        self.overdue_at = now + command.timeout + OVERDUE_GRACE_NS
        self._body = BytesIO(body)
        self._size = len(body)
        self._fresh = self._begun_early = False
        curl = self.curl
        if self.turned_back:
            self.turned_back = False
            curl.setopt(pycurl.FRESH_CONNECT, 0)
        if url != self.url:
            curl.setopt(pycurl.URL, url)
            self.url = url
        curl.setopt(pycurl.HTTPHEADER, ["Expect:", "Accept:", *map("%s: %s".__mod__, headers.items())])
        curl.setopt(pycurl.POSTFIELDSIZE_LARGE, len(body))
        curl.setopt(pycurl.TIMEOUT_MS, timeout_ms)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, max(1, min(CONNECT_TIMEOUT_MS, timeout_ms // CONNECT_SHARE)))

    def trust(self, ca_path: str) -> None:
        """Verify by the authorities at this path from now on; libcurl reads it anew when it is spelled otherwise."""
        if ca_path != self._ca_path:
            self._ca_path = ca_path
            trust_only(self.curl, ca_path)

    def wants_a_fresh_connection(self) -> None:
        """Go on with the same request, of which nothing has left, on a connection that nobody has used."""
        self.curl.setopt(pycurl.FRESH_CONNECT, 1)

    def unload(self) -> Outcome:
        """Give how the request ended and forget it."""
        read = self._body.tell()
        outcome = Outcome(
            status=self.curl.getinfo(pycurl.RESPONSE_CODE),
            head=self._head.getvalue(),
            body=self._answer.getvalue(),
            started=read > 0,
            sent_whole=read == self._size and not self._begun_early,
            body_bytes=self._size,
            fresh=self._fresh,
        )
        self.command = None
        self._body = BytesIO()
        for buffer in (self._head, self._answer):
            buffer.seek(0)
            buffer.truncate()
        return outcome

    def close(self) -> None:
        """Free the handle; a request that was on it stays unknown."""
        self.curl.close()

    def _read(self, size: int) -> bytes:
        if self._head.tell() and self._body.tell() < self._size:
            self._begun_early = True
        return self._body.read(size)

    def _connecting(self, _descriptor: int, _purpose: int) -> int:
        self._fresh = True
        return pycurl.SOCKOPT_OK

    def _may_leave(self, *ends: Any) -> int:
        """Be asked by libcurl on a connection that is ready, in the moment before anything of the request leaves."""
        self.ends = ends
        if self._fresh or self.connections.take(self.ends):
            return pycurl.PREREQFUNC_OK
        self.turned_back = True
        return pycurl.PREREQFUNC_ABORT
