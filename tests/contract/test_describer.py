"""The same cases against both adapters of the port `Describer`: Kinesis at the fake AWS, and the simulated one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from doka.domain.commands import DescribeStream
from doka.domain.events import StreamDescribed, StreamRefused
from doka.domain.limits import RECORD_BYTES_DEFAULT
from tests.contract.aws_rigs import ROUTE, AwsRig, each_account

pytest_plugins = ["tests.fake_aws.fixtures"]


@pytest.fixture(params=["kinesis", "simulated"])
def rig(request: pytest.FixtureRequest) -> Iterator[AwsRig]:
    """Give each account in turn."""
    yield from each_account(request)


def described(rig: AwsRig) -> StreamDescribed:
    """Ask for facts that must come."""
    event = rig.describer.describe(DescribeStream(ROUTE, rig.lease()))
    assert isinstance(event, StreamDescribed), event
    return event


def test_an_active_stream_tells_its_facts(rig: AwsRig) -> None:
    """Name, status, record limit and strategy of a stream are told."""
    event = described(rig)
    assert (ROUTE, "ACTIVE", RECORD_BYTES_DEFAULT, True) == (
        event.route,
        event.status,
        event.record_bytes_max,
        event.honours_keys,
    )
    assert event.arn is not None
    assert event.arn.endswith(f":stream/{ROUTE}")
    assert (event.open_shards or 0) > 0


@pytest.mark.parametrize("status", ["CREATING", "UPDATING", "DELETING"])
def test_a_status_is_told_as_it_is(rig: AwsRig, status: str) -> None:
    """A stream that is not active is described all the same, by its status."""
    lease = rig.lease()
    rig.set_status(status)
    event = rig.describer.describe(DescribeStream(ROUTE, lease))
    assert isinstance(event, StreamDescribed)
    assert status == event.status


def test_a_stream_that_ignores_keys_says_so(rig: AwsRig) -> None:
    """The AUTO distribution strategy is told, because order is lost under it."""
    rig.ignore_keys()
    assert described(rig).honours_keys is False


def test_a_stream_that_is_not_there_is_refused(rig: AwsRig) -> None:
    """A missing stream is refused by the service's code, naming the lease that signed."""
    lease = rig.lease()
    rig.delete_stream()
    event = rig.describer.describe(DescribeStream(ROUTE, lease))
    assert isinstance(event, StreamRefused)
    assert (ROUTE, "ResourceNotFoundException", lease.serial) == (event.route, event.code, event.lease)


def test_a_revoked_lease_is_refused(rig: AwsRig) -> None:
    """A lease that the service refuses is told by its code and serial, so that it can be renewed."""
    lease = rig.lease()
    rig.revoke("ExpiredTokenException")
    event = rig.describer.describe(DescribeStream(ROUTE, lease))
    assert isinstance(event, StreamRefused)
    assert ("ExpiredTokenException", lease.serial) == (event.code, event.lease)
