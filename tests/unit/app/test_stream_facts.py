"""What a stream says of itself to a command."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from doka.app.stream_facts import stream_of
from doka.domain.commands import DescribeStream
from doka.domain.events import Event, LeaseIssued, LeaseRefused, ShardRange, StreamRefused
from tests.unit.domain.builders import described, lease, route_rules

LEASE = lease(7)
SHARDS = (ShardRange("shard-0", 0),)
DESCRIBED = described(shards=SHARDS)


@dataclass
class Aws:
    """Gives these two answers."""

    of_sts: Event
    of_kinesis: Event = DESCRIBED
    asked: DescribeStream | None = None

    def issue(self, _role: str) -> Event:
        """Answer for the role."""
        return self.of_sts

    def describe(self, command: DescribeStream) -> Event:
        """Answer for the stream."""
        self.asked = command
        return self.of_kinesis


def test_all_is_told_with_a_lease_of_the_routes_role() -> None:
    """Then there is nothing to say beside it."""
    aws = Aws(LeaseIssued(LEASE))
    assert (DESCRIBED, None) == stream_of(route_rules(), aws, aws)
    assert DescribeStream("orders", LEASE) == aws.asked


@pytest.mark.parametrize(
    ("aws", "sentence"),
    [
        (
            Aws(LeaseRefused("writer", "AccessDenied", "no trust", cure="check the trust policy")),
            'the role writer gave no credentials: AccessDenied: "no trust"; check the trust policy',
        ),
        (
            Aws(LeaseIssued(LEASE), StreamRefused("orders", "ResourceNotFoundException")),
            "the stream could not be described: ResourceNotFoundException",
        ),
        (
            Aws(LeaseIssued(LEASE), described(shards=SHARDS, honours_keys=False)),
            "the stream's record distribution is AUTO: it takes no notice of keys",
        ),
        (
            Aws(LeaseIssued(LEASE), described()),
            "the shards could not be listed: the role needs kinesis:ListShards",
        ),
    ],
)
def test_what_is_not_told_has_a_reason(aws: Aws, sentence: str) -> None:
    """The credentials, the stream, its shards, or its way with keys."""
    assert sentence == stream_of(route_rules(), aws, aws)[1]
