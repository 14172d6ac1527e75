"""What an answer of Kinesis means: one table for each place where an error code can stand.

Theory of operation. A code is only ever one of these verdicts, and no verdict drops a record:

    RETRY       nothing landed; send again after a backoff
    THROTTLED   nothing landed; send again after a backoff of its own, shorter at its end
    AMBIGUOUS   it may have landed; send again after a backoff, and count a possible duplicate
    LEASE       the lease is no longer good; reject it, renew, send again
    DENIED      the lease may be the culprit once (a revoked session answers like a missing permission);
                then the route blocks
    BLOCKED     the route cannot go on: it is blocked, loudly, and probed until the cause is cured
    SEARCH      something in it can never land: search for the record by bisection, against a control
    LANE        one entry cannot land, for a reason nobody knows: its lane waits, the others go on

An unknown code never means «failed» and never means «drop»:
an unknown code of one entry holds its lane, an unknown code of a request holds its route.

Codes: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html#API_PutRecords_Errors and
https://docs.aws.amazon.com/kinesis/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType


class Verdict(Enum):
    """What follows from an error code."""

    RETRY = "retry"
    THROTTLED = "throttled"
    AMBIGUOUS = "ambiguous"
    LEASE = "lease"
    DENIED = "denied"
    BLOCKED = "blocked"
    SEARCH = "search"
    LANE = "lane"


ENTRY: Mapping[str, Verdict] = MappingProxyType(
    {
        "ProvisionedThroughputExceededException": Verdict.THROTTLED,
        # The service does not say how far the entry got before it failed.
        "InternalFailure": Verdict.AMBIGUOUS,
        "ServiceUnavailable": Verdict.AMBIGUOUS,
        "KMSThrottlingException": Verdict.THROTTLED,
        "InvalidArgumentException": Verdict.SEARCH,
        "ValidationException": Verdict.SEARCH,
    }
)
"""Codes of one entry inside an answer of 200."""

REQUEST: Mapping[str, Verdict] = MappingProxyType(
    {
        "ProvisionedThroughputExceededException": Verdict.THROTTLED,
        "ThrottlingException": Verdict.THROTTLED,
        "Throttling": Verdict.THROTTLED,
        "RequestLimitExceeded": Verdict.THROTTLED,
        "LimitExceededException": Verdict.THROTTLED,
        "KMSThrottlingException": Verdict.THROTTLED,
        "InternalFailure": Verdict.AMBIGUOUS,
        "InternalFailureException": Verdict.AMBIGUOUS,
        "InternalServerError": Verdict.AMBIGUOUS,
        "ServiceUnavailable": Verdict.AMBIGUOUS,
        "ServiceUnavailableException": Verdict.AMBIGUOUS,
        "ExpiredToken": Verdict.LEASE,
        "ExpiredTokenException": Verdict.LEASE,
        "UnrecognizedClient": Verdict.LEASE,
        "UnrecognizedClientException": Verdict.LEASE,
        "InvalidClientTokenId": Verdict.LEASE,
        "InvalidSignature": Verdict.LEASE,
        "InvalidSignatureException": Verdict.LEASE,
        "SignatureDoesNotMatch": Verdict.LEASE,
        "AccessDenied": Verdict.DENIED,
        "AccessDeniedException": Verdict.DENIED,
        "NotAuthorized": Verdict.DENIED,
        "ResourceNotFoundException": Verdict.BLOCKED,
        "ResourceInUseException": Verdict.BLOCKED,
        "InvalidArgumentException": Verdict.SEARCH,
        "ValidationException": Verdict.SEARCH,
        "KMSAccessDeniedException": Verdict.BLOCKED,
        "KMSDisabledException": Verdict.BLOCKED,
        "KMSInvalidStateException": Verdict.BLOCKED,
        "KMSNotFoundException": Verdict.BLOCKED,
        "KMSOptInRequired": Verdict.BLOCKED,
        "OptInRequired": Verdict.BLOCKED,
        "MissingAuthenticationToken": Verdict.BLOCKED,
        "MissingAuthenticationTokenException": Verdict.BLOCKED,
        "IncompleteSignature": Verdict.BLOCKED,
        "IncompleteSignatureException": Verdict.BLOCKED,
        # The host's clock, as the service sees it; the sink has learned the offset from this very answer.
        "RequestExpired": Verdict.RETRY,
        "RequestTimeTooSkewed": Verdict.RETRY,
    }
)
"""Codes of a refused request."""


def of_entry(code: str) -> Verdict:
    """Judge the code of one refused entry."""
    return ENTRY.get(code, Verdict.LANE)


def of_request(code: str) -> Verdict:
    """Judge the code of a refused request."""
    return REQUEST.get(code, Verdict.BLOCKED)
