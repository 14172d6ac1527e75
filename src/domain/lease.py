"""A lease: one set of temporary credentials with its end, as one immutable object.

Nothing else in doka holds credentials.
A request is signed with exactly one lease, resolved when it is sent, so no request can ever mix two issues,
and a request in flight keeps the lease that it left with.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secrets:
    """The triple that signs; it prints as nothing, and only the signer reads it."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Lease:
    """Credentials of one issue, from `issued_at` until `ends_at` (ns of `ports.Clock.now`).

    `issued_at` is taken before the request for them was sent, so that delay can only shorten a lease.
    `ends_at` is None for credentials that do not end (a static access key).
    """

    serial: int
    role: str
    secrets: Secrets
    issued_at: int
    ends_at: int | None
    account_id: str | None = None

    @property
    def life(self) -> int | None:
        """How long the lease lives in all, in ns; None for ever."""
        return None if self.ends_at is None else self.ends_at - self.issued_at
