"""What a stream says of itself to a command: asked once, with a lease of the route's own role."""

from __future__ import annotations

from doka.adapters.telemetry.sentences import quoted
from doka.domain.commands import DescribeStream
from doka.domain.events import LeaseIssued, LeaseRefused, StreamDescribed, StreamRefused
from doka.domain.ports import Authority, Describer
from doka.domain.rules import RouteRules


def stream_of(
    rules: RouteRules, authority: Authority, describer: Describer
) -> tuple[StreamDescribed | None, str | None]:
    """Give the facts of a route's stream, and why some or all of them are not told, as a clause; None where all are."""
    lease = authority.issue(rules.role)
    if isinstance(lease, LeaseRefused):
        cure = f"; {lease.cure}" if lease.cure else ""
        return None, f"the role {rules.role} gave no credentials: {lease.code}{quoted(lease.message)}{cure}"
    if not isinstance(lease, LeaseIssued):
        return None, f"the role {rules.role} gave no credentials"
    told = describer.describe(DescribeStream(rules.name, lease.lease))
    if isinstance(told, StreamRefused):
        return None, f"the stream could not be described: {told.code}{quoted(told.message)}"
    if not isinstance(told, StreamDescribed):
        return None, "the stream could not be described"
    if not told.honours_keys:
        return told, "the stream's record distribution is AUTO: it takes no notice of keys"
    return told, None if told.shards else "the shards could not be listed: the role needs kinesis:ListShards"
