"""Judges the tokens that clients of MSK log in with, as IAM does: who signed, for what, and until when.

A token is an address of kafka.REGION.amazonaws.com, presigned by Signature Version 4 for kafka-cluster:Connect, and
written in base64url without its padding (https://github.com/aws/aws-msk-iam-sasl-signer-python). The name of the signing
library is added to the address afterwards, so the signature does not hold for it.
Everything is computed anew from the specification, by none of the signer's code:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit

from tests.fake_aws import Keys

SIGNED_LATER = frozenset({"X-Amz-Signature", "User-Agent"})
EXPIRES_SECONDS_MAX = 900  # which is what AWS's own signers ask for
AHEAD_SECONDS_MAX = 300  # https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html


@dataclass(frozen=True, slots=True)
class SignedToken:
    """What a token proved."""

    access_key: str
    ends_at: float
    """Its own end, or that of the credentials that signed it, in seconds since the epoch."""


class TokenRefusedError(Exception):
    """What is wrong with a token; MSK itself says "Access denied" to all of it."""


class TokenJudge:
    """Knows which credentials are good, of one region."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._known: dict[str, tuple[Keys, float]] = {}

    def know(self, keys: Keys, ends_at: float = math.inf) -> None:
        """Take credentials for good from now on, until their end in seconds since the epoch."""
        self._known[keys.access_key] = keys, ends_at

    def forget(self, access_key: str) -> None:
        """Take them for unknown, as when a key was deleted or its sessions were revoked."""
        del self._known[access_key]

    def judge(self, token: str, now: float) -> SignedToken:
        """Give what a token proves; `now` in seconds since the epoch. Raises TokenRefusedError."""
        url = urlsplit(_decoded(token))
        host = f"kafka.{self._region}.amazonaws.com"
        _insist((url.scheme, url.netloc, url.path or "/") == ("https", host, "/"), f"an address of {host}", url.netloc)
        query = dict(pairs := parse_qsl(url.query, keep_blank_values=True))
        _insist(len(query) == len(pairs), "each parameter once", url.query)
        _insist(query.get("Action") == "kafka-cluster:Connect", "the right to connect", query.get("Action"))
        keys, keys_end_at, scope = self._signer(query)
        expected = _signature(query, host, scope, keys.secret_key)
        _insist(hmac.compare_digest(expected, query.get("X-Amz-Signature", "")), "the key's own signature", "another")
        token_given = query.get("X-Amz-Security-Token")
        _insist(token_given == keys.token, "the session token of its key", "none or another")
        return SignedToken(keys.access_key, _end(query, keys_end_at, now))

    def _signer(self, query: Mapping[str, str]) -> tuple[Keys, float, str]:
        """Give the keys that a token says it was signed with, their end, and the scope of the signature."""
        algorithm, headers = query.get("X-Amz-Algorithm"), query.get("X-Amz-SignedHeaders")
        _insist((algorithm, headers) == ("AWS4-HMAC-SHA256", "host"), "SigV4 of the host", f"{algorithm} of {headers}")
        access_key, _, scope = query.get("X-Amz-Credential", "").partition("/")
        day = query.get("X-Amz-Date", "")[:8]
        _insist(scope == f"{day}/{self._region}/kafka-cluster/aws4_request", "a scope of its day and region", scope)
        if access_key not in self._known:
            raise TokenRefusedError(f"wanted a known access key, found {access_key}")
        return *self._known[access_key], scope


def _decoded(token: str) -> str:
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise TokenRefusedError(f"wanted base64url, found {error}") from error


def _end(query: Mapping[str, str], keys_end_at: float, now: float) -> float:
    """Give the end of a token that is good now."""
    try:
        signed_at = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        seconds = int(query["X-Amz-Expires"])
    except (KeyError, ValueError) as error:
        raise TokenRefusedError(f"wanted a date and a life, found {error!r}") from error
    _insist(0 < seconds <= EXPIRES_SECONDS_MAX, "a life of at most 900 s", seconds)
    _insist(signed_at <= now + AHEAD_SECONDS_MAX, "a signature of the past", f"one of {signed_at - now:.0f} s hence")
    ends_at = signed_at + seconds
    _insist(now < ends_at, "a token that lives", f"one that ended {now - ends_at:.0f} s ago")
    _insist(now < keys_end_at, "credentials that live", f"those that ended {now - keys_end_at:.0f} s ago")
    return min(ends_at, keys_end_at)


def _signature(query: Mapping[str, str], host: str, scope: str, secret_key: str) -> str:
    signed = "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
        for name, value in sorted(query.items())
        if name not in SIGNED_LATER
    )
    canonical = "\n".join(("GET", "/", signed, f"host:{host}", "", "host", hashlib.sha256(b"").hexdigest()))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{query.get('X-Amz-Date', '')}\n{scope}\n{digest}"
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


def _insist(condition: bool, wanted: str, found: object) -> None:  # noqa: FBT001 - what is judged
    if not condition:
        raise TokenRefusedError(f"wanted {wanted}, found {found}")
