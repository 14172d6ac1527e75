from __future__ import annotations

import pytest
from botocore.credentials import Credentials

from doka.adapters.embedded.aws_call import read_call
from tests.unit.adapters.embedded.signed_requests import PUT, WALL, signed

ROLE = Credentials("ASIAKEY", "a secret", "a token")


def test_a_signed_put_says_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Service, operation, key, token and date are those of the request."""
    call = read_call("/", signed(monkeypatch, ROLE), PUT)
    assert call.signer is not None
    said = (call.service, call.operation, call.is_put, call.signer.access_key, call.token, call.signed_at)
    assert said == ("kinesis", "PutRecords", True, "ASIAKEY", "a token", WALL)


def test_a_form_is_a_question_to_sts() -> None:
    """Without a target header the action of the form names the operation."""
    call = read_call("/", {}, b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15")
    assert ("sts", "AssumeRoleWithWebIdentity", None) == (call.service, call.operation, call.signer)


@pytest.mark.parametrize("authorization", ["", "Bearer x", "AWS4-HMAC-SHA256 Credential=ASIAKEY/20260101/x"])
def test_what_is_not_a_signature_is_none(authorization: str) -> None:
    """Another scheme, or half of one, leaves the request unsigned."""
    assert None is read_call("/", {"authorization": authorization}, b"").signer


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("http://127.0.0.1:4567/", {}),
        ("http://127.0.0.1:4567/", {"X-Amz-Meta-Spaces": "  a   b  "}),
        ("http://127.0.0.1:4567/a%20path/x~y", {}),
        ("http://127.0.0.1:4567/?b=2&a=1&a=0&c=%2F%20x", {}),
    ],
)
def test_botocores_signature_is_right(monkeypatch: pytest.MonkeyPatch, url: str, headers: dict[str, str]) -> None:
    """What botocore signs is accepted, whatever stands in path, query and headers."""
    arrived = signed(monkeypatch, ROLE, headers=headers, url=url)
    path = url.removeprefix("http://127.0.0.1:4567")
    assert read_call(path, arrived, PUT).signed_by("a secret")


@pytest.mark.parametrize("part", ["secret", "body", "x-amz-date", "x-amz-security-token", "x-amz-target", "host"])
def test_any_change_makes_the_signature_wrong(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """A byte of the body, another secret or another signed header, and it is not accepted."""
    headers = signed(monkeypatch, ROLE)
    if part in headers:
        headers[part] += "0"
    call = read_call("/", headers, PUT + b" " if part == "body" else PUT)
    assert not call.signed_by("another secret" if part == "secret" else "a secret")


def test_no_secret_is_printed_with_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither token nor body is in its repr."""
    printed = repr(read_call("/", signed(monkeypatch, ROLE), PUT))
    assert [] == [word for word in ("a token", "orders") if word in printed]
