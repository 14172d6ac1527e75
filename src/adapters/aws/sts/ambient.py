"""The credentials that this process was given: environment, web identity, container, instance, profile.

boto3's own chain finds and refreshes them as it stands; here they are only read, frozen, and told when they end.
It must never give two halves of different issues, nor call credentials endless that are not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from botocore.credentials import Credentials, EnvProvider, RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError

from doka.adapters.aws.clock import ServiceClock
from doka.adapters.aws.codes import code_of
from doka.adapters.aws.sts.assume import life_ns
from doka.adapters.aws.sts.grant import Grant, RefusedError, check_secrets, showable
from doka.adapters.aws.words import words_of
from doka.domain.lease import Secrets
from doka.domain.ports import Clock


class Source(Protocol):
    """What finds credentials: a session of boto3 or of botocore."""

    def get_credentials(self) -> Credentials | None:
        """Walk the chain; None where it finds nothing."""
        ...


SessionFactory = Callable[[], Source]

_NONE_FOUND = (
    "boto3 finds no AWS credentials here; give the process a role (IRSA, Pod Identity, ECS, EC2) "
    "or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)
_ENDED_ALREADY = "the ambient credentials have ended already; compare this host's clock with the true time"


class AmbientCredentials:
    """What boto3's chain gives, read anew at each question; safe from several threads, which wait for one another."""

    def __init__(self, clock: Clock, service_clock: ServiceClock, session_factory: SessionFactory) -> None:
        self._clock = clock
        self._service_clock = service_clock
        self._session_factory = session_factory
        self._lock = threading.Lock()
        self._found: Credentials | None = None

    def current(self, unless: Secrets | None = None) -> Grant:
        """Give the present credentials; if they are still `unless`, the chain is walked anew, once.

        That is how an early death heals: boto3 by itself keeps what it has until fifteen minutes before the end.

        Raises:
            RefusedError: there are none, or their source refused or did not answer.
        """
        with self._lock:
            try:
                grant = self._read()
                if unless is not None and grant.secrets == unless:
                    self._found = None
                    grant = self._read()
            except RefusedError:
                self._found = None
                raise
            return grant

    def forget(self) -> None:
        """Walk the chain anew next time: a service did not accept these credentials."""
        with self._lock:
            self._found = None

    def _read(self) -> Grant:
        asked_at = self._clock.now()
        try:
            if self._found is None:
                self._found = self._session_factory().get_credentials()
            if self._found is None:
                raise RefusedError("NoCredentials", _NONE_FOUND)
            frozen = self._found.get_frozen_credentials()
        except ClientError as error:
            said = error.response.get("Error", {})
            raise RefusedError(code_of(error.response), showable(str(said.get("Message", "")))) from None
        except (BotoCoreError, OSError, ValueError) as error:
            raise RefusedError(type(error).__name__, words_of(error)) from None
        except RuntimeError:  # how botocore says that what it was given has ended already
            raise RefusedError("ExpiredAtIssue", _ENDED_ALREADY) from None
        if not frozen.access_key or not frozen.secret_key:
            raise RefusedError("NoCredentials", _NONE_FOUND)
        expiration = _expiration(self._found)
        secrets = Secrets(frozen.access_key, frozen.secret_key, frozen.token)
        check_secrets(secrets, _place_of(self._found))
        life = None if expiration is None else life_ns(expiration, None, self._service_clock)
        return Grant(secrets, asked_at, None if life is None else asked_at + life, frozen.account_id)


def _place_of(credentials: Credentials) -> str:
    """Name where credentials came from, as an operator would look for it."""
    if credentials.method == EnvProvider.METHOD:
        return "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
    return f"the credentials of boto3's source {credentials.method!r}"


def _expiration(credentials: Credentials) -> datetime | None:
    """Give when refreshed credentials end; None for static ones.

    botocore has no public name for it; a missing attribute raises here, where silence would make them endless.
    """
    if not isinstance(credentials, RefreshableCredentials):
        return None
    expiration: datetime | None = vars(credentials)["_expiry_time"]
    return expiration
