from __future__ import annotations

from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from doka.adapters.aws.sts.signature import DatedSignature
from doka.domain.lease import Secrets

BODY = b"Action=AssumeRole&Version=2011-06-15&RoleSessionName=doka"
WALL = 1_900_000_000.75


def request() -> AWSRequest:
    """Make the request that both signers sign."""
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    return AWSRequest("POST", "https://sts.eu-west-1.amazonaws.com/", headers, BODY)


@pytest.mark.parametrize("token", ["a-session-token+/=", None])
def test_it_signs_as_botocore_does_at_that_moment(monkeypatch: pytest.MonkeyPatch, token: str | None) -> None:
    """With botocore's clock set to the same moment, every header of the signed request is equal."""
    moment = datetime.fromtimestamp(WALL, UTC).replace(tzinfo=None)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: moment)
    theirs, ours = request(), request()
    SigV4Auth(Credentials("ASIAKEY", "secret", token), "sts", "eu-west-1").add_auth(theirs)
    DatedSignature(Secrets("ASIAKEY", "secret", token), "sts", "eu-west-1", WALL).add_auth(ours)
    assert dict(theirs.headers) == dict(ours.headers)


def test_it_never_looks_at_the_hosts_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The date in the request is the one that was given, even where reading a clock would fail."""

    def no_clock() -> None:
        raise AssertionError("the host's clock was read")

    monkeypatch.setattr("botocore.auth.get_current_datetime", no_clock)
    signed = request()
    DatedSignature(Secrets("ASIAKEY", "secret", None), "sts", "eu-west-1", WALL).add_auth(signed)
    assert signed.headers["X-Amz-Date"] == "20300317T174640Z"
