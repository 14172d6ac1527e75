"""boto3 itself as the reference: what it sends for PutRecords, and how it reads an answer; nothing leaves the process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config

ARN = "arn:aws:kinesis:eu-west-1:210987654321:stream/orders"


class Answer:
    """The body of a canned answer, as botocore's HTTP layer would give it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        """Give the body in one piece."""
        yield self._body


SESSION = cache(botocore.session.get_session)
"""What it reads of its own files it reads once for all clients, which takes ten times as long as to make one."""


class Reference:
    """A boto3 client that is answered locally; it keeps the last request that it would have sent."""

    def __init__(self, **client: Any) -> None:
        options = {
            "region_name": "eu-west-1",
            "aws_access_key_id": "AKIAREFERENCE",
            "aws_secret_access_key": "reference-secret",
            "aws_session_token": "reference-token",
        } | client
        config = Config(retries={"mode": "standard", "total_max_attempts": 1}, user_agent_extra="doka")
        self.client: Any = SESSION().create_client("kinesis", config=config, **options)
        self.client.meta.events.register("before-send.kinesis", self._answer)  # type: ignore[arg-type]  # the stubs forget that a handler may answer
        self.sent: AWSPreparedRequest | None = None
        self._next: tuple[int, bytes, dict[str, str]] = (200, b'{"Records": []}', {})

    def put(
        self,
        records: list[dict[str, object]],
        stream: tuple[str, str],
        *,
        status: int = 200,
        body: bytes = b'{"Records": []}',
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Put records, be answered with this, and give what boto3 makes of it (it may raise)."""
        self._next = (status, body, dict(headers or {}))
        answer: dict[str, Any] = self.client.put_records(**{stream[0]: stream[1]}, Records=records)
        return answer

    def _answer(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        self.sent = request
        status, body, headers = self._next
        told = HTTPHeaders()
        for name, value in headers.items():
            told[name] = value
        return AWSResponse(str(request.url), status, told, Answer(body))


@cache
def reference() -> Reference:
    """Give one reference for all tests that need no particular client."""
    return Reference()


def sent_headers(request: AWSPreparedRequest) -> dict[str, str]:
    """Give the headers of a request as text."""
    headers: dict[str, str | bytes] = dict(request.headers.items())
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in headers.items()}
