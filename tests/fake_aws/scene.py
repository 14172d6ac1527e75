"""The scene that a test sets: streams, roles, leases, time. All of it may be changed while requests arrive."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from tests.fake_aws.accounts import Streams
from tests.fake_aws.clock import ServiceClock
from tests.fake_aws.history import History
from tests.fake_aws.leases import Issue, Leases
from tests.fake_aws.policies import Access, Policies
from tests.fake_aws.signature import Authenticator
from tests.fake_aws.streams import Stream
from tests.fake_aws.sts import Role, Sts
from tests.fake_aws.world import DESTINATION_ACCOUNT, REGION, SOURCE_ACCOUNT, SOURCE_KEYS, WRITER_ROLE, IssueView, Keys


class Scene:
    """A source account with keys, a destination account with a writer role, and no stream yet.

    Every change is under the one lock under which requests are handled.
    """

    def __init__(self, seed: int) -> None:
        self._lock = threading.RLock()
        self.clock = ServiceClock()
        self.history = History()
        self.leases = Leases(self.clock, seed)
        self.access = Access()
        self.streams = Streams(self.access)
        self.sts = Sts(self.clock, self.leases, self.access)
        self.authenticator = Authenticator(self.clock, self.leases, self.history)
        self.admit(SOURCE_KEYS, SOURCE_ACCOUNT)
        self.add_role(WRITER_ROLE)

    # --- streams and roles ---------------------------------------------------------------------------------------

    def create_stream(
        self,
        name: str,
        *,
        shards: int = 1,
        account: str = DESTINATION_ACCOUNT,
        region: str = REGION,
        record_kib: int = 1024,
        strategy: str = "USER_PARTITION_KEY",
        rate_limited: bool = False,
        allowed_accounts: Sequence[str] = (),
        kms_key: str | None = None,
    ) -> str:
        """Create an active stream and give its ARN; `rate_limited` gives its shards their real rates."""
        with self._lock:
            stream = Stream(name, account, region, shards=shards, created_wall=self.clock.wall(), record_kib=record_kib)
            stream.kms_key = kms_key
            self.streams.add(stream)
            self.change_stream(
                stream.arn, strategy=strategy, rate_limited=rate_limited, allowed_accounts=allowed_accounts
            )
            return stream.arn

    def change_stream(
        self,
        stream: str,
        *,
        status: str | None = None,
        strategy: str | None = None,
        record_kib: int | None = None,
        rate_limited: bool | None = None,
        allowed_accounts: Sequence[str] | None = None,
    ) -> None:
        """Change what is given of a stream, named by its name or ARN."""
        with self._lock:
            found = self.streams.find(stream)
            found.status = status or found.status
            found.strategy = strategy or found.strategy
            found.record_kib = record_kib or found.record_kib
            found.rate_limited = found.rate_limited if rate_limited is None else rate_limited
            if allowed_accounts is not None:
                found.allowed_accounts = frozenset(allowed_accounts)

    def limit_rates(self, *, wanted: bool) -> None:
        """Give the shards of streams that are made by a request from now on their real rates, or none."""
        with self._lock:
            self.streams.limits_rates = wanted

    def delete_stream(self, stream: str) -> None:
        """Delete a stream and all that landed in it."""
        with self._lock:
            self.streams.remove(self.streams.find(stream))

    def split_shard(self, stream: str, shard: str, *, at: int | None = None) -> tuple[str, str]:
        """Split a shard, in the middle unless told where; gives the ids of the two."""
        with self._lock:
            found = self.streams.find(stream)
            parent = next(each for each in found.shards if each.id == shard)
            middle = (parent.first_hash + parent.last_hash + 1) // 2
            lower, upper = found.split(parent, middle if at is None else at, self.clock.wall())
            return lower.id, upper.id

    def merge_shards(self, stream: str, shard: str, neighbour: str) -> str:
        """Merge two neighbouring shards; gives the id of the one."""
        with self._lock:
            found = self.streams.find(stream)
            one, other = (next(each for each in found.shards if each.id == name) for name in (shard, neighbour))
            return found.merge(one, other, self.clock.wall()).id

    def shard_ranges(self, stream: str) -> dict[str, tuple[int, int]]:
        """Give the first and last hash key of every shard of a stream, open or closed, by its id."""
        with self._lock:
            return {each.id: (each.first_hash, each.last_hash) for each in self.streams.find(stream).shards}

    def rearrange(self, stream: str, positions: Sequence[int]) -> None:
        """Let a stream hold exactly what stands at these positions now, in this order, as if nothing else had landed."""
        with self._lock:
            self.streams.find(stream).rearrange(positions)

    def add_role(
        self,
        arn: str,
        *,
        trusted_accounts: Sequence[str] = (SOURCE_ACCOUNT,),
        external_id: str | None = None,
        seconds_max: int = 3600,
        web_tokens: Sequence[str] = (),
    ) -> None:
        """Add a role, or replace it."""
        with self._lock:
            self.sts.roles[arn] = Role(
                arn, frozenset(trusted_accounts), external_id, seconds_max, frozenset(web_tokens)
            )

    def remove_role(self, arn: str) -> None:
        """Delete a role; leases of it live on."""
        with self._lock:
            del self.sts.roles[arn]

    def enforce(self, policies: Policies | None) -> None:
        """Let these policies decide who may do what, and nothing else; None: as the fake does by itself."""
        with self._lock:
            self.access.policies = policies

    def know_web_identity(self, token: str, provider_arn: str, claims: Mapping[str, str]) -> None:
        """Say who holds a web identity token, for the policies."""
        with self._lock:
            self.sts.web_identities[token] = (provider_arn, claims)

    # --- leases and time -----------------------------------------------------------------------------------------

    def shape_leases(
        self, *, told_seconds: float | None = None, true_seconds: float | None = None, seconds_min: int = 900
    ) -> None:
        """Say what every lease from now on tells of its life, how long it really lives, and the least to ask for."""
        with self._lock:
            self.sts.told_seconds, self.sts.true_seconds = told_seconds, true_seconds
            self.sts.seconds_min = seconds_min

    def issue(self, role_arn: str = WRITER_ROLE, *, told_seconds: float = 3600, brings_tags: bool = False) -> IssueView:
        """Issue a lease at once, without a request, for a test that wants to sign by itself."""
        with self._lock:
            issue = self.leases.issue(role_arn, "doka-test", told_seconds, told_seconds)
            issue.brings_tags = brings_tags
            return _view(issue)

    def admit(self, keys: Keys, account: str = DESTINATION_ACCOUNT) -> None:
        """Know keys that a test has made; they do not end."""
        with self._lock:
            self.leases.add_user(account, keys)

    def revoke(
        self, code: str = "ExpiredTokenException", *, serial: int | None = None, role_arn: str | None = None
    ) -> list[int]:
        """Have living leases refused with `code` from now on (one, a role's, or all); gives their serials."""
        with self._lock:
            return self.leases.revoke(code, serial=serial, role_arn=role_arn)

    def issues(self) -> list[IssueView]:
        """Give every lease issued so far, in order."""
        with self._lock:
            return [_view(issue) for issue in self.leases.issued]

    def set_skew(self, seconds: float) -> None:
        """Put the service's wall clock so far ahead of this host's; ages are not touched."""
        self.clock.skew_seconds = seconds

    def advance(self, seconds: float) -> None:
        """Let time pass for the service alone: leases age, and this host's clock is behind by as much."""
        self.clock.advance(seconds)

    def verify_signatures(self, *, wanted: bool) -> None:
        """Switch the recomputation of signatures off or on; keys, tokens, dates and ages are always checked."""
        self.authenticator.verify_signatures = wanted


def _view(issue: Issue) -> IssueView:
    return IssueView(
        issue.serial, issue.role_arn, issue.account, issue.access_key, issue.secret_key, issue.token, issue.revoked_with
    )
