"""A gate in front of moto that really expires tokens: what the demo and the container tests call AWS.

moto accepts any credentials for ever, and loses acknowledged records under concurrent puts (81 of 20,000, measured).
So this reverse proxy rewrites what STS issues, refuses what AWS would refuse with AWS's own words, checks signatures,
and lets one put through at a time.
It must never repeat a request by itself, and never answer for moto what moto did not say.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from doka.adapters.embedded.aws_answer import Answer, error_code, refusal
from doka.adapters.embedded.aws_call import AwsCall, read_call
from doka.adapters.embedded.http_front import HttpFront
from doka.adapters.embedded.issued_tokens import IssuedTokens
from doka.domain.ports import Clock

UPSTREAM_SECONDS = 60.0
_OK = 200
_ISSUES = frozenset({"AssumeRole", "AssumeRoleWithWebIdentity", "AssumeRoleWithSAML", "GetSessionToken"})
_UNSIGNED = frozenset({"AssumeRoleWithWebIdentity", "AssumeRoleWithSAML"})
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"})


@dataclass(frozen=True, slots=True)
class GateCounts:
    """What has gone through a gate, and what has not, since it was made."""

    leases_issued: int
    """Answers with credentials, those of hops on the way included."""
    leases_used: int
    """Leases under which at least one put was passed."""
    puts_passed: int
    records_passed: int
    """Entries to which moto gave a sequence number."""
    puts_refused: Mapping[str, int]
    """Puts by error code, whoever refused them."""


class ExpiringGate:
    """A reverse proxy in front of `upstream_url`; every token that passes through it dies after `token_seconds`.

    Age is judged by `clock.now`, dates and `Expiration` are told by `clock.wall`.
    Use it as a context manager, or call `start` and `close`.
    """

    def __init__(
        self, upstream_url: str, clock: Clock, token_seconds: float = 5.0, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        upstream = urlsplit(upstream_url)
        self._upstream = (upstream.hostname or "127.0.0.1", upstream.port or 80)
        self._clock = clock
        self._tokens = IssuedTokens(clock, token_seconds)
        self._front = HttpFront(self._answer, clock, host, port)
        self._one_at_a_time = {"sts": threading.Lock(), "kinesis": threading.Lock()}
        self._lock = threading.Lock()
        self._puts_passed = 0
        self._records_passed = 0
        self._puts_refused: Counter[str] = Counter()

    @property
    def url(self) -> str:
        """Where it listens, as seen from this machine."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return self._front.port

    def start(self) -> None:
        """Answer requests from now on, on threads of its own."""
        self._front.start()

    def close(self) -> None:
        """Break all connections, stop listening, and wait for the threads."""
        self._front.close()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.close()

    def counts(self) -> GateCounts:
        """Give the counts of this moment."""
        with self._lock:
            return GateCounts(
                self._tokens.issued,
                self._tokens.used,
                self._puts_passed,
                self._records_passed,
                dict(self._puts_refused),
            )

    def _answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        call = read_call(path, headers, body)
        answer = (None if call.operation in _UNSIGNED else self._tokens.check(call)) or self._forward(call)
        if call.operation in _ISSUES and answer.status == _OK:
            date = self._clock.wall()
            answer = Answer(answer.status, self._tokens.issue(answer.body, date), answer.headers, date=date)
        if call.is_put:
            self._count(call, answer)
        return answer

    def _count(self, call: AwsCall, answer: Answer) -> None:
        with self._lock:
            if answer.status == _OK:
                self._puts_passed += 1
                self._records_passed += answer.body.count(b'"SequenceNumber"')
            else:
                self._puts_refused[answer.code or error_code(answer.body)] += 1
        if answer.status == _OK:
            self._tokens.note_put(call)

    def _forward(self, call: AwsCall) -> Answer:
        """Ask moto, once, one request of a service at a time."""
        with self._one_at_a_time["sts" if call.service == "sts" else "kinesis"]:
            connection = HTTPConnection(*self._upstream, timeout=UPSTREAM_SECONDS)  # moto keeps none alive
            try:
                try:
                    connection.connect()
                except OSError:
                    return refusal(call.service, 503, "ServiceUnavailable", "nothing listens behind the gate")
                kept = {name: value for name, value in call.headers.items() if name not in _HOP_BY_HOP}
                connection.request("POST", call.path, call.body, kept)
                came = connection.getresponse()
                headers = [(name, value) for name, value in came.getheaders() if name.lower() not in _HOP_BY_HOP]
                return Answer(came.status, came.read(), headers)
            except (OSError, HTTPException):
                # It may have been done or not: the one answer that promises neither.
                return refusal(call.service, 500, "InternalFailure", "the connection behind the gate broke")
            finally:
                connection.close()
