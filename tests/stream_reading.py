"""A reader of streams at a stand-in, whose waits take no time: its clock, and the stand-in's, are moved instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from doka.adapters.aws.held_lease import HeldLease
from doka.adapters.aws.kinesis.asking import Asking
from doka.adapters.aws.kinesis.reader import KinesisReader
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.aws.sts.authority import StsAuthority
from doka.adapters.aws.sts.settings import AMBIENT_ROLE, Hop, RoleChain
from doka.adapters.system.clock import SystemClock
from doka.domain.audit.landed import Landed, ShardReached
from doka.domain.limits import NS_PER_SECOND
from doka.domain.rules import RoleRules
from tests.fake_aws import WRITER_ROLE

ROLE = "reader"


class SkippingClock:
    """`domain.ports.Clock`: the true time, and all that was waited for, which took none. `advance` moves the stand-in too."""

    def __init__(self, advance: Callable[[float], None] | None = None) -> None:
        self._clock = SystemClock()
        self._advance = advance
        self._skipped = 0

    def now(self) -> int:
        """Give the steady clock."""
        return self._clock.now() + self._skipped

    def wall(self) -> float:
        """Give the wall clock."""
        return self._clock.wall() + self._skipped / NS_PER_SECOND

    def pause(self, wait: int) -> None:
        """Let so many ns pass."""
        self._skipped += wait
        if self._advance is not None:
            self._advance(wait / NS_PER_SECOND)

    @property
    def skipped_seconds(self) -> float:
        """How long it would have waited."""
        return self._skipped / NS_PER_SECOND


def reader_of(
    url: str, clock: SkippingClock, stream: str = "orders", arn: str | None = None, *, read_share: float = 0.5
) -> KinesisReader:
    """Give the real reader of a stream, with leases of the writer role that STS of the stand-in issues."""
    chains = {
        ROLE: RoleChain(ROLE, "eu-west-1", hops=(Hop(WRITER_ROLE, duration_seconds=900),), sts_endpoint_url=url),
        AMBIENT_ROLE: RoleChain(AMBIENT_ROLE, "eu-west-1", sts_endpoint_url=url),
    }
    leases = HeldLease(
        RoleRules(ROLE),
        StsAuthority(chains, clock),
        clock,
        lambda: 0.5,
        pause=clock.pause,
        request_timeout=10 * NS_PER_SECOND,
    )
    target = StreamTarget("orders", stream, arn, "eu-west-1", url)
    asking = Asking(target, leases, clock, lambda: 0.5, pause=clock.pause)
    return KinesisReader(asking, clock, clock.pause, read_share)


class Collected:
    """What a reading gave: each record once and in its shard's order, or it is no reading."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, bytes, int]] = []
        """Shard, key, data and sequence number of each record, in the order in which they came."""
        self._last: dict[str, int] = {}
        self.reached: dict[str, ShardReached] = {}

    def take(self, event: Landed | ShardReached) -> None:
        """Take what the reader gives next."""
        if isinstance(event, Landed):
            assert event.shard not in self.ended
            numbers = list(map(int, event.sequence_numbers))
            assert numbers == sorted(set(numbers))
            assert self._last.get(event.shard, -1) < numbers[0]
            self._last[event.shard] = numbers[-1]
            shards = [event.shard] * event.count
            self.rows += zip(shards, event.keys, event.data, numbers, strict=True)
            assert event.count == len(event.arrived_ms)
        else:
            self.reached[event.shard] = event

    @property
    def ended(self) -> set[str]:
        """The shards that were read to their ends."""
        return {shard for shard, reached in self.reached.items() if reached.ended}

    @property
    def data(self) -> list[bytes]:
        """The data of all records."""
        return [data for _, _, data, _ in self.rows]


def collect(
    reader: KinesisReader, since_ms: int = 0, until_ms: int | None = None, behind: Mapping[str, str] | None = None
) -> Collected:
    """Read a window to its end, which is now where none is given; every shard of it is read to its end."""
    span = reader.span(since_ms)
    found = Collected()
    for event in reader.read(since_ms, span.now_ms if until_ms is None else until_ms, behind or {}):
        found.take(event)
    assert span.shards.keys() <= found.ended == found.reached.keys()
    return found
