from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError

from doka.adapters.kafka.login import Login, cure_of_login, has_no_token
from doka.adapters.kafka.settings import KafkaSecurity
from tests.unit.adapters.kafka.scripted import ScriptedTokens

REFUSED = KafkaError(KafkaError._AUTHENTICATION)


class Client:
    """Notes the credentials that it is given."""

    def __init__(self) -> None:
        self.given: list[tuple[str, str]] = []

    def set_sasl_credentials(self, username: str, password: str) -> None:
        """Take them."""
        self.given.append((username, password))


def login(file: list[str | None], keys: dict[str, Any]) -> Login:
    """Give a login whose file holds what comes next in the list."""
    security = KafkaSecurity(
        "sasl_ssl", "SCRAM-SHA-512", username="doka", password="old", password_again=lambda: file.pop(0)
    )
    return Login(security, None, keys)


def test_a_refused_login_is_tried_with_what_the_file_holds_now() -> None:
    """Living clients go on with it, later ones begin with it; the same password is not given again."""
    keys: dict[str, Any] = {"sasl.password": "old"}
    renewing, client = login(["old", None, "new", "new"], keys), Client()
    living: Any = client
    for _ in range(4):
        renewing.note(REFUSED)
        renewing.renew(living, None)

    assert ([("doka", "new")], {"sasl.password": "new"}) == (client.given, keys)


@pytest.mark.parametrize("code", [None, KafkaError._TRANSPORT])
def test_without_a_refusal_no_file_is_read(code: int | None) -> None:
    """It is read when a broker refuses the login, not each turn."""
    renewing = login([], {})
    if code is not None:
        renewing.note(KafkaError(code))

    renewing.renew()  # the list is empty: reading it would raise


def test_a_password_from_no_file_stays() -> None:
    """There is nothing to read again."""
    renewing = Login(KafkaSecurity("sasl_ssl", "PLAIN", username="doka", password="old"), None)
    renewing.note(REFUSED)
    client = Client()
    living: Any = client
    renewing.renew(living)

    assert [] == client.given


def test_the_source_of_tokens_is_told_of_a_refused_login() -> None:
    """Once for all that was refused since it was last told; what is no refusal it need not know."""
    tokens = ScriptedTokens()
    renewing = Login(KafkaSecurity("sasl_ssl", "aws_msk_iam"), tokens, {})
    told = []
    changed = KafkaError(KafkaError._AUTHENTICATION, "Cannot change principals during re-authentication from A: B")
    refused = KafkaError(KafkaError.SASL_AUTHENTICATION_FAILED)
    for errors in ([], [KafkaError(KafkaError._TRANSPORT), changed], [REFUSED, refused]):
        for error in errors:
            renewing.note(error)
        renewing.renew(None)
        told.append(tokens.refusals)

    assert [0, 0, 1] == told


REFUSED_BY_MSK = "sasl_ssl://b-1:9098/bootstrap: SASL authentication error: [4c954b78]: Access denied (after 300ms)"
OTHER_PORT = (
    "sasl_ssl://b-1:9096/bootstrap: SASL OAUTHBEARER mechanism handshake failed: Broker: Unsupported SASL mechanism"
)


@pytest.mark.parametrize(
    ("words", "last_error", "cure"),
    [
        (REFUSED_BY_MSK, None, "the token was signed with whose they are: check that they are good"),
        (
            REFUSED_BY_MSK,
            "no answer",
            "whose they are, and there is no newer one (no answer): check that they are good",
        ),
        (OTHER_PORT, None, "check kafka.security.mechanism and the port in kafka.bootstrap_servers"),
    ],
)
def test_a_refused_token_is_cured_by_its_credentials(words: str, last_error: str | None, cure: str) -> None:
    """They are named, and why there are no newer ones; only a port where logins go another way is one of the settings."""
    tokens = ScriptedTokens(last_error, "whose they are")

    assert cure in (cure_of_login(KafkaError(KafkaError._AUTHENTICATION, words), tokens) or "")


@pytest.mark.parametrize(("code", "tokens"), [(KafkaError._SSL, ScriptedTokens()), (KafkaError._AUTHENTICATION, None)])
def test_other_refusals_are_none_of_the_credentials(code: int, tokens: ScriptedTokens | None) -> None:
    """A certificate that is not trusted, and a password."""
    assert cure_of_login(KafkaError(code, REFUSED_BY_MSK), tokens) is None


def test_a_source_that_failed_is_no_refusal_of_a_broker() -> None:
    """Librdkafka tells both with one code; the words are its own, of 2.16."""
    failed = "Failed to acquire SASL OAUTHBEARER token: OAuth callback raised exception"

    assert [True, False] == [
        has_no_token(KafkaError(KafkaError._AUTHENTICATION, words)) for words in (failed, REFUSED_BY_MSK)
    ]
