"""Who sent this request? The signature is recomputed by botocore's own SigV4 over what really arrived.

Every refusal here is the service's own answer; what no correct client does is kept as a violation besides.
"""

from __future__ import annotations

import hmac
import re
from calendar import timegm
from dataclasses import dataclass
from datetime import datetime, timedelta

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.fake_aws.clock import ServiceClock
from tests.fake_aws.errors import ServiceError
from tests.fake_aws.history import (
    MIXED_TRIPLE,
    SKEWED_SIGNATURE,
    STALE_SIGNATURE,
    UNKNOWN_KEY,
    UNSIGNED,
    WRONG_SIGNATURE,
    History,
    Violation,
)
from tests.fake_aws.leases import Issue, Leases
from tests.fake_aws.wire import Request

SKEW_SECONDS_MAX = 300
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/,]+)/(\d{8})/([^/,]+)/([^/,]+)/aws4_request, ?"
    r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)

# What each service calls the same thing, and with which HTTP status.
_NAMES = {
    "kinesis": {
        "missing": ("MissingAuthenticationTokenException", 400),
        "incomplete": ("IncompleteSignatureException", 400),
        "unknown": ("UnrecognizedClientException", 400),
        "wrong": ("InvalidSignatureException", 400),
        "expired": ("ExpiredTokenException", 400),
    },
    "sts": {
        "missing": ("MissingAuthenticationToken", 403),
        "incomplete": ("IncompleteSignature", 400),
        "unknown": ("InvalidClientTokenId", 403),
        "wrong": ("SignatureDoesNotMatch", 403),
        "expired": ("ExpiredToken", 403),
    },
}
_NAMES["kms"] = _NAMES["kinesis"]
_TEXTS = {
    "missing": "Request is missing Authentication Token",
    "incomplete": "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters, and a date.",
    "unknown": "The security token included in the request is invalid.",
    "wrong": "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
    "expired": "The security token included in the request is expired",
}


@dataclass(frozen=True, slots=True)
class Scope:
    """What an Authorization header claims."""

    access_key: str
    day: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str


@dataclass(frozen=True, slots=True)
class Caller:
    """A request's proven sender, and the region that it was signed for."""

    issue: Issue
    region: str


@dataclass(frozen=True, slots=True)
class _Claim:
    """A request and what it says of its sender, not yet proven."""

    request: Request
    service: str
    operation: str
    scope: Scope


_NO_SCOPE = Scope("", "", "", "", (), "")


class Authenticator:
    """Proves who sent a request, or refuses it; `verify_signatures` off leaves only the recomputation out."""

    def __init__(self, clock: ServiceClock, leases: Leases, history: History) -> None:
        self.verify_signatures = True
        self._clock = clock
        self._leases = leases
        self._history = history

    def authenticate(self, request: Request, service: str, operation: str) -> Caller:
        """Give the sender of a request to `service`.

        Raises ServiceError as the service would: no signature, an unknown key, a wrong or skewed signature, and
        a token that has ended or was revoked. Age is judged last, so that a mixed triple is never taken for an old one.
        """
        scope = _read_authorization(request.headers.get("authorization", ""))
        claim = _Claim(request, service, operation, scope or _NO_SCOPE)
        if scope is None:
            missing = "authorization" not in request.headers
            raise self._wrong(claim, "missing" if missing else "incomplete", UNSIGNED, None)
        issue = self._prove_triple(claim)
        self._prove_date(claim, issue)
        if self.verify_signatures and not hmac.compare_digest(
            signature_of(request, scope, issue.secret_key), scope.signature
        ):
            raise self._explain_wrong_signature(claim, issue)
        self._prove_age(claim, issue)
        return Caller(issue, scope.region)

    def _prove_triple(self, claim: _Claim) -> Issue:
        token = claim.request.headers.get("x-amz-security-token")
        issue = self._leases.of_access_key(claim.scope.access_key)
        owner = None if token is None else self._leases.of_token(token)
        if issue is not None and token == issue.token:
            return issue
        if issue is not None and (owner is not None or token is None or issue.token is None):
            detail = f"access key of issue {issue.serial}, token of {'none' if owner is None else owner.serial}"
            raise self._wrong(claim, "unknown", MIXED_TRIPLE, issue, detail)
        raise self._wrong(claim, "unknown", UNKNOWN_KEY, issue)

    def _prove_date(self, claim: _Claim, issue: Issue) -> None:
        headers, scope = claim.request.headers, claim.scope
        stamp = headers.get("x-amz-date", "")
        try:
            signed_at = timegm(datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").timetuple())  # noqa: DTZ007 - it says Z
        except ValueError:
            raise self._wrong(claim, "incomplete", UNSIGNED, issue, "no date") from None
        required = {"host", *(name for name in headers if name.startswith("x-amz-"))}
        if scope.day != stamp[:8] or scope.service != claim.service or not required <= set(scope.signed_headers):
            detail = f"scope {scope.day}/{scope.service}, signed headers {scope.signed_headers}"
            raise self._wrong(claim, "wrong", WRONG_SIGNATURE, issue, detail)
        wall = self._clock.wall()
        if abs(wall - signed_at) > SKEW_SECONDS_MAX:
            text = _skew_text(stamp, self._clock.moment(), is_past=signed_at < wall)
            error = self._wrong(claim, "wrong", SKEWED_SIGNATURE, issue, text)
            error.message = text
            raise error

    def _prove_age(self, claim: _Claim, issue: Issue) -> None:
        now = self._clock.now()
        refusal: ServiceError | None = None
        if issue.revoked_with is not None:
            denied = f"User: {issue.arn} is not authorized: its session was revoked"
            text = _TEXTS["expired"] if "Expired" in issue.revoked_with else denied
            of_sts = claim.service == "sts"  # which leaves out the word «Exception»
            code = issue.revoked_with.removesuffix("Exception") if of_sts else issue.revoked_with
            refusal = ServiceError(code, text, 403 if of_sts else 400)
        elif issue.told_end is not None and claim.request.received_at >= issue.told_end:
            refusal = self._wrong(claim, "expired", STALE_SIGNATURE, issue)
        elif issue.ends_at is not None and now >= issue.ends_at:
            # Arrived in time and was held up on the way, or ended before the end that it was told: no fault of theirs.
            code, status = _NAMES[claim.service]["expired"]
            refusal = ServiceError(code, _TEXTS["expired"], status)
        if refusal is not None:
            refusal.serial = issue.serial
            raise refusal

    def _explain_wrong_signature(self, claim: _Claim, issue: Issue) -> ServiceError:
        for other in self._leases.all():
            if (
                other is not issue
                and signature_of(claim.request, claim.scope, other.secret_key) == claim.scope.signature
            ):
                detail = f"access key and token of issue {issue.serial}, secret of {other.serial}"
                return self._wrong(claim, "wrong", MIXED_TRIPLE, issue, detail)
        return self._wrong(claim, "wrong", WRONG_SIGNATURE, issue)

    def _wrong(self, claim: _Claim, what: str, kind: str, issue: Issue | None, detail: str = "") -> ServiceError:
        serial = None if issue is None else issue.serial
        request = claim.request
        self._history.violate(Violation(kind, detail, claim.operation, request.id, serial, request.received_at))
        code, status = _NAMES[claim.service][what]
        error = ServiceError(code, _TEXTS[what], status)
        error.serial = serial
        return error


def signature_of(request: Request, scope: Scope, secret_key: str) -> str:
    """Compute what the signature of a received request should be, over the headers that it says it signed."""
    signer = SigV4Auth(Credentials(scope.access_key, secret_key), scope.service, scope.region)
    signed = {name: request.headers.get(name, "") for name in scope.signed_headers}
    url = f"http://{request.headers.get('host', '')}{request.path}"
    received = AWSRequest(method=request.method, url=url, data=bytes(request.body), headers=signed)
    received.context["timestamp"] = request.headers.get("x-amz-date", "")
    return signer.signature(signer.string_to_sign(received, signer.canonical_request(received)), received)


def _read_authorization(header: str) -> Scope | None:
    found = _AUTHORIZATION.fullmatch(header)
    if found is None:
        return None
    access_key, day, region, service, signed_headers, signature = found.groups()
    return Scope(access_key, day, region, service, tuple(signed_headers.split(";")), signature)


def _skew_text(stamp: str, wall: datetime, *, is_past: bool) -> str:
    window = timedelta(seconds=SKEW_SECONDS_MAX)
    now, edge = (f"{moment:%Y%m%dT%H%M%SZ}" for moment in (wall, wall - window if is_past else wall + window))
    if is_past:
        return f"Signature expired: {stamp} is now earlier than {edge} ({now} - 5 min.)"
    return f"Signature not yet current: {stamp} is still later than {edge} ({now} + 5 min.)"
