from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError

from doka.adapters.kafka.login import Login
from doka.adapters.kafka.settings import KafkaSecurity

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
    return Login(security, keys)


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
    renewing = Login(KafkaSecurity("sasl_ssl", "PLAIN", username="doka", password="old"))
    renewing.note(REFUSED)
    client = Client()
    living: Any = client
    renewing.renew(living)

    assert [] == client.given
