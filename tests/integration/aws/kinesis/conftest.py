"""What the tests of the sink share: a fake Kinesis, sinks that are closed, and an environment without AWS in it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from doka.adapters.aws.kinesis.sink import KinesisSink
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.system.clock import SystemClock
from doka.domain.ports import Clock
from tests.fake_aws import FakeAws, Keys
from tests.no_aws import no_aws_around  # noqa: F401 - a fixture for all of them
from tests.unit.adapters.aws.kinesis.leases import ACCESS_KEY, SECRET_KEY, TOKEN

MakeSink = Callable[..., KinesisSink]


@contextmanager
def running_kinesis(tls: ssl.SSLContext | None = None) -> Iterator[FakeAws]:
    """Run a fake that knows the lease of `make_lease`, has a stream «orders» and keeps what it was asked."""
    with FakeAws(tls=tls, keeps_calls=True) as fake:
        fake.create_stream("orders", record_kib=10_240)
        fake.admit(Keys(ACCESS_KEY, SECRET_KEY, TOKEN))
        yield fake


@pytest.fixture
def kinesis() -> Iterator[FakeAws]:
    """A Kinesis that does what it is told."""
    with running_kinesis() as running:
        yield running


@pytest.fixture
def sink_to() -> Iterator[MakeSink]:
    """Make a sink whose route «orders» goes to this URL (None: to AWS itself), and `others` to theirs; closed at the end."""
    with ExitStack() as sinks:

        def make(url: str | None, *, stream: str = "orders", clock: Clock | None = None, **others: str) -> KinesisSink:
            urls = {"orders": url, **others}
            targets = {route: StreamTarget(route, stream, None, "eu-west-1", at) for route, at in urls.items()}
            sink = KinesisSink(targets, clock or SystemClock())
            sinks.callback(sink.close)
            return sink

        yield make
