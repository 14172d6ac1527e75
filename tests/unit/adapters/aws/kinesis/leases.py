"""Leases for tests: fake triples that are easy to look for."""

from __future__ import annotations

from doka.domain.lease import Lease, Secrets

ACCESS_KEY = "AKIAFAKEACCESSKEY"
SECRET_KEY = "fake-secret-key-that-nobody-may-see"
TOKEN = "fake-session-token-that-nobody-may-see"


def make_lease(serial: int = 1, account_id: str | None = None, token: str | None = TOKEN) -> Lease:
    """Give a lease of the role «writer» that does not end."""
    return Lease(serial, "writer", Secrets(ACCESS_KEY, SECRET_KEY, token), 0, None, account_id)
