"""Tokens for MSK with IAM: librdkafka asks for one whenever it logs in, on a thread of its own.

The signer tells a token's end in ms, librdkafka wants seconds: without the division a token would be taken for good for
ever and the first renewal would never come.
One credential provider is shared by all tokens: a new session each time would mean a new login at STS for each.
What fails here is raised: librdkafka then asks again, about every ten seconds.
"""

from __future__ import annotations

import math
import threading
from typing import Any, Final

from aws_msk_iam_sasl_signer import MSKAuthTokenProvider
from botocore.credentials import CredentialProvider, Credentials, RefreshableCredentials
from botocore.session import Session

MS_PER_SECOND: Final = 1000


class NoCredentialsHereError(LookupError):
    """The chain of credentials is empty."""


class MskIamTokens:
    """A source of tokens for one region; called by librdkafka on its background thread, also before `open` returns."""

    def __init__(self, region: str, session: Session | None = None) -> None:
        self._region = region
        self._provider = _Shared(session)
        self._lock = threading.Lock()
        self.last_error: str | None = None
        """Why the last token could not be made; None when it could."""

    def __call__(self, _config: str) -> tuple[str, float]:
        """Give (token, its end in seconds since the epoch); raises what the credential chain raises.

        The broker refuses a token whose credentials have ended, whatever end the token has: it ends with them.
        """
        with self._lock:
            try:
                token, end_ms = MSKAuthTokenProvider.generate_auth_token_from_credentials_provider(
                    self._region,
                    self._provider,
                )
            except NoCredentialsHereError as error:
                self.last_error = str(error)
                raise
            except Exception as error:
                # The text of a library's error may hold anything, a secret too.
                self.last_error = f"{type(error).__name__} while asking for the credentials that sign the token"
                raise
            self.last_error = None
            return token, min(end_ms / MS_PER_SECOND, self._provider.end)


class _Shared(CredentialProvider):
    """The process's own credentials, found once and renewed by botocore in place."""

    METHOD = "doka"

    def __init__(self, session: Session | None) -> None:
        super().__init__()
        self._session = session
        self._credentials: Any = None
        self.end = math.inf
        """When the credentials that were given last end, in seconds since the epoch; never for static ones."""

    def load(self) -> Credentials:
        """Give key, secret and token of one issue: the signer reads them one after the other."""
        if self._credentials is None:
            self._session = self._session or Session()
            self._credentials = self._session.get_credentials()
        if self._credentials is None:
            raise NoCredentialsHereError(
                "this process has no AWS credentials; MSK with IAM needs a role or access keys"
            )
        frozen = self._credentials.get_frozen_credentials()
        if isinstance(self._credentials, RefreshableCredentials):
            # No public name; a missing one raises here, where silence would give tokens that outlive their credentials.
            self.end = vars(self._credentials)["_expiry_time"].timestamp()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)
