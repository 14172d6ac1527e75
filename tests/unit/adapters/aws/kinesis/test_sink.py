from __future__ import annotations

import logging

import pytest

from doka.adapters.aws.kinesis.sink import KinesisSink
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.system.clock import SystemClock
from doka.domain.commands import SendPut
from doka.domain.errors import InvariantError, UsageError
from doka.domain.events import PutUnsent
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Sink
from tests.unit.adapters.aws.kinesis.leases import make_lease

ORDERS = StreamTarget("orders", "orders", None, "eu-west-1")


def make_put(put: int) -> SendPut:
    """Give a put of one entry."""
    return SendPut(put, "orders", make_lease(), ["k"], [b"v"], NS_PER_SECOND)


def test_a_put_without_an_endpoint_is_unsent_and_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where AWS's rules give no address the put has its answer all the same, and the reason is logged once."""
    monkeypatch.setenv("AWS_ACCOUNT_ID_ENDPOINT_MODE", "required")
    sink: Sink = KinesisSink({"orders": ORDERS}, SystemClock())
    with caplog.at_level(logging.WARNING, "doka.kinesis"):
        for number in range(3):
            sink.submit(make_put(number))
        assert [PutUnsent(number, "no_endpoint") for number in range(3)] == list(sink.answers(0))
    assert [] == list(sink.answers(0))
    sink.close()
    [record] = caplog.records
    assert record.getMessage().startswith("puts of route orders fail (no_endpoint): ")


def test_nothing_is_submitted_to_a_closed_sink() -> None:
    """A put after the close is a broken invariant: it would have no answer, and none is ever given."""
    sink = KinesisSink({"orders": ORDERS}, SystemClock())
    sink.close()
    assert [] == list(sink.answers(NS_PER_SECOND))
    with pytest.raises(InvariantError):
        sink.submit(make_put(1))


def test_an_authority_that_is_not_there_stops_the_sink_at_birth(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong CA path is the operator's error and told before any record is read."""
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(UsageError, match="AWS_CA_BUNDLE"):
        KinesisSink({"orders": ORDERS}, SystemClock())
