"""Tokens for MSK with IAM: librdkafka asks for one on a thread of its own, and logs in with it until it asks again.

It asks when four fifths of the life that it was told of the last one have passed, and nobody can make it ask sooner: the
Python client has no call for that. So it is told a few seconds only, whatever the token itself is good for; then it never
logs in by a token that is much older, and after a refusal a new one is there within these seconds. A signature costs half
a millisecond and asks nobody.
The credentials are found once and renewed by botocore in place: a new search each time would mean a login at STS for each
token. They are looked for anew when a broker has refused a login, for the keys in a file may have been rotated, or the
session revoked, long before their end.
What fails here is raised: librdkafka keeps the token that it has, and asks again about every ten seconds.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from aws_msk_iam_sasl_signer import MSKAuthTokenProvider
from botocore.credentials import CredentialProvider, Credentials, RefreshableCredentials
from botocore.session import Session

from doka.domain.ports import Clock

MS_PER_SECOND: Final = 1000
TOLD_SECONDS_MAX: Final = 10.0
"""The life that librdkafka is told of a token at most; of its own a token has 900 s."""


class NoCredentialsHereError(LookupError):
    """The chain of credentials is empty."""


def _class_of(error: BaseException) -> str:
    # The text of a library's error may hold anything, a secret too.
    return type(error).__name__


class MskIamTokens:
    """A source of tokens for one region; called by librdkafka on its background thread, also before `open` returns."""

    def __init__(
        self,
        region: str,
        clock: Clock,
        new_session: Callable[[], Session] = Session,
        words_of: Callable[[BaseException], str] = _class_of,
    ) -> None:
        """Take what makes the session of each search for credentials, and what may be told of an error of a source."""
        self._region = region
        self._clock = clock
        self._provider = _Shared(new_session)
        self._words_of = words_of
        self._lock = threading.Lock()
        self.last_error: str | None = None
        """Why the last token could not be made; None when it could."""

    def __call__(self, _config: str) -> tuple[str, float]:
        """Give (token, when the next shall be asked for at the latest, in seconds since the epoch).

        Never later than the end of the token, or of its credentials: a broker refuses a token whose credentials have ended,
        whatever end the token has. Raises what the credential chain raises.
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
                self.last_error = f"no credentials to sign the token with: {self._words_of(error)}"
                raise
            self.last_error = None
            return token, min(end_ms / MS_PER_SECOND, self._provider.end, self._clock.wall() + TOLD_SECONDS_MAX)

    def refused(self) -> None:
        """Note that a broker refused a login: before the next token is signed its credentials are looked for anew."""
        self._provider.stale = True

    @property
    def signer(self) -> str:
        """Whose credentials signed the last token, for a person: their source, and their end where they have one."""
        source, end = self._provider.source, self._provider.end
        until = "" if math.isinf(end) else f", which end at {datetime.fromtimestamp(end, UTC):%Y-%m-%dT%H:%M:%SZ}"
        failed = self._provider.failed
        newer = "" if failed is None else f"; a search for newer ones failed: {self._words_of(failed)}"
        return f"the AWS credentials of this process (source: {source}{until}{newer})"


class _Shared(CredentialProvider):
    """The process's own credentials, renewed by botocore in place."""

    METHOD = "doka"

    def __init__(self, new_session: Callable[[], Session]) -> None:
        super().__init__()
        self._new_session = new_session
        self._credentials: Any = None
        self.stale = True
        """Whether they are to be looked for before they are used again."""
        self.failed: Exception | None = None
        """What the last search for them met."""
        self.end = math.inf
        """When the credentials that were given last end, in seconds since the epoch; never for static ones."""

    @property
    def source(self) -> str:
        """Where they were found, in botocore's words."""
        return getattr(self._credentials, "method", None) or "none"

    def load(self) -> Credentials:
        """Give key, secret and token of one issue: the signer reads them one after the other."""
        if self.stale:
            self._look()
        if self._credentials is None:
            raise NoCredentialsHereError(
                "this process has no AWS credentials; MSK with IAM needs a role or access keys"
            )
        frozen = self._credentials.get_frozen_credentials()
        if isinstance(self._credentials, RefreshableCredentials):
            # No public name; a missing one raises here, where silence would give tokens that outlive their credentials.
            self.end = vars(self._credentials)["_expiry_time"].timestamp()
        else:
            self.end = math.inf
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    def _look(self) -> None:
        """Look for credentials; where none are found now those of before stay: they may not be why a login was refused."""
        self.stale, self.failed = False, None
        try:
            found = self._new_session().get_credentials()
            if found is not None:
                found.get_frozen_credentials()  # a source that is asked only now may fail only now
        except Exception as error:
            self.stale, self.failed = True, error
            if self._credentials is None:
                raise
        else:
            self.stale = found is None
            self._credentials = found or self._credentials
