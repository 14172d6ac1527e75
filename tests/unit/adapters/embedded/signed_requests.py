"""Requests as botocore signs them, for tests of the gate's parts."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

PUT = json.dumps({"StreamName": "orders", "Records": [{"Data": "eA==", "PartitionKey": "k"}]}).encode()
WALL = 1_900_000_000.0


def signed(
    monkeypatch: pytest.MonkeyPatch,
    credentials: Credentials,
    wall: float = WALL,
    *,
    headers: dict[str, str] | None = None,
    url: str = "http://127.0.0.1:4567/",
) -> dict[str, str]:
    """Give the headers, by lower-case name, of a put that botocore signed at `wall`."""
    moment = datetime.fromtimestamp(wall, UTC).replace(tzinfo=None)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: moment)
    given = {"X-Amz-Target": "Kinesis_20131202.PutRecords", "Content-Type": "application/x-amz-json-1.1"}
    request = AWSRequest("POST", url, given | (headers or {}), PUT)
    SigV4Auth(credentials, "kinesis", "eu-west-1").add_auth(request)
    arrived = {name.lower(): str(value) for name, value in request.headers.items()}
    return arrived | {"host": url.split("/")[2]}
