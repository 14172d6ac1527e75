"""What is done after a refused login: a password's file is read again, and a token's credentials are looked for anew.

The client keeps what it was made with, and asks with it for ever. A login that is refused is therefore the moment to look
whether the file says something else by now; the clients that live go on with that, and those made later begin with it.
Tokens a client asks for by itself, the next one within seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, Producer

from doka.adapters.kafka.client_errors import ANOTHER_PRINCIPAL
from doka.adapters.kafka.client_settings import Oauth
from doka.adapters.kafka.settings import KafkaSecurity

REFUSED_LOGIN: Final = frozenset(
    {KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED},  # noqa: SLF001 - the library's public codes
)

_OTHER_WAY: Final = "mechanism handshake failed"  # librdkafka's words at a port where logins go another way
_SOURCE_FAILED: Final = "Failed to acquire SASL OAUTHBEARER token"  # likewise, where it was our own source that failed


def has_no_token(error: KafkaError) -> bool:
    """Whether the client tells that no new token was made, and not that a broker refused one."""
    return error.str().startswith(_SOURCE_FAILED)


def cure_of_login(error: KafkaError, oauth: Oauth | None) -> str | None:
    """Say what to look at after a login by token was refused; None where the login is another, or not what is refused.

    MSK gives no reason ("Access denied"), so all that a token stands on is named.
    """
    if oauth is None or error.code() not in REFUSED_LOGIN:
        return None
    if _OTHER_WAY in error.str():
        return "check kafka.security.mechanism and the port in kafka.bootstrap_servers: MSK takes logins by IAM at 9098"
    newer = "" if oauth.last_error is None else f", and there is no newer one ({oauth.last_error})"
    return (
        f"the token was signed with {oauth.signer}{newer}: check that they are good and may kafka-cluster:Connect to this "
        "cluster, that aws.region is the cluster's, and that this host's clock is right"
    )


class Login:
    """By what one set of clients logs in, which it renews in place."""

    def __init__(self, security: KafkaSecurity, oauth: Oauth | None, *keys: dict[str, Any]) -> None:
        """`oauth` is there where the login is by tokens; `keys` are those that clients are made of."""
        self._oauth = oauth
        self._username = security.username or ""
        self._password = security.password
        self._again: Callable[[], str | None] | None = security.password_again
        self._keys = keys
        self._refused = False

    def note(self, error: KafkaError) -> None:
        """Take an error of a client; called inside its callbacks, so it only remembers."""
        self._refused |= error.code() in REFUSED_LOGIN and ANOTHER_PRINCIPAL not in error.str()

    def renew(self, *clients: Consumer | Producer | None) -> None:
        """After a refusal give these clients the password that the file holds now, where it is another."""
        if not self._refused:
            return
        self._refused = False
        if self._oauth is not None:
            self._oauth.refused()
        password = None if self._again is None else self._again()
        if password is None or password == self._password:
            return
        self._password = password
        for keys in self._keys:
            keys["sasl.password"] = password
        for client in clients:
            if client is not None:
                client.set_sasl_credentials(self._username, password)
