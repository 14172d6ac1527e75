"""Signature version 4 with a date that is given.

botocore's own signer always reads the host's clock, whose error it then signs; and it logs the token at DEBUG.
"""

from __future__ import annotations

from datetime import UTC, datetime

from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from doka.domain.lease import Secrets


class DatedSignature(SigV4Auth):
    """Signs requests at `wall` (seconds since the epoch), put together from botocore's public steps."""

    def __init__(self, secrets: Secrets, service: str, region: str, wall: float) -> None:
        super().__init__(Credentials(secrets.access_key, secrets.secret_key, secrets.token), service, region)
        self._signed_at = datetime.fromtimestamp(wall, UTC).strftime(SIGV4_TIMESTAMP)

    def add_auth(self, request: AWSRequest) -> None:
        """Put date, token and signature into the headers of a request that has none of them yet."""
        request.context["timestamp"] = self._signed_at
        request.headers["X-Amz-Date"] = self._signed_at
        if self.credentials.token:
            request.headers["X-Amz-Security-Token"] = self.credentials.token
        to_sign = self.string_to_sign(request, self.canonical_request(request))
        names = self.signed_headers(self.headers_to_sign(request))
        request.headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.scope(request)}, SignedHeaders={names}, "
            f"Signature={self.signature(to_sign, request)}"
        )
