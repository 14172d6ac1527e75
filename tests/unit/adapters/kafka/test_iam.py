from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.session import Session

from doka.adapters.kafka.client import ClientUnusableError, new_consumer
from doka.adapters.kafka.client_settings import connection_settings
from doka.adapters.kafka.iam import TOLD_SECONDS_MAX, MskIamTokens
from doka.adapters.kafka.settings import KafkaSecurity, MemberSettings
from doka.adapters.system.clock import SystemClock
from tests.waiting import eventually

SETTINGS = MemberSettings(
    ("127.0.0.1:1",),
    "doka",
    frozenset({"orders"}),
    security=KafkaSecurity("sasl_ssl", "aws_msk_iam"),
    region="eu-west-1",
)


class ScriptedSession(Session):
    """A session whose credentials the test has made; it counts how often they are looked for."""

    def __init__(self, credentials: Any) -> None:
        super().__init__()
        self.credentials = credentials
        self.searches = 0

    def get_credentials(self, *_arguments: object, **_named: object) -> Any:
        """Give them."""
        self.searches += 1
        return self.credentials


def tokens_of(*found: Any, words_of: Callable[[BaseException], str] = repr) -> MskIamTokens:
    """Give a source of tokens whose searches for credentials find these in turn, the last one again and again."""
    sessions = [ScriptedSession(credentials) for credentials in found]
    return MskIamTokens(
        "eu-west-1", SystemClock(), lambda: sessions.pop(0) if len(sessions) > 1 else sessions[0], words_of
    )


def signed(token: str) -> dict[str, str]:
    """Read the signed address that a token is."""
    address = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    return {name: values[0] for name, values in parse_qs(urlparse(address).query).items()}


def test_a_client_asks_again_within_seconds() -> None:
    """It is told seconds, not ms and not fifty thousand years, and few of them, though the token lives for 900."""
    token, end = tokens_of(Credentials("AKID", "secret", "session"))("")

    assert TOLD_SECONDS_MAX - 5 < end - time.time() <= TOLD_SECONDS_MAX
    assert "900" == signed(token)["X-Amz-Expires"]
    assert "kafka-cluster:Connect" == signed(token)["Action"]
    assert signed(token)["X-Amz-Credential"].startswith("AKID/")
    assert "/eu-west-1/kafka-cluster/" in signed(token)["X-Amz-Credential"]


@pytest.mark.parametrize(("life", "end"), [(7, 7), (780, TOLD_SECONDS_MAX)])
def test_a_token_never_outlives_the_credentials_that_signed_it(life: int, end: int) -> None:
    """ECS, EC2 and pod agents hand out the same credentials until minutes before their end; a token ends with them."""
    issue = {"access_key": "AKID", "secret_key": "secret", "token": "session", "expiry_time": _in_seconds(life)}
    credentials = RefreshableCredentials.create_from_metadata(issue, lambda: issue, "test", 100, 60)
    _, ends_at = tokens_of(credentials)("")
    assert end - 3 < ends_at - time.time() <= end


def test_all_tokens_share_one_search_for_credentials() -> None:
    """The chain is walked once; botocore renews what it found in place."""
    session = ScriptedSession(Credentials("AKID", "secret"))
    tokens = MskIamTokens("eu-west-1", SystemClock(), lambda: session)

    for _ in range(3):
        tokens("")

    assert 1 == session.searches


def test_a_token_never_mixes_two_issues() -> None:
    """Key and session token of a token come from one issue, also while another thread renews the credentials."""
    serial = 0
    lock = threading.Lock()

    def issue() -> dict[str, str]:
        nonlocal serial
        with lock:
            serial += 1
            number = serial
        return {
            "access_key": f"AKID{number}",
            "secret_key": f"secret{number}",
            "token": f"session{number}",
            # Nearly over, so that every look at it renews it.
            "expiry_time": "2000-01-01T00:00:00Z" if number < 0 else _in_seconds(30),
        }

    credentials = RefreshableCredentials.create_from_metadata(issue(), issue, "test", 100, 60)
    tokens = tokens_of(credentials)

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: signed(tokens("")[0]), range(40)))

    pairs = {(query["X-Amz-Credential"].split("/")[0], query["X-Amz-Security-Token"]) for query in made}
    assert len(pairs) > 1
    assert all(key.removeprefix("AKID") == session.removeprefix("session") for key, session in pairs)


def _in_seconds(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def test_without_credentials_it_raises_and_remembers_why() -> None:
    """Librdkafka asks again after an exception; a person is told what was missing."""
    tokens = tokens_of(None)

    with pytest.raises(LookupError):
        tokens("")

    assert "no AWS credentials" in (tokens.last_error or "")


class Noting(MskIamTokens):
    """Notes when it is asked, and on which thread; it tells a life of `told` seconds where that is given."""

    def __init__(self, told: float | None = None) -> None:
        session = ScriptedSession(Credentials("AKID", "secret", "session"))
        super().__init__("eu-west-1", SystemClock(), lambda: session)
        self.asked: list[tuple[float, int]] = []
        self._told = told

    def __call__(self, config: str, /) -> tuple[str, float]:
        """Give a token."""
        self.asked.append((time.time(), threading.get_ident()))
        token, end = super().__call__(config)
        return token, end if self._told is None else time.time() + self._told


def test_librdkafka_takes_the_token_while_the_client_is_made() -> None:
    """The callback runs on librdkafka's own thread before the constructor returns, and its answer is accepted."""
    tokens = Noting()

    consumer = new_consumer({**connection_settings(SETTINGS, tokens), "group.id": "doka", "log_level": 0})
    consumer.close()

    assert {threading.get_ident()} < {thread for _, thread in tokens.asked}  # it was tried before, by ourselves


def test_librdkafka_comes_back_before_a_token_ends() -> None:
    """An end in seconds makes it ask again in time: a token of six seconds is replaced within them."""
    tokens = Noting(told=6)

    consumer = new_consumer({**connection_settings(SETTINGS, tokens), "group.id": "doka", "log_level": 0})
    eventually(lambda: len(tokens.asked) > 2, within=10, what="the next question")
    consumer.close()

    assert tokens.asked[2][0] - tokens.asked[1][0] < 6


def test_a_refused_login_brings_credentials_that_were_looked_for_anew() -> None:
    """Keys that were rotated in a file, or a session that was revoked, are replaced; without a refusal nothing is looked for."""
    tokens = tokens_of(*(Credentials(f"AKID{number}", "secret") for number in range(3)))
    made = [signed(tokens("")[0])["X-Amz-Credential"][:5] for _ in range(2)]
    tokens.refused()
    tokens.refused()
    made += [signed(tokens("")[0])["X-Amz-Credential"][:5] for _ in range(2)]

    assert ["AKID0", "AKID0", "AKID1", "AKID1"] == made


class Failing(Credentials):
    """Credentials whose source fails only when it is asked, as that of an assumed role does."""

    def __init__(self) -> None:
        super().__init__("", "")

    def get_frozen_credentials(self) -> Any:
        """Fail."""
        raise OSError("no answer")


@pytest.mark.parametrize("found", [None, Failing()])
def test_a_search_that_finds_none_leaves_those_of_before(found: Any) -> None:
    """It may not have been they that were refused, and they may be good again; the next token looks once more."""
    tokens = tokens_of(Credentials("AKID0", "secret"), found, Credentials("AKID2", "secret"))
    tokens("")
    tokens.refused()
    signers: list[object] = []
    for _ in range(2):
        signers.append(signed(tokens("")[0])["X-Amz-Credential"][:5])
        signers.append("failed: OSError" in tokens.signer)

    assert ["AKID0", found is not None, "AKID2", False] == signers


def test_a_source_that_fails_is_told_in_words_that_may_be_told() -> None:
    """An error of a library may hold anything; what may be told of it, the words say that were given."""
    tokens = tokens_of(Failing(), words_of=lambda error: f"words for {type(error).__name__}")
    with pytest.raises(OSError, match="no answer"):
        tokens("")

    assert "no credentials to sign the token with: words for OSError" == tokens.last_error


def test_it_says_who_signs() -> None:
    """The source in botocore's words, and the end of credentials that have one; no part of them."""
    issue = {"access_key": "AKID", "secret_key": "secret", "token": "session", "expiry_time": "2999-01-02T03:04:05Z"}
    ending = RefreshableCredentials.create_from_metadata(issue, lambda: issue, "container-role", 100, 60)
    tokens = tokens_of(Credentials("AKID", "secret", method="env"), ending)
    said = []
    for _ in range(2):
        tokens("")
        said.append(tokens.signer)
        tokens.refused()

    ours = "the AWS credentials of this process"
    ends = "source: container-role, which end at 2999-01-02T03:04:05Z"
    assert [f"{ours} (source: env)", f"{ours} ({ends})"] == said


def test_a_chain_without_credentials_ends_the_start_with_a_sentence() -> None:
    """Nobody waits for the client's own ten seconds to be told what the chain said at once."""
    tokens = tokens_of(None)

    with pytest.raises(
        ClientUnusableError,
        match=r"no token for Kafka: this process has no AWS credentials; .*; check the AWS credentials",
    ):
        new_consumer({**connection_settings(SETTINGS, tokens), "group.id": "doka", "log_level": 0})
