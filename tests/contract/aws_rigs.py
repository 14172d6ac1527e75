"""The same destination account twice: as the fake AWS behind the real adapters, and as the simulated world."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Protocol

import pytest

from doka.adapters.aws.kinesis.describer import KinesisDescriber
from doka.adapters.aws.kinesis.sink import KinesisSink
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.aws.sts.authority import StsAuthority
from doka.adapters.aws.sts.settings import AMBIENT_ROLE, Hop, RoleChain
from doka.adapters.simulated.describer import SimulatedDescriber
from doka.adapters.simulated.kinesis import SimulatedSink
from doka.adapters.simulated.plan import CALM, Delays, Plan, Rates, Span
from doka.adapters.simulated.stream import Stream
from doka.adapters.simulated.sts import SimulatedAuthority
from doka.adapters.simulated.tokens import triple
from doka.adapters.simulated.world import World
from doka.adapters.system.clock import SystemClock
from doka.domain.commands import SendPut
from doka.domain.lease import Lease, Secrets
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.ports import Authority, Clock, Describer, Sink
from tests.fake_aws import WRITER_ROLE, Delay, FailEntries, FakeAws, Garble, Refuse, Repeat, Reset, Shuffle

ROUTE = "s0"
ROLE = "r0"
TIMEOUT_NS = 10 * NS_PER_SECOND
"""Of a put that is to be answered, on a machine that may be busy: half of it is for the connect."""
SHORT_NS = NS_PER_SECOND
"""Of a put that is not."""


class AwsRig(Protocol):
    """An account with one stream, its weather, and the ports that reach it."""

    clock: Clock
    sink: Sink
    describer: Describer
    authority: Authority

    def lease(self) -> Lease:
        """Issue a lease that lives for an hour."""

    def revoke(self, code: str) -> None:
        """Have every living lease refused with this code from now on."""

    def landed(self) -> list[tuple[str, bytes]]:
        """Give key and data of everything in the stream, in order of arrival."""

    def refuse_key(self, key: str) -> None:
        """Refuse the entries of this key, with the code of a shard that is too hot."""

    def next_put(self, weather: str) -> None:
        """Decide what befalls the next put."""

    def turn_entries_over(self) -> None:
        """Land the entries of puts in another order than theirs from now on."""

    def delete_stream(self) -> None:
        """Take the stream away."""

    def set_status(self, status: str) -> None:
        """Change the stream's status."""

    def ignore_keys(self) -> None:
        """Put the stream into the AUTO distribution strategy."""

    def sts_weather(self, weather: str) -> None:
        """Decide what befalls questions to STS from now on: `down`, `denied` or `good`."""

    def shorten_leases(self, seconds: int) -> None:
        """Let leases live no longer than this from now on."""


class FakeAwsRig:
    """The real adapters, over HTTP, against the fake."""

    def __init__(self, fake: FakeAws) -> None:
        self._fake = fake
        self._serials = itertools.count(1)
        self.arn = fake.create_stream(ROUTE)
        self.clock: Clock = SystemClock()
        targets = {ROUTE: StreamTarget(ROUTE, ROUTE, self.arn, "eu-west-1", fake.url)}
        self.sink: Sink = KinesisSink(targets, self.clock)
        self.describer: Describer = KinesisDescriber(targets, self.clock)
        chain = RoleChain(ROLE, "eu-west-1", hops=(Hop(WRITER_ROLE),), sts_endpoint_url=fake.url)
        ambient = RoleChain(AMBIENT_ROLE, "eu-west-1", sts_endpoint_url=fake.url)
        self.authority: Authority = StsAuthority({ROLE: chain, AMBIENT_ROLE: ambient}, self.clock)

    def lease(self) -> Lease:
        now = self.clock.now()
        return Lease(next(self._serials), ROLE, Secrets(*self._fake.issue().keys), now, now + 3_600 * NS_PER_SECOND)

    def revoke(self, code: str) -> None:
        self._fake.revoke(code)

    def landed(self) -> list[tuple[str, bytes]]:
        return [(record.partition_key or "", record.data) for record in self._fake.landed(ROUTE)]

    def refuse_key(self, key: str) -> None:
        self._fake.inject(FailEntries(keys=[key]), times=None)

    def next_put(self, weather: str) -> None:
        match weather:
            case "throttled":
                self._fake.inject(Refuse("ProvisionedThroughputExceededException"))
            case "failed":
                self._fake.inject(Refuse("InternalFailure", status=500))
            case "reset before":
                self._fake.inject(Reset("during"))
            case "reset after":
                self._fake.inject(Reset("after"))
            case "garbled":
                self._fake.inject(Garble("one_entry_less"))
            case "repeated":
                self._fake.inject(Repeat("before"))
            case "no answer":
                self._fake.inject(Delay(4 * SHORT_NS / NS_PER_SECOND))
            case "unreachable":
                self._fake.drop_connections(idle_only=False)
                self._fake.refuse_connections(wanted=True)
            case _:
                raise AssertionError(weather)

    def turn_entries_over(self) -> None:
        self._fake.inject(Shuffle(), times=None)

    def delete_stream(self) -> None:
        self._fake.delete_stream(ROUTE)

    def set_status(self, status: str) -> None:
        self._fake.change_stream(ROUTE, status=status)

    def ignore_keys(self) -> None:
        self._fake.change_stream(ROUTE, strategy="AUTO")

    def sts_weather(self, weather: str) -> None:
        match weather:
            case "down":
                self._fake.inject(Reset("before"), on="AssumeRole", times=None)
            case "denied":
                self._fake.add_role(WRITER_ROLE, trusted_accounts=())
            case _:
                self._fake.add_role(WRITER_ROLE)

    def shorten_leases(self, seconds: int) -> None:
        self._fake.shape_leases(told_seconds=seconds, true_seconds=seconds)


class SimulatedRig:
    """The simulated adapters, in virtual time."""

    def __init__(self) -> None:
        delays = Delays(put=Span(NS_PER_MS, 3 * NS_PER_MS), answer=Span(NS_PER_MS, 2 * NS_PER_MS))
        self.world = World(Plan(seed=1, delays=delays, incidents=()))
        self.world.rates = Rates()
        self.world.streams[ROUTE] = self._stream = Stream(ROUTE, 64)
        self._life = self.world.begin_life()
        self.clock: Clock = self.world.clock
        self.sink: Sink = SimulatedSink(self.world, self._life)
        self.describer: Describer = SimulatedDescriber(self.world)
        self.authority: Authority = SimulatedAuthority(self.world)

    def lease(self) -> Lease:
        issued = self.world.tokens.answer(ROLE, self.clock.now())
        lease = getattr(issued, "lease", None)
        assert isinstance(lease, Lease)
        assert triple(lease.serial) == lease.secrets
        return lease

    def revoke(self, code: str) -> None:
        self.world.tokens.revoke(code)

    def landed(self) -> list[tuple[str, bytes]]:
        self.world.timeline.pass_to(self.world.timeline.now + 3 * NS_PER_SECOND)
        return [(record.key, record.value) for record in self._stream.landed]

    def refuse_key(self, key: str) -> None:
        self._stream.shard_of(key).hot = True

    def next_put(self, weather: str) -> None:
        names = {
            "throttled": "throttled",
            "failed": "failed_before",
            "reset before": "reset_before",
            "reset after": "reset_after",
            "garbled": "garbled",
            "repeated": "repeated",
            "no answer": "answer_lost",
            "unreachable": "unsent",
        }
        self.world.rates = Rates(**{names[weather]: 1.0})

    def turn_entries_over(self) -> None:
        self.world.rates = Rates(reordered=1.0)

    def delete_stream(self) -> None:
        self._stream.status = None

    def set_status(self, status: str) -> None:
        self._stream.status = status

    def ignore_keys(self) -> None:
        self._stream.honours_keys = False

    def sts_weather(self, weather: str) -> None:
        tokens, never = self.world.tokens, self.clock.now() + 10**6 * NS_PER_SECOND
        tokens.rates = CALM
        tokens.down_until = never if weather == "down" else 0
        tokens.denied_until = never if weather == "denied" else 0

    def shorten_leases(self, seconds: int) -> None:
        self.world.tokens.life = seconds * NS_PER_SECOND


def each_account(request: pytest.FixtureRequest) -> Iterator[AwsRig]:
    """Give the account that a fixture's parameter names: `simulated`, else the fake one behind the real adapters."""
    made: AwsRig
    if request.param == "simulated":
        made = SimulatedRig()
    else:
        fake: FakeAws = request.getfixturevalue("fake_aws")
        made = FakeAwsRig(fake)
    yield made
    made.sink.close()


def put_of(
    rig: AwsRig,
    number: int,
    *entries: tuple[str, bytes],
    lease: Lease | None = None,
    timeout: int = TIMEOUT_NS,
    wants_landings: bool = False,
) -> SendPut:
    """Make the command of one put."""
    keys, values = [key for key, _ in entries], [value for _, value in entries]
    arn = rig.arn if isinstance(rig, FakeAwsRig) else None
    return SendPut(number, ROUTE, lease or rig.lease(), keys, values, timeout, arn, wants_landings=wants_landings)
