"""What a request to AWS says about itself: service, operation, who signs it, and whether the signature is right.

The signature is checked as AWS does it, from the bytes that arrived, so a request that mixes two issues cannot pass.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+"
    r"Credential=(?P<key>[^/,\s]+)/(?P<day>\d{8})/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)/aws4_request,\s*"
    r"SignedHeaders=(?P<headers>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)
_AMZ_DATE = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class Signer:
    """What the `Authorization` header claims."""

    access_key: str
    scope: str
    """`<day>/<region>/<service>/aws4_request`."""
    signed_headers: tuple[str, ...]
    signature: str


@dataclass(frozen=True, slots=True)
class AwsCall:
    """One request; header names are lower case."""

    service: str
    operation: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    signer: Signer | None
    token: str | None = field(repr=False)
    signed_at: float | None
    """The date it was signed with, in seconds since the epoch; None where there is none that can be read."""

    @property
    def is_put(self) -> bool:
        """Whether it writes records."""
        return self.operation in {"PutRecords", "PutRecord"}

    def signed_by(self, secret_key: str) -> bool:
        """Tell whether the signature is that of this secret."""
        return self.signer is not None and hmac.compare_digest(self.signer.signature, _signature(self, secret_key))


def read_call(path: str, headers: Mapping[str, str], body: bytes) -> AwsCall:
    """Read a request; header names must be lower case."""
    said = _AUTHORIZATION.fullmatch(headers.get("authorization", "").strip())
    signer = None
    if said is not None:
        scope = f"{said['day']}/{said['region']}/{said['service']}/aws4_request"
        signer = Signer(said["key"], scope, tuple(said["headers"].split(";")), said["signature"])
    target = headers.get("x-amz-target")
    if target is not None:
        service, operation = target.partition("_")[0].lower(), target.rpartition(".")[2]
    else:  # the query protocol; of all that is let through, only STS speaks it
        service, operation = "sts", parse_qs(body.decode("latin-1")).get("Action", [""])[0]
    return AwsCall(
        service,
        operation,
        path,
        headers,
        body,
        signer,
        token=headers.get("x-amz-security-token"),
        signed_at=_read_date(headers.get("x-amz-date", "")),
    )


def _read_date(text: str) -> float | None:
    try:
        return datetime.strptime(text, _AMZ_DATE).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def amz_date(seconds: float) -> str:
    """Write a time as signatures do."""
    return datetime.fromtimestamp(seconds, UTC).strftime(_AMZ_DATE)


def _signature(call: AwsCall, secret_key: str) -> str:
    """Compute signature version 4 of a request with botocore's code, over the headers that it says it signed."""
    signer = call.signer
    assert signer is not None
    _, region, service, _ = signer.scope.split("/")
    auth = SigV4Auth(Credentials(signer.access_key, secret_key), service, region)
    signed = {name: call.headers.get(name, "") for name in signer.signed_headers}
    request = AWSRequest("POST", f"http://{call.headers.get('host', '')}{call.path}", signed, call.body)
    request.context["timestamp"] = call.headers.get("x-amz-date", "")
    return auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
