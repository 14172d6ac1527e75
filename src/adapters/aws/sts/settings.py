"""What a role chain is made of, as values; the application has checked them (alphabets, 3600 s on a chained hop)."""

from __future__ import annotations

from dataclasses import dataclass

AMBIENT_ROLE = "ambient"
"""The role of routes that name none: the credentials this process was given, as boto3 finds them."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One AssumeRole: from the credentials of the hop before it, or from the ambient ones, into `role_arn`."""

    role_arn: str
    external_id: str | None = None
    duration_seconds: int = 3600


@dataclass(frozen=True, slots=True)
class RoleChain:
    """A named way from the ambient credentials into the role that writes; without hops it is the ambient ones.

    `source_identity` is set by the first hop, because it persists through the rest and may not be changed there.
    `tags` and `session_policy` (inline JSON) belong to the last hop: they narrow the session that writes, and would keep
    an earlier one from assuming the next.
    """

    name: str
    region: str
    hops: tuple[Hop, ...] = ()
    session_name: str = "doka"
    source_identity: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    session_policy: str | None = None
    sts_endpoint_url: str | None = None
    """Where STS is, for stand-ins and VPC endpoints; None: the regional endpoint of AWS."""
