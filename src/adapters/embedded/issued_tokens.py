"""Which credentials were issued, and whether a request may still use them: what moto never checks.

The errors are AWS's own, each in the wording of the service that answers.
"""

from __future__ import annotations

import html
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime

from doka.adapters.embedded.aws_answer import Answer, refusal
from doka.adapters.embedded.aws_call import AwsCall, amz_date
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock

REMEMBERED_MAX = 10_000
"""Issues that are remembered; the oldest go first, and then count as unknown."""
SKEW_SECONDS_MAX = 300.0
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html"""
_ROLE_KEY = "ASIA"
"""Prefix of temporary keys, https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html"""
_EXPIRATION = re.compile(rb"<Expiration>[^<]*</Expiration>")

_EXPIRED = "The security token included in the request is expired"
_INVALID = "The security token included in the request is invalid."
_WRONG_SIGNATURE = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)
# What each service calls the same fault, with its status: (Kinesis, STS).
_NAMES = {
    "missing": (("MissingAuthenticationTokenException", 400), ("MissingAuthenticationToken", 403)),
    "expired": (("ExpiredTokenException", 400), ("ExpiredToken", 403)),
    "unknown": (("UnrecognizedClientException", 400), ("InvalidClientTokenId", 403)),
    "signature": (("InvalidSignatureException", 400), ("SignatureDoesNotMatch", 403)),
}


@dataclass(slots=True)
class _Issue:
    secret_key: str = field(repr=False)
    token: str = field(repr=False)
    issued_at: int
    used: bool = False


class IssuedTokens:
    """The memory of every issue; each is good for `token_seconds` from when it was issued, and not a moment more.

    Static keys are the workload's own: their secret is unknown here, so only their date is checked.
    Safe from several threads.
    """

    def __init__(self, clock: Clock, token_seconds: float) -> None:
        self._clock = clock
        self._token_seconds = token_seconds
        self._lock = threading.Lock()
        self._issues: OrderedDict[str, _Issue] = OrderedDict()
        self.issued = 0
        self.used = 0

    def issue(self, body: bytes, wall: float) -> bytes:
        """Remember the credentials of an STS answer that leaves with `Date` = `wall`; give it with its new end.

        The new `Expiration` minus that `Date`, which is in whole seconds, is the very life that is enforced.
        """
        triple = [_element(body, name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")]
        if not all(triple):
            return body
        with self._lock:
            self._issues[triple[0]] = _Issue(triple[1], triple[2], self._clock.now())
            self.issued += 1
            if len(self._issues) > REMEMBERED_MAX:
                self._issues.popitem(last=False)
        ends = datetime.fromtimestamp(int(wall) + self._token_seconds, UTC).isoformat().replace("+00:00", "Z")
        return _EXPIRATION.sub(f"<Expiration>{ends}</Expiration>".encode(), body)

    def note_put(self, call: AwsCall) -> None:
        """Count the lease of a put that was passed."""
        with self._lock:
            issue = None if call.signer is None else self._issues.get(call.signer.access_key)
            if issue is not None and not issue.used:
                issue.used = True
                self.used += 1

    def check(self, call: AwsCall) -> Answer | None:
        """Give AWS's refusal of a request, or None when it may pass."""
        if call.signer is None:
            return _refuse(call, "missing", "Missing Authentication Token")
        if call.signer.access_key.startswith(_ROLE_KEY):
            with self._lock:
                issue = self._issues.get(call.signer.access_key)
            if issue is None or issue.token != call.token:
                return _refuse(call, "unknown", _INVALID)
            if self._clock.now() - issue.issued_at >= self._token_seconds * NS_PER_SECOND:
                return _refuse(call, "expired", _EXPIRED)
            if not call.signed_by(issue.secret_key):
                return self._check_date(call) or _refuse(call, "signature", _WRONG_SIGNATURE)
        return self._check_date(call)

    def _check_date(self, call: AwsCall) -> Answer | None:
        wall = self._clock.wall()
        if call.signed_at is None:
            return _refuse(call, "signature", "The request has no date, or one that cannot be read")
        signed, now = amz_date(call.signed_at), amz_date(wall)
        minutes = f"{SKEW_SECONDS_MAX / 60:.0f} min."
        if call.signed_at < wall - SKEW_SECONDS_MAX:
            border = f"{amz_date(wall - SKEW_SECONDS_MAX)} ({now} - {minutes})"
            return _refuse(call, "signature", f"Signature expired: {signed} is now earlier than {border}")
        if call.signed_at > wall + SKEW_SECONDS_MAX:
            border = f"{amz_date(wall + SKEW_SECONDS_MAX)} ({now} + {minutes})"
            return _refuse(call, "signature", f"Signature not yet current: {signed} is still later than {border}")
        return None


def _refuse(call: AwsCall, fault: str, message: str) -> Answer:
    code, status = _NAMES[fault][call.service == "sts"]
    return refusal(call.service, status, code, message)


def _element(body: bytes, name: str) -> str:
    found = re.search(rf"<{name}>([^<]*)</{name}>".encode(), body)
    return "" if found is None else html.unescape(found[1].decode())
