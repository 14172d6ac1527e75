"""One request to a collector at a time, by libcurl, as puts go: the same proxies, TLS 1.2 and later, always verified.

It waits, so it belongs onto a thread of its own. What it says of a failure never holds a header's value.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import pycurl

from doka.adapters.https import hold_to_rules, object_in, trust
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.ports import Clock

RETRIED = frozenset({429, 502, 503, 504})
"""OTLP specification, "Retryable response codes": all others are final."""
ANSWER_BYTES_MAX = 64 * 1024
SAID_CHARACTERS_MAX = 200
_HIDDEN = "[hidden]"
_NOTHING = {"metrics": b'{"resourceMetrics":[]}', "traces": b'{"resourceSpans":[]}'}


@dataclass(frozen=True, slots=True)
class Target:
    """Where to, and how; `timeout` of one request in ns. Without `ca_file` the authorities of the system are trusted."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: int = 10 * NS_PER_SECOND
    compressed: bool = False
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request: `why` it was not taken whole (empty: it was), and whether to send it again."""

    taken: bool
    why: str = ""
    again: bool = False
    after: int | None = None
    """How long the collector asks to wait before that (ns); None: it does not say."""


class Poster:
    """Sends requests to one target, over a connection that it keeps; for one thread."""

    def __init__(self, target: Target, clock: Clock) -> None:
        """Take the target; nothing is connected yet."""
        self._target = target
        self._clock = clock
        self._head = bytearray()
        self._body = bytearray()
        curl = self._curl = pycurl.Curl()
        curl.setopt(pycurl.URL, target.url)
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.WRITEFUNCTION, self._read)
        curl.setopt(pycurl.HEADERFUNCTION, self._read_head)
        hold_to_rules(curl)
        trust(curl, target.ca_file)
        if target.certificate_file is not None and target.key_file is not None:
            curl.setopt(pycurl.SSLCERT, target.certificate_file)
            curl.setopt(pycurl.SSLKEY, target.key_file)
        told = {"Content-Type": "application/json", "User-Agent": "doka", **target.headers}
        if target.compressed:
            told["Content-Encoding"] = "gzip"
        curl.setopt(pycurl.HTTPHEADER, ["Expect:", *map("%s: %s".__mod__, told.items())])

    def post(self, body: bytes, within: int) -> Answer:
        """Send a request, and wait for its answer, at most `within` ns."""
        self._head.clear()
        self._body.clear()
        timeout_ms = max(1, min(within, self._target.timeout) // NS_PER_MS)
        self._curl.setopt(pycurl.POSTFIELDS, gzip.compress(body, 1) if self._target.compressed else body)
        self._curl.setopt(pycurl.TIMEOUT_MS, timeout_ms)
        try:
            self._curl.perform()
        except pycurl.error as error:
            return Answer(taken=False, why=self._hidden(str(error.args[-1])), again=True)
        return self._judged(self._curl.getinfo(pycurl.RESPONSE_CODE))

    def close(self) -> None:
        """Close the connection."""
        self._curl.close()

    def _judged(self, status: int) -> Answer:
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return Answer(taken=True, why=self._refused_in_part())
        why = f"HTTP {status}{self._said()}"
        return Answer(taken=False, why=why, again=status in RETRIED, after=self._retry_after())

    def _refused_in_part(self) -> str:
        """Say what the collector did not take of what it took; empty where it took all."""
        told = object_in(bytes(self._body)).get("partialSuccess")
        if not isinstance(told, dict):
            return ""
        rejected = next((told[name] for name in ("rejectedDataPoints", "rejectedSpans") if told.get(name)), 0)
        if str(rejected) == "0":  # a mere hint
            return ""
        return self._hidden(f"{rejected} refused: {str(told.get('errorMessage', ''))[:SAID_CHARACTERS_MAX]}")

    def _said(self) -> str:
        message = object_in(bytes(self._body)).get("message")
        return self._hidden(f" ({message[:SAID_CHARACTERS_MAX]})") if isinstance(message, str) and message else ""

    def _retry_after(self) -> int | None:
        """Read the header Retry-After, in seconds or as a date; None where there is none that can be read."""
        for line in bytes(self._head).decode("latin-1").splitlines():
            name, _, value = line.partition(":")
            if name.strip().lower() == "retry-after":
                return self._wait(value.strip())
        return None

    def _wait(self, value: str) -> int | None:
        if value.isascii() and value.isdigit():
            return int(value[:9]) * NS_PER_SECOND
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        left = moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.fromtimestamp(self._clock.wall(), UTC)
        return max(0, round(left.total_seconds() * NS_PER_SECOND))

    def _hidden(self, text: str) -> str:
        """Take the values of our own headers out of what somebody else has said."""
        for value in self._target.headers.values():
            for secret in (value, *value.split()):
                if secret in text and len(secret) > 3:  # noqa: PLR2004 - a word like "Bearer" may go too
                    text = text.replace(secret, _HIDDEN)
        return text

    def _read(self, received: bytes) -> None:
        if len(self._body) < ANSWER_BYTES_MAX:
            self._body += received

    def _read_head(self, received: bytes) -> None:
        if received.startswith(b"HTTP/"):  # of the last answer: a proxy's, or an interim one, may stand before
            self._head.clear()
        if len(self._head) < ANSWER_BYTES_MAX:
            self._head += received


def ask(target: Target, signal: str, clock: Clock) -> Answer:
    """Send a request with nothing in it; `signal` is metrics or traces."""
    poster = Poster(target, clock)
    try:
        return poster.post(_NOTHING[signal], target.timeout)
    finally:
        poster.close()
