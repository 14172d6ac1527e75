from __future__ import annotations

import pytest

from doka.domain.verdicts import ENTRY, REQUEST, Verdict, of_entry, of_request

V = Verdict

# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html and CommonErrors.html
DOCUMENTED = {
    "AccessDeniedException": V.DENIED,
    "InternalFailureException": V.AMBIGUOUS,
    "InvalidArgumentException": V.SEARCH,
    "KMSAccessDeniedException": V.BLOCKED,
    "KMSDisabledException": V.BLOCKED,
    "KMSInvalidStateException": V.BLOCKED,
    "KMSNotFoundException": V.BLOCKED,
    "KMSOptInRequired": V.BLOCKED,
    "KMSThrottlingException": V.THROTTLED,
    "ProvisionedThroughputExceededException": V.THROTTLED,
    "ResourceNotFoundException": V.BLOCKED,
    "ExpiredTokenException": V.LEASE,
    "ExpiredToken": V.LEASE,
    "IncompleteSignature": V.BLOCKED,
    "InternalFailure": V.AMBIGUOUS,
    "InvalidClientTokenId": V.LEASE,
    "InvalidSignatureException": V.LEASE,
    "MissingAuthenticationToken": V.BLOCKED,
    "NotAuthorized": V.DENIED,
    "OptInRequired": V.BLOCKED,
    "RequestExpired": V.RETRY,
    "ServiceUnavailable": V.AMBIGUOUS,
    "ThrottlingException": V.THROTTLED,
    "UnrecognizedClientException": V.LEASE,
    "ValidationException": V.SEARCH,
}


@pytest.mark.parametrize(("code", "verdict"), DOCUMENTED.items())
def test_every_documented_code_of_a_request(code: str, verdict: Verdict) -> None:
    """Each code that the service documents has the verdict that its cause asks for."""
    assert verdict is of_request(code)


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("ProvisionedThroughputExceededException", V.THROTTLED),
        ("InternalFailure", V.AMBIGUOUS),
        ("KMSThrottlingException", V.THROTTLED),
    ],
)
def test_every_documented_code_of_an_entry(code: str, verdict: Verdict) -> None:
    """A throttled entry did not land; of one that failed inside the service nobody knows."""
    assert verdict is of_entry(code)


def test_an_unknown_entry_holds_its_lane() -> None:
    """What nobody knows about one entry stops only that entry's lane."""
    assert V.LANE is of_entry("SomethingNewException")


def test_an_unknown_request_blocks_its_route() -> None:
    """What nobody knows about a request stops its route, loudly, and drops nothing."""
    assert V.BLOCKED is of_request("SomethingNewException")


def test_a_lease_code_on_an_entry_is_unknown() -> None:
    """A request's code on an entry is not documented: it must not reject a lease that others use."""
    assert V.LANE is of_entry("ExpiredTokenException")


def test_what_the_service_failed_at_is_never_taken_for_failed() -> None:
    """Every 5xx code is ambiguous, for requests and entries alike."""
    fives = [code for code in REQUEST if code.startswith(("Internal", "ServiceUnavailable"))]
    assert len(fives) == 5
    assert {V.AMBIGUOUS} == {REQUEST[code] for code in fives}
    assert {V.AMBIGUOUS} == {ENTRY[code] for code in ENTRY if code in REQUEST and REQUEST[code] is V.AMBIGUOUS}


def test_the_tables_cannot_be_changed() -> None:
    """Nobody adds a verdict at run time."""
    with pytest.raises(TypeError):
        REQUEST["ThrottlingException"] = V.BLOCKED  # type: ignore[index]  # that is the point
