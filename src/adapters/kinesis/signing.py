"""Signature Version 4 by botocore's own code, with a lease and a time that are given and never looked up.

botocore's `add_auth` is not called: it takes the host's wall clock, and its debug lines print the session token.
Its header objects are left out too: they are e-mail messages and cost as much as all the hashing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from botocore.auth import SIGNED_HEADERS_BLACKLIST, SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from adapters.kinesis.endpoint import Endpoint
from domain.lease import Lease


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


class LeaseSigner(SigV4Auth):
    """botocore's signer for one request of one lease."""

    def headers_to_sign(self, request: AWSRequest) -> Any:
        """Give what botocore would sign of these headers; the host stands among them already."""
        headers = request.headers.items()
        return SignedHeaders({low: value for name, value in headers if (low := name.lower()) not in UNSIGNED})


UNSIGNED = frozenset(SIGNED_HEADERS_BLACKLIST)


def sign(endpoint: Endpoint, body: bytes, lease: Lease, at: float) -> dict[str, str]:
    """Give all headers of a POST of `body`, signed with `lease` at `at` (seconds since the epoch)."""
    secrets = lease.secrets
    timestamp = datetime.fromtimestamp(at, UTC).strftime(SIGV4_TIMESTAMP)
    headers = dict(endpoint.headers)
    headers["X-Amz-Date"] = timestamp
    if secrets.token:
        headers["X-Amz-Security-Token"] = secrets.token
    request = cast("AWSRequest", SignableRequest(endpoint.url, headers, body, {"timestamp": timestamp}))
    credentials = ReadOnlyCredentials(secrets.access_key, secrets.secret_key, secrets.token)
    signer = LeaseSigner(credentials, endpoint.service, endpoint.region)
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    signed = signer.signed_headers(signer.headers_to_sign(request))
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={signed}, Signature={signature}"
    )
    return headers
