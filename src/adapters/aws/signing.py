"""Signature Version 4 by botocore's own code, with secrets and a time that are given and never looked up.

botocore's `add_auth` is not called: it takes the host's wall clock, and its debug lines print the session token.
Its header objects are left out too: they are e-mail messages and cost as much as all the hashing.

Of a signature only the hash of the body changes from one request to the next, as long as endpoint, lease and second stay.
So all else is made by botocore once a second and kept: that was three fifths of what a signature cost.
It must never be taken for another endpoint, another lease or another second than it was made for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from hmac import digest as hmac_digest
from typing import Any, cast

from botocore.auth import SIGNED_HEADERS_BLACKLIST, SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.credentials import ReadOnlyCredentials

from doka.domain.lease import Lease, Secrets

UNSIGNED = frozenset(SIGNED_HEADERS_BLACKLIST)
SIGNATURES_KEPT_MAX = 64
"""Of as many (endpoint, role) pairs; beyond it the memory starts anew."""


PER_REQUEST_HEADERS = frozenset({
    "authorization", "x-amz-date", "x-amz-security-token", "content-length", "host", "amz-sdk-invocation-id", "amz-sdk-request",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A place to send to: URL, the headers that never change, and the scope of a signature."""

    url: str
    headers: tuple[tuple[str, str], ...]
    region: str
    service: str


@dataclass(frozen=True, slots=True)
class SignableRequest:
    """As much of botocore's AWSRequest as its signer reads of a POST; prints neither body nor headers."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    context: dict[str, Any]
    method: str = "POST"
    params: None = None


class SignedHeaders(dict[str, str]):
    """Header names in lower case -> values, each once."""

    def get_all(self, name: str) -> list[str]:
        """Give the values of a header as botocore asks for them."""
        return [self[name]]


class DatedSigner(SigV4Auth):
    """botocore's signer for one request, which has its date already."""

    def headers_to_sign(self, request: AWSRequest) -> Any:
        """Give what botocore would sign of these headers; the host stands among them already."""
        headers = request.headers.items()
        return SignedHeaders({low: value for name, value in headers if (low := name.lower()) not in UNSIGNED})


class Signature:
    """All of a signature but the body: for one endpoint, the secrets of one lease and one second (`timestamp`, as AWS writes it)."""

    __slots__ = ("_before_hash", "_before_request", "_credential", "_headers", "_key", "secrets", "timestamp")

    def __init__(self, endpoint: Endpoint, secrets: Secrets, timestamp: str) -> None:
        self.secrets = secrets
        self.timestamp = timestamp
        self._headers = dict(endpoint.headers)
        self._headers["X-Amz-Date"] = timestamp
        if secrets.token:
            self._headers["X-Amz-Security-Token"] = secrets.token
        context = {"timestamp": timestamp}
        request = cast("AWSRequest", SignableRequest(endpoint.url, self._headers, b"", context))
        credentials = ReadOnlyCredentials(secrets.access_key, secrets.secret_key, secrets.token)
        signer = DatedSigner(credentials, endpoint.service, endpoint.region)
        canonical = signer.canonical_request(request)  # its last line is the hash of the body
        self._before_hash = canonical.rpartition("\n")[0] + "\n"
        self._before_request = signer.string_to_sign(request, canonical).rpartition("\n")[0] + "\n"
        signed = signer.signed_headers(signer.headers_to_sign(request))
        self._credential = f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={signed}, Signature="
        key = f"AWS4{secrets.secret_key}".encode()
        for part in (timestamp[:8], endpoint.region, endpoint.service, "aws4_request"):
            key = hmac_digest(key, part.encode(), "sha256")
        self._key = key

    def of(self, body: bytes) -> dict[str, str]:
        """Give all headers of a POST of `body`."""
        canonical = self._before_hash + sha256(body).hexdigest()
        to_sign = self._before_request + sha256(canonical.encode()).hexdigest()
        headers = dict(self._headers)
        headers["Authorization"] = self._credential + hmac_digest(self._key, to_sign.encode(), "sha256").hex()
        return headers


def sign(endpoint: Endpoint, body: bytes, secrets: Secrets, at: float) -> dict[str, str]:
    """Give all headers of a POST of `body`, signed with `secrets` at `at` (seconds since the epoch)."""
    return Signature(endpoint, secrets, _timestamp(at)).of(body)


def sign_request(request: AWSRequest, region: str, service: str, secrets: Secrets, at: float) -> None:
    """Sign a request that botocore has built, whoever has signed it before, with `secrets` at `at`."""
    for name in ("X-Amz-Date", "X-Amz-Security-Token", "Authorization"):
        del request.headers[name]
    body: str | bytes = request.body
    signed = sign(endpoint_of(request, region, service), body.encode() if isinstance(body, str) else body, secrets, at)
    for name in ("X-Amz-Date", "X-Amz-Security-Token", "Authorization"):
        if name in signed:
            request.headers[name] = signed[name]


def endpoint_of(request: AWSRequest | AWSPreparedRequest, region: str, service: str) -> Endpoint:
    """Give what would be the same for every request like this one, which botocore has built."""
    headers = {name: _text(value) for name, value in request.headers.items()}
    fixed = tuple((name, value) for name, value in headers.items() if name.lower() not in PER_REQUEST_HEADERS)
    # The host as botocore signs it: sent as it is signed, whatever a client would make of the URL.
    signer = SigV4Auth(ReadOnlyCredentials("none", "none", None), service, region)
    host = signer.headers_to_sign(cast("AWSRequest", request))["host"]
    return Endpoint(url=str(request.url), headers=(("Host", host), *fixed), region=region, service=service)


def scope_of(request: AWSRequest | AWSPreparedRequest) -> tuple[str, str]:
    """Give (region, service) of a request that boto3 has signed: AWS's endpoint rules may give others than were asked."""
    credential = _text(request.headers["Authorization"]).split("Credential=")[1].split(",")[0]
    _, _, region, service, _ = credential.split("/")
    return region, service


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _timestamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime(SIGV4_TIMESTAMP)


class Signer:
    """Signs one request after the other, and keeps what the next one of the same second can use."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[Endpoint, Signature]] = {}

    def sign(self, endpoint: Endpoint, body: bytes, lease: Lease, at: float) -> dict[str, str]:
        """Give what `sign` gives with the secrets of a lease."""
        timestamp = _timestamp(at)
        place = (endpoint.url, lease.role)
        for_endpoint, signature = self._kept.get(place, (None, None))
        if (
            signature is None
            or for_endpoint is not endpoint
            or signature.secrets is not lease.secrets
            or signature.timestamp != timestamp
        ):
            if len(self._kept) >= SIGNATURES_KEPT_MAX:
                self._kept.clear()
            signature = Signature(endpoint, lease.secrets, timestamp)
            self._kept[place] = (endpoint, signature)
        return signature.of(body)

    def __repr__(self) -> str:
        return f"Signer({len(self._kept)} kept)"
