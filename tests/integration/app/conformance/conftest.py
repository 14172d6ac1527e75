"""What the cases are played on here: a stream of the fake AWS, and time that passes when somebody waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from doka.adapters.aws.held_lease import HeldLease
from doka.adapters.aws.kinesis.describer import KinesisDescriber
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.aws.kinesis.trial_stream import TrialStream
from doka.adapters.aws.session import AwsSessions
from doka.adapters.aws.sts.authority import StsAuthority
from doka.adapters.aws.sts.settings import AMBIENT_ROLE, Hop, RoleChain
from doka.adapters.system.clock import SystemClock
from doka.app.conformance.bench import Amounts, Bench, Parts
from doka.domain.commands import DescribeStream
from doka.domain.events import StreamDescribed
from doka.domain.limits import NS_PER_SECOND
from doka.domain.rules import RoleRules
from tests.fake_aws import SOURCE_KEYS, WRITER_ROLE, FakeAws
from tests.fake_aws.fixtures import fake_aws  # noqa: F401 - a fixture
from tests.no_aws import no_aws_around  # noqa: F401 - a fixture

ROUTE, ROLE, STREAM = "orders", "analytics", "doka-conformance-test"
SMALL = Amounts(
    in_turn=5, requests_of_one_key=2, entries_of_one_key=20, burst_requests=3, burst_mib=2, keys=400, rounds=4
)
"""As little as is throttled where a shard has its real rates."""
SESSIONS = AwsSessions()
MakeBench = Callable[..., Bench]


class PassingClock:
    """The system's clock, and all that somebody has waited; the fake's time passes with it."""

    def __init__(self, fake: FakeAws) -> None:
        self._fake = fake
        self._clock = SystemClock()
        self._passed = 0

    def now(self) -> int:
        """Give the steady time, in ns."""
        return self._clock.now() + self._passed

    def wall(self) -> float:
        """Give the time of day, in seconds since the epoch."""
        return self._clock.wall() + self._passed / NS_PER_SECOND

    def wait(self, ns: int) -> None:
        """Let so much pass at once."""
        self._passed += ns
        self._fake.advance(ns / NS_PER_SECOND)


def parts_on(fake: FakeAws) -> Parts:
    """Give what a bench on the fake is put together from; the credentials are those of the environment."""
    clock = PassingClock(fake)
    region: dict[str, Any] = {"region": "eu-west-1", "sts_endpoint_url": fake.url}
    chains = {
        ROLE: RoleChain(ROLE, hops=(Hop(WRITER_ROLE, duration_seconds=900),), **region),
        AMBIENT_ROLE: RoleChain(AMBIENT_ROLE, **region),
    }
    authority = StsAuthority(chains, clock, new_session=SESSIONS)
    leases = HeldLease(
        RoleRules(ROLE), authority, clock, lambda: 0.5, pause=clock.wait, request_timeout=10 * NS_PER_SECOND
    )
    return Parts(clock, leases, lambda: 0.5, clock.wait, SESSIONS, short=(ROLE, authority))


def target_on(fake: FakeAws, name: str = STREAM) -> StreamTarget:
    """Give where a stream of the fake is."""
    return StreamTarget(ROUTE, name, None, "eu-west-1", fake.url)


@pytest.fixture
def parts(fake_aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> Parts:  # noqa: F811 - the fixture
    """Give the parts of a bench, with the source account's keys in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SOURCE_KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SOURCE_KEYS.secret_key)
    return parts_on(fake_aws)


@pytest.fixture
def bench_on(fake_aws: FakeAws, parts: Parts) -> Iterator[MakeBench]:  # noqa: F811 - the fixture
    """Make a bench on a stream of the fake, which is made as the words say; its parts may be changed."""
    with ExitStack() as benches:

        def make(**stream: Any) -> Bench:
            changed = {name: stream.pop(name) for name in ("own", "short") if name in stream}
            fake_aws.create_stream(STREAM, **stream)
            target = target_on(fake_aws)
            clock = parts.clock
            found = KinesisDescriber({ROUTE: target}, clock, SESSIONS).describe(
                DescribeStream(ROUTE, parts.leases.get())
            )
            assert isinstance(found, StreamDescribed)
            made = Bench(TrialStream(target, clock, SESSIONS), found, replace(parts, **changed), SMALL)
            benches.callback(made.close)
            return made

        yield make


@pytest.fixture
def bench(bench_on: MakeBench) -> Bench:
    """Give a bench on a stream as AWS makes one, without a shard's rates."""
    return bench_on()
