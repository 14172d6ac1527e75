from __future__ import annotations

import pytest

from doka.adapters.aws.sts.grant import Grant, RefusedError, check_secrets, showable
from doka.domain.events import LeaseRefused
from doka.domain.lease import Secrets
from doka.domain.limits import NS_PER_SECOND

SECRETS = Secrets("ASIAKEY", "the-secret-key", "the-session-token")


@pytest.mark.parametrize(
    ("life", "left", "lives"),
    [(3600, 61, [True]), (3600, 60, [False]), (9, 4, [True]), (9, 3, [False]), (9, -1, [False])],
)
def test_a_kept_session_must_have_a_minute_or_a_third_of_its_life_left(life: int, left: int, lives: list[bool]) -> None:
    """Enough is more than 60 s, or more than a third of a life that is shorter than three minutes."""
    grant = Grant(SECRETS, issued_at=0, ends_at=life * NS_PER_SECOND)
    assert lives == [grant.lives_beyond((life - left) * NS_PER_SECOND, 60 * NS_PER_SECOND)]


def test_what_does_not_end_lives_beyond_everything() -> None:
    """Static credentials are always good for another question."""
    assert Grant(SECRETS, 0, None).lives_beyond(10**18, 60 * NS_PER_SECOND)


def test_a_refusal_becomes_the_event_of_its_role() -> None:
    """Code, text and measured skew arrive in the event."""
    refused = RefusedError("RequestExpired", "too late", skew_seconds=1200.0)
    assert LeaseRefused("analytics", "RequestExpired", "too late", 1200.0) == refused.event("analytics")


def test_a_refusal_never_shows_the_request_that_sts_repeats() -> None:
    """Of a SignatureDoesNotMatch only the sentence before the canonical request is shown."""
    said = (
        "The request signature we calculated does not match.\n\nThe Canonical String for this request should have been"
        "\n'POST\n/\nx-amz-security-token:the-session-token'"
    )
    assert showable(said, [SECRETS]) == "The request signature we calculated does not match."


def test_a_refusal_never_shows_a_secret() -> None:
    """Secret key and token are struck out wherever they stand; the access key, which is no secret, may stay."""
    said = "ASIAKEY the-secret-key the-session-token the-session-token"
    assert showable(said, [SECRETS]) == "ASIAKEY *** *** ***"


def test_a_refusal_is_one_line_of_limited_length() -> None:
    """A page of HTML from a proxy becomes one line of at most 500 characters."""
    assert showable("a\n\t b" + "c" * 1000) == "a b" + "c" * 497


def test_no_secret_is_printed_with_a_grant() -> None:
    """Neither repr nor str of a grant holds a part of its triple."""
    printed = f"{Grant(SECRETS, 0, None)!r} {Grant(SECRETS, 0, None)}"
    assert [] == [part for part in ("ASIAKEY", "the-secret-key", "the-session-token") if part in printed]


@pytest.mark.parametrize(
    ("secrets", "named"),
    [
        (Secrets("AKIA1\n", "s", "t"), "the access key of HERE holds a line break"),
        (Secrets("AKIA1", "s\r", "t"), "the secret key of HERE holds a line break"),
        (Secrets("AKIA1", "s", "t\nt"), "the session token of HERE holds a line break"),
        (Secrets("AKIA1", "s", " t"), "the session token of HERE holds a blank at an end"),
        (Secrets("AKIA1", "s", "t\x00"), "the session token of HERE holds a blank at an end, or a character that no"),
        (Secrets("AKIA1", "s", "\N{EURO SIGN}"), "the session token of HERE holds"),
    ],
)
def test_secrets_that_cannot_stand_in_a_header_are_refused_by_name(secrets: Secrets, named: str) -> None:
    """Which of the three it is and where it is from is told, never what it holds."""
    with pytest.raises(RefusedError) as refused:
        check_secrets(secrets, "HERE")
    assert ("UnusableCredentials", True) == (refused.value.code, refused.value.message.startswith(named))


@pytest.mark.parametrize("token", [None, "", "IQoJb3JpZ2luX2VjE/+=", "token 1"])
def test_secrets_as_aws_issues_them_pass(token: str | None) -> None:
    """Base64, and whatever else a header takes; no token is none."""
    check_secrets(Secrets("ASIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG", token), "HERE")
