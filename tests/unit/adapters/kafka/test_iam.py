from __future__ import annotations

import base64
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.session import Session

from doka.adapters.kafka.client import ClientUnusableError, new_consumer
from doka.adapters.kafka.client_settings import connection_settings
from doka.adapters.kafka.iam import MskIamTokens
from doka.adapters.kafka.settings import KafkaSecurity, MemberSettings

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


def signed(token: str) -> dict[str, str]:
    """Read the signed address that a token is."""
    address = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    return {name: values[0] for name, values in parse_qs(urlparse(address).query).items()}


def test_the_end_of_a_token_is_in_seconds() -> None:
    """The signer tells ms, librdkafka wants seconds: 900 of them from now, not fifty thousand years."""
    tokens = MskIamTokens("eu-west-1", ScriptedSession(Credentials("AKID", "secret", "session")))

    token, end = tokens("")

    assert 890 < end - time.time() < 910
    assert "kafka-cluster:Connect" == signed(token)["Action"]
    assert signed(token)["X-Amz-Credential"].startswith("AKID/")
    assert "/eu-west-1/kafka-cluster/" in signed(token)["X-Amz-Credential"]


@pytest.mark.parametrize(("life", "end"), [(780, 780), (3_600, 900)])
def test_a_token_never_outlives_the_credentials_that_signed_it(life: int, end: int) -> None:
    """ECS, EC2 and pod agents hand out the same credentials until minutes before their end; a token ends with them."""
    issue = {"access_key": "AKID", "secret_key": "secret", "token": "session", "expiry_time": _in_seconds(life)}
    credentials = RefreshableCredentials.create_from_metadata(issue, lambda: issue, "test", 100, 60)
    _, ends_at = MskIamTokens("eu-west-1", ScriptedSession(credentials))("")
    assert end - 10 < ends_at - time.time() <= end + 1


def test_all_tokens_share_one_search_for_credentials() -> None:
    """The chain is walked once; botocore renews what it found in place."""
    session = ScriptedSession(Credentials("AKID", "secret"))
    tokens = MskIamTokens("eu-west-1", session)

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
    tokens = MskIamTokens("eu-west-1", ScriptedSession(credentials))

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: signed(tokens("")[0]), range(40)))

    pairs = {(query["X-Amz-Credential"].split("/")[0], query["X-Amz-Security-Token"]) for query in made}
    assert len(pairs) > 1
    assert all(key.removeprefix("AKID") == session.removeprefix("session") for key, session in pairs)


def _in_seconds(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def test_without_credentials_it_raises_and_remembers_why() -> None:
    """Librdkafka asks again after an exception; a person is told what was missing."""
    tokens = MskIamTokens("eu-west-1", ScriptedSession(None))

    with pytest.raises(LookupError):
        tokens("")

    assert "no AWS credentials" in (tokens.last_error or "")


def test_librdkafka_takes_the_token_while_the_client_is_made() -> None:
    """The callback runs on librdkafka's own thread before the constructor returns, and its answer is accepted."""
    session = ScriptedSession(Credentials("AKID", "secret", "session"))
    tokens = MskIamTokens("eu-west-1", session)
    threads: list[int] = []

    def noted(config: str) -> tuple[str, float]:
        threads.append(threading.get_ident())
        return tokens(config)

    consumer = new_consumer({**connection_settings(SETTINGS, noted), "group.id": "doka", "log_level": 0})
    consumer.close()

    assert threads
    assert threading.get_ident() not in threads


def test_librdkafka_comes_back_before_a_token_ends() -> None:
    """An end in seconds makes it ask again in time: a token of three seconds is replaced within them."""
    tokens = MskIamTokens("eu-west-1", ScriptedSession(Credentials("AKID", "secret", "session")))
    again = threading.Event()
    calls: list[float] = []

    def short(config: str) -> tuple[str, float]:
        calls.append(time.time())
        if len(calls) > 1:
            again.set()
        return tokens(config)[0], time.time() + 3

    consumer = new_consumer({**connection_settings(SETTINGS, short), "group.id": "doka", "log_level": 0})
    came_back = again.wait(10)
    consumer.close()

    assert came_back
    assert calls[1] - calls[0] < 3


def test_a_chain_without_credentials_ends_the_start_with_a_sentence() -> None:
    """When no token comes within ten seconds, the start says what the chain said."""
    tokens = MskIamTokens("eu-west-1", ScriptedSession(None))

    with pytest.raises(ClientUnusableError, match=r"no token for Kafka within 10 s: this process has no AWS"):
        new_consumer({**connection_settings(SETTINGS, tokens), "group.id": "doka", "log_level": 0})
