"""Sessions of botocore that share what botocore reads from its own files: endpoint rules, models of services.

Each part of doka that talks to AWS has a session of its own, so that none can meet another's credentials or handlers.
What a session reads costs some 8 MiB each time it is read; it is the same for all, and nobody changes it.
"""

from __future__ import annotations

from collections.abc import Callable

from botocore.credentials import CredentialProvider, Credentials
from botocore.loaders import create_loader
from botocore.session import Session

NewSession = Callable[[], Session]
"""Makes a session that is nobody else's; those of one process may share what botocore reads from its own files."""


class AwsSessions:
    """Makes sessions that share nothing but data."""

    def __init__(self) -> None:
        self._loader = create_loader()

    def __call__(self) -> Session:
        """Give a new session; from any thread."""
        session = Session()
        session.register_component("data_loader", self._loader)
        return session


class GivenCredentials(CredentialProvider):
    """The only source of credentials of a session: the object that it was given."""

    METHOD = "doka"
    CANONICAL_NAME = "doka"

    def __init__(self, credentials: Credentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> Credentials:
        """Give the object, whatever the environment holds."""
        return self._credentials
