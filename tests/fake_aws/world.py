"""The small world that every fake starts with, and what a test sees of its leases."""

from __future__ import annotations

from typing import NamedTuple

REGION = "eu-west-1"
SOURCE_ACCOUNT = "111122223333"
DESTINATION_ACCOUNT = "210987654321"
WRITER_ROLE = f"arn:aws:iam::{DESTINATION_ACCOUNT}:role/doka-writer"


class Keys(NamedTuple):
    """Credentials to sign with; `token` is None for those of a user."""

    access_key: str
    secret_key: str
    token: str | None = None


SOURCE_KEYS = Keys("AKIAFAKESOURCE000001", "fake/source/secret/of/the/tester/0000001")


class IssueView(NamedTuple):
    """One lease as a test sees it."""

    serial: int
    role_arn: str | None
    account: str
    access_key: str
    secret_key: str
    token: str | None
    revoked_with: str | None

    @property
    def keys(self) -> Keys:
        """The triple, to sign with."""
        return Keys(self.access_key, self.secret_key, self.token)
