"""Requests as bytes, for what boto3 would not send: signed by botocore, sent over a bare connection."""

from __future__ import annotations

import http.client
import socket
from urllib.parse import urlsplit

import orjson
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.fake_aws import REGION, Keys


def signed_headers(url: str, keys: Keys, body: bytes, operation: str = "PutRecords") -> dict[str, str]:
    """Give the headers of a signed Kinesis request."""
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"Kinesis_20131202.{operation}",
        "Host": urlsplit(url).netloc,
    }
    request = AWSRequest("POST", f"{url}/", data=body, headers=headers)
    SigV4Auth(Credentials(*keys), "kinesis", REGION).add_auth(request)
    return dict(request.headers.items())


def put_raw(url: str, keys: Keys, body: bytes, operation: str = "PutRecords") -> tuple[int, str]:
    """Send a body as it is; gives the HTTP status and the service's code, empty where it is none."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("POST", "/", body, signed_headers(url, keys, body, operation))
        answer = connection.getresponse()
        return answer.status, str(orjson.loads(answer.read()).get("__type", ""))
    finally:
        connection.close()


def head_of(headers: dict[str, str], length: int) -> bytes:
    """Give the bytes of a request's head."""
    lines = ["POST / HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), f"Content-Length: {length}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def connected(url: str) -> socket.socket:
    """Give a bare connection."""
    where = urlsplit(url)
    return socket.create_connection((where.hostname or "", where.port or 0), timeout=10)
