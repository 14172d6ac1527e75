"""What the fake's STS has issued: every triple carries its serial three times, so that a mixed one is seen exactly."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.fake_aws.clock import NS_PER_SECOND, ServiceClock
from tests.fake_aws.world import Keys

TOKEN_CHARACTERS = 900  # the usual size of a real session token


@dataclass(slots=True, eq=False)
class Issue:
    """One set of credentials: a lease of a role (serial 1 and up), or a user's own keys that do not end (serial 0)."""

    serial: int
    account: str
    arn: str
    access_key: str
    secret_key: str
    token: str | None
    issued_at: int
    told_end: int | None
    """Ns on the service's clock: the end that its owner was told."""
    ends_at: int | None
    """Ns on the service's clock: when it really ends; earlier than told where a test wants that."""
    role_arn: str | None = None
    revoked_with: str | None = None
    """The code that a revoked lease is refused with; None while it is good."""
    session_policy: Mapping[str, Any] | None = None
    source_identity: str | None = None
    brings_tags: bool = False
    """Its session has transitive tags, which every AssumeRole with it passes on."""

    @property
    def is_role_session(self) -> bool:
        """Whether another AssumeRole with it is role chaining."""
        return self.token is not None

    def __repr__(self) -> str:
        return f"Issue({self.serial} of {self.arn})"


class Leases:
    """Every issue by its access key, its token and its serial; none is ever forgotten."""

    def __init__(self, clock: ServiceClock, seed: int) -> None:
        self._clock = clock
        self._seed = seed
        self.issued: list[Issue] = []
        self._by_access_key: dict[str, Issue] = {}
        self._by_token: dict[str, Issue] = {}

    def add_user(self, account: str, keys: Keys) -> None:
        """Know keys that do not end."""
        user = Issue(0, account, f"arn:aws:iam::{account}:user/tester", *keys, self._clock.now(), None, None)
        self._by_access_key[keys.access_key] = user
        if keys.token is not None:
            self._by_token[keys.token] = user

    def issue(self, role_arn: str, session_name: str, told_seconds: float, true_seconds: float) -> Issue:
        """Issue the next triple for a role; it says that it lives `told_seconds` and lives `true_seconds`."""
        serial = len(self.issued) + 1
        account, role_name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
        filler = hashlib.sha512(f"{self._seed}/{serial}".encode()).hexdigest()
        now = self._clock.now()
        issue = Issue(
            serial=serial,
            account=account,
            arn=f"arn:aws:sts::{account}:assumed-role/{role_name}/{session_name}",
            access_key=f"ASIA{serial:016d}",
            secret_key=f"{serial:010d}/{filler[:29]}",
            token=f"{serial:012d}//{filler * 8}"[:TOKEN_CHARACTERS],
            issued_at=now,
            told_end=now + int(told_seconds * NS_PER_SECOND),
            ends_at=now + int(true_seconds * NS_PER_SECOND),
            role_arn=role_arn,
        )
        self.issued.append(issue)
        self._by_access_key[issue.access_key] = issue
        if issue.token is not None:
            self._by_token[issue.token] = issue
        return issue

    def of_access_key(self, access_key: str) -> Issue | None:
        """Find the issue of an access key."""
        return self._by_access_key.get(access_key)

    def of_token(self, token: str) -> Issue | None:
        """Find the issue of a session token."""
        return self._by_token.get(token)

    def all(self) -> list[Issue]:
        """Give every issue and user, for the search after a secret that signed something it should not have."""
        return list(self._by_access_key.values())

    def revoke(self, code: str, *, serial: int | None, role_arn: str | None) -> list[int]:
        """Make living leases be refused with `code` from now on: one, those of a role, or all. Gives their serials."""
        now = self._clock.now()
        chosen = [
            issue
            for issue in self.issued
            if issue.revoked_with is None
            and (issue.ends_at is None or issue.ends_at > now)
            and (serial is None or issue.serial == serial)
            and (role_arn is None or issue.role_arn == role_arn)
        ]
        for issue in chosen:
            issue.revoked_with = code
        return [issue.serial for issue in chosen]
