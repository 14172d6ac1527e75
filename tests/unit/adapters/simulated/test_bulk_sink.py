from __future__ import annotations

from doka.adapters.simulated.bulk_landings import BulkLandings
from doka.adapters.simulated.bulk_log import BulkLog
from doka.adapters.simulated.bulk_sink import BulkSink
from doka.adapters.simulated.bulk_stream import BulkStream
from doka.adapters.simulated.plan import Plan
from doka.adapters.simulated.world import World
from doka.domain.commands import SendPut
from doka.domain.events import LeaseIssued, PutAnswered, PutRefused
from doka.domain.lease import Lease
from doka.domain.limits import NS_PER_SECOND


def stage() -> tuple[World, BulkLog, BulkLandings, BulkSink, Lease]:
    """Give a world with one bulk log of ten records, a sink, and a lease."""
    world = World(Plan(1, lease_life=60 * NS_PER_SECOND))
    log = BulkLog(next(iter(world.logs)), 0, keys=10, value_bytes=30)
    log.extend(10, world.timeline.now)
    landings = BulkLandings([log])
    landings.wrote(10, world.timeline.now)
    world.streams["s0"] = BulkStream("s0", 1)
    issued = world.tokens.answer("r0", world.timeline.now)
    assert isinstance(issued, LeaseIssued)
    return world, log, landings, BulkSink(world, world.begin_life(), landings), issued.lease


def put(log: BulkLog, lease: Lease) -> SendPut:
    """Give a put of the whole log."""
    _, values, keys = log.columns(0, 10)
    return SendPut(1, "s0", lease, keys, values, NS_PER_SECOND)


def test_what_is_accepted_has_landed() -> None:
    """A put that is answered without a failure is in the landings, every entry of it."""
    _, log, landings, sink, lease = stage()
    sink.submit(put(log, lease))
    (answer,) = sink.answers(NS_PER_SECOND)
    assert PutAnswered(1, {}) == answer
    assert 10 == landings.landed


def test_a_throttled_entry_has_not_landed() -> None:
    """What a shard has no room for is refused and counts nowhere."""
    world, log, landings, sink, lease = stage()
    shard = world.streams["s0"].shards[0]
    shard.records_per_second, shard.records_left = 4, 4.0
    sink.submit(put(log, lease))
    (answer,) = sink.answers(NS_PER_SECOND)
    assert isinstance(answer, PutAnswered)
    assert list(range(4, 10)) == sorted(answer.failed)
    assert 4 == landings.landed


def test_a_put_with_a_token_that_has_ended_lands_nothing() -> None:
    """The authority judges before the stream does."""
    world, log, landings, sink, lease = stage()
    world.tokens.revoke("ExpiredTokenException")
    sink.submit(put(log, lease))
    (answer,) = sink.answers(NS_PER_SECOND)
    assert isinstance(answer, PutRefused)
    assert 0 == landings.landed
