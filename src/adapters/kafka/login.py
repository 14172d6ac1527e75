"""A password that is rotated: its file is read again when a broker refuses the login.

The client keeps what it was made with, and asks with it for ever. A login that is refused is therefore the moment to look
whether the file says something else by now; the clients that live go on with that, and those made later begin with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, Producer

from doka.adapters.kafka.settings import KafkaSecurity

REFUSED_LOGIN: Final = frozenset(
    {KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED},  # noqa: SLF001 - the library's public codes
)


class Login:
    """The name and password of one set of clients, whose keys it renews in place."""

    def __init__(self, security: KafkaSecurity, *keys: dict[str, Any]) -> None:
        """`keys` are those that clients are made of."""
        self._username = security.username or ""
        self._password = security.password
        self._again: Callable[[], str | None] | None = security.password_again
        self._keys = keys
        self._refused = False

    def note(self, error: KafkaError) -> None:
        """Take an error of a client; called inside its callbacks, so it only remembers."""
        self._refused = self._refused or error.code() in REFUSED_LOGIN

    def renew(self, *clients: Consumer | Producer | None) -> None:
        """After a refusal give these clients the password that the file holds now, where it is another."""
        if not self._refused:
            return
        self._refused = False
        password = None if self._again is None else self._again()
        if password is None or password == self._password:
            return
        self._password = password
        for keys in self._keys:
            keys["sasl.password"] = password
        for client in clients:
            if client is not None:
                client.set_sasl_credentials(self._username, password)
