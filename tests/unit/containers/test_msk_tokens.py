from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest
from aws_msk_iam_sasl_signer import MSKAuthTokenProvider
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import CredentialProvider, Credentials

from tests.containers.msk_tokens import SignedToken, TokenJudge, TokenRefusedError
from tests.fake_aws import REGION, Keys

USER = Keys("AKIAUSER", "the user's secret")
SESSION = Keys("ASIASESSION", "the session's secret", "a session/token+with=odd characters")


class Given(CredentialProvider):
    """Gives one set of credentials."""

    def __init__(self, keys: Keys) -> None:
        super().__init__()
        self._credentials = Credentials(keys.access_key, keys.secret_key, keys.token)

    def load(self) -> Credentials:
        """Give it."""
        return self._credentials


def signed(keys: Keys, region: str = REGION) -> str:
    """Have AWS's own signer make a token."""
    token, _ = MSKAuthTokenProvider.generate_auth_token_from_credentials_provider(region, Given(keys))
    return str(token)


def signed_for(action: str, *, service: str = "kafka-cluster", seconds: int = 900) -> str:
    """Sign something else than a token in the way of one."""
    request = AWSRequest("GET", f"https://kafka.{REGION}.amazonaws.com/", params={"Action": action})
    SigV4QueryAuth(Credentials(USER.access_key, USER.secret_key), service, REGION, expires=seconds).add_auth(request)
    return encoded(str(request.prepare().url))


def encoded(url: str) -> str:
    """Write an address as tokens are written."""
    return base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def changed(token: str, change: Callable[[str], str]) -> str:
    """Change the address that a token is."""
    url = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    assert change(url) != url
    return encoded(change(url))


def judge(*known: Keys) -> TokenJudge:
    """Give one that knows these."""
    judging = TokenJudge(REGION)
    for keys in known:
        judging.know(keys)
    return judging


@pytest.mark.parametrize("keys", [USER, SESSION])
def test_a_token_of_the_real_signer_is_good_for_a_quarter_of_an_hour(keys: Keys) -> None:
    """Of a user's own keys, and of a session whose token has characters that an address has to write otherwise."""
    now = time.time()

    found = judge(USER, SESSION).judge(signed(keys), now)

    assert SignedToken(keys.access_key, found.ends_at) == found
    assert 899 <= found.ends_at - now <= 901


def test_a_token_ends_with_its_credentials() -> None:
    """Whatever life it was signed for."""
    soon = time.time() + 60
    judging, token = judge(), signed(SESSION)
    judging.know(SESSION, soon)

    assert SignedToken(SESSION.access_key, soon) == judging.judge(token, soon - 1)
    with pytest.raises(TokenRefusedError, match="those that ended 1 s ago"):
        judging.judge(token, soon + 1)


def test_a_token_ends() -> None:
    """After the life that it was signed for, and credentials that do not end are no help."""
    with pytest.raises(TokenRefusedError, match=r"one that ended 1[0-9] s ago"):
        judge(USER).judge(signed(USER), time.time() + 911)


def test_a_token_of_tomorrow_is_refused() -> None:
    """A clock that is ahead of AWS's by more than five minutes signs nothing that is good."""
    with pytest.raises(TokenRefusedError, match=r"one of 3[0-9]{2} s hence"):
        judge(USER).judge(signed(USER), time.time() - 310)


@pytest.mark.parametrize("secret", ["another secret", USER.secret_key.upper()])
def test_a_forged_signature_is_refused(secret: str) -> None:
    """Who knows an access key only signs nothing with it."""
    with pytest.raises(TokenRefusedError, match="the key's own signature"):
        judge(USER).judge(signed(Keys(USER.access_key, secret)), time.time())


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        ("X-Amz-Expires=900", "X-Amz-Expires=899"),
        (r"X-Amz-Date=(\d{8}T\d{5})\d", r"X-Amz-Date=\g<1>X"),
        (r"X-Amz-Signature=.", "X-Amz-Signature=g"),
        (r"X-Amz-Security-Token=a", "X-Amz-Security-Token=b"),
        (r"$", "&Something=more"),
    ],
)
def test_one_changed_byte_is_refused(part: str, instead: str) -> None:
    """Each part of a token is signed: its life, its date, its session, and what is added."""
    token = changed(signed(SESSION), lambda url: re.sub(part, instead, url, count=1))
    with pytest.raises(TokenRefusedError, match="signature"):
        judge(SESSION).judge(token, time.time())


def test_the_name_of_the_library_is_not_signed() -> None:
    """It is added when the address has its signature."""
    token = changed(signed(USER), lambda url: re.sub(r"User-Agent=[^&]+", "User-Agent=another", url))
    assert USER.access_key == judge(USER).judge(token, time.time()).access_key


def test_a_key_that_nobody_knows_is_refused() -> None:
    """One that never was, and one that is forgotten."""
    judging, token = judge(USER), signed(USER)
    judging.forget(USER.access_key)
    for refused in (token, signed(SESSION)):
        with pytest.raises(TokenRefusedError, match="wanted a known access key"):
            judging.judge(refused, time.time())


@pytest.mark.parametrize("session_token", [None, "another session"])
def test_a_session_without_its_token_is_refused(session_token: str | None) -> None:
    """Temporary keys are good with the token of their own issue only, though they sign all the same."""
    token = signed(Keys(SESSION.access_key, SESSION.secret_key, session_token))
    with pytest.raises(TokenRefusedError, match="the session token of its key"):
        judge(SESSION).judge(token, time.time())


def test_a_token_of_another_region_is_refused() -> None:
    """By its host, and by its scope where only the host was corrected."""
    elsewhere = signed(USER, "us-east-1")
    corrected = changed(elsewhere, lambda url: url.replace("kafka.us-east-1.", f"kafka.{REGION}."))
    for token, why in ((elsewhere, "an address of kafka.eu-west-1"), (corrected, "a scope of its day and region")):
        with pytest.raises(TokenRefusedError, match=why):
            judge(USER).judge(token, time.time())


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (signed_for("kafka-cluster:ReadData"), "the right to connect"),
        (signed_for("kafka-cluster:Connect", service="kafka"), "a scope of its day and region"),
        (signed_for("kafka-cluster:Connect", seconds=86_400), "a life of at most 900 s"),
        ("no token", "base64url"),
        (encoded("https://example.com/"), "an address of"),
    ],
    ids=["another action", "another service", "too long a life", "no token", "another address"],
)
def test_what_is_signed_for_something_else_is_refused(token: str, why: str) -> None:
    """The action, the service and the life are those of a login to MSK, and nothing else is a token."""
    with pytest.raises(TokenRefusedError, match=why):
        judge(USER).judge(token, time.time())


def test_a_parameter_that_is_given_twice_is_refused() -> None:
    """Two readers could read two things of it."""
    token = changed(signed(USER), lambda url: url + "&Action=" + quote("kafka-cluster:Connect"))
    with pytest.raises(TokenRefusedError, match="each parameter once"):
        judge(USER).judge(token, time.time())
