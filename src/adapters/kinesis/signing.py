"""Signature Version 4 by botocore's own code, with a lease and a time that are given and never looked up.

botocore's `add_auth` is not called: it takes the host's wall clock, and its debug lines print the session token.
"""

from __future__ import annotations

from datetime import UTC, datetime

from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from adapters.kinesis.endpoint import Endpoint
from domain.lease import Lease


def sign(endpoint: Endpoint, body: bytes, lease: Lease, at: float) -> list[tuple[str, str]]:
    """Give all headers of a POST of `body`, signed with `lease` at `at` (seconds since the epoch)."""
    secrets = lease.secrets
    timestamp = datetime.fromtimestamp(at, UTC).strftime(SIGV4_TIMESTAMP)
    headers = dict(endpoint.headers)
    headers["X-Amz-Date"] = timestamp
    if secrets.token:
        headers["X-Amz-Security-Token"] = secrets.token
    request = AWSRequest(method="POST", url=endpoint.url, headers=headers, data=body)
    request.context["timestamp"] = timestamp
    credentials = ReadOnlyCredentials(secrets.access_key, secrets.secret_key, secrets.token)
    auth = SigV4Auth(credentials, endpoint.service, endpoint.region)
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    signed = auth.signed_headers(auth.headers_to_sign(request))
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}, SignedHeaders={signed}, Signature={signature}"
    )
    return list(headers.items())
