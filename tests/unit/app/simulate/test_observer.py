from __future__ import annotations

from doka.adapters.simulated.bulk_landings import BulkLandings
from doka.adapters.simulated.bulk_log import BulkLog
from doka.adapters.simulated.kinesis import Put
from doka.adapters.simulated.life import Life
from doka.adapters.simulated.plan import Incident, Kind, Plan, Work
from doka.adapters.simulated.timeline import START_NS
from doka.adapters.simulated.world import World
from doka.app.simulate.history import LeaseWindow
from doka.app.simulate.observer import Observer, seconds
from doka.domain.commands import SendPut
from doka.domain.events import LeaseIssued, LeaseRefused, PutAmbiguous, PutAnswered, PutRefused
from doka.domain.lease import Lease, Secrets
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition

TP = TopicPartition("t0", 0)
LEASE = Lease(1, "writer", Secrets("a", "b", "c"), START_NS, START_NS + 3_600 * NS_PER_SECOND)


def watch(records: int = 10) -> tuple[World, Observer, BulkLog]:
    """Give a world with one bulk log of ten records, and its observer."""
    observer = Observer()
    world = World(Plan(1, Work(partitions=1)), observer)
    log = BulkLog(TP, 0, keys=10, value_bytes=30)
    log.extend(records, world.timeline.now)
    landings = BulkLandings([log])
    landings.wrote(records, world.timeline.now)
    observer.attach(world, landings)
    return world, observer, log


def land(observer: Observer, log: BulkLog, first: int, last: int) -> None:
    """Let records land."""
    _, values, keys = log.columns(first, last)
    observer.landings.land(keys, values, (), START_NS, own_keys=True)


def sent(observer: Observer, number: int, entries: int) -> Put:
    """Send a put."""
    command = SendPut(number, "s0", LEASE, ["k"] * entries, [b"v"] * entries, NS_PER_SECOND)
    observer.put_began(command)
    return Put(command, Life(1), "", 0)


def test_a_sample_is_the_state_of_the_world() -> None:
    """Written, landed, committed, lag, and the bytes that the process holds and has not delivered."""
    _, observer, log = watch()
    chunk = log.read(0, 8)
    assert chunk is not None
    observer.sample()
    observer.assigned({TP: 0})
    observer.delivered(chunk)
    land(observer, log, 0, 3)
    observer.commit_stored({TP: 2}, ours=True)
    observer.sample()
    series = observer.series()
    assert ((10, 10), (0, 3), (0, 2), (10, 8)) == (series.produced, series.delivered, series.committed, series.lag)
    assert (0, 5 * log.record_bytes) == series.held_bytes


def test_a_commit_over_what_has_not_landed_is_noted() -> None:
    """Committing what landed is fine; one record more is not."""
    _, observer, log = watch()
    land(observer, log, 0, 3)
    observer.commit_stored({TP: 3}, ours=True)
    assert [] == observer.too_early
    observer.commit_stored({TP: 4}, ours=True)
    assert [(START_NS, TP, 3, 4)] == observer.too_early


def test_refused_puts_are_counted_in_the_step_in_which_they_came() -> None:
    """A column begins with the first refusal of its code, and is as long as the others."""
    _, observer, _ = watch()
    observer.sample()
    observer.put_answered(sent(observer, 1, 2), PutRefused(1, "ExpiredTokenException"))
    observer.sample()
    observer.put_answered(sent(observer, 2, 2), PutRefused(2, "Throttling"))
    observer.put_answered(sent(observer, 3, 2), PutRefused(3, "Throttling"))
    observer.sample()
    assert [("ExpiredTokenException", (0, 1, 0)), ("Throttling", (0, 0, 2))] == [
        (refused.code, refused.counts) for refused in observer.refusals()
    ]
    assert (3, 3) == (observer.puts, observer.puts_refused)


def test_what_may_have_landed_twice_is_explained() -> None:
    """Unknown outcomes, requests in flight at a death, and what a new owner reads again."""
    _, observer, log = watch()
    observer.put_answered(sent(observer, 1, 2), PutAmbiguous(1, "timeout"))
    observer.put_answered(sent(observer, 2, 5), PutAnswered(2, {0: "InternalFailure", 1: "Throttling"}))
    assert (3, 2) == (observer.explained, observer.entries_refused)
    sent(observer, 3, 4)
    observer.died()
    assert 7 == observer.explained
    land(observer, log, 0, 6)
    observer.assigned({TP: 2})
    assert 11 == observer.explained


def test_an_aggregate_counts_by_the_records_in_it() -> None:
    """Three records in two entries are three that may land twice; one refused entry of two records is two."""
    _, observer, log = watch()
    _, values, _ = log.columns(0, 3)
    command = SendPut(1, "s0", LEASE, ["a", "b"], [values[0] + values[1], values[2]], NS_PER_SECOND, None, ["1", "2"])
    put = Put(command, Life(1), "", 0)
    observer.put_began(command)
    observer.put_answered(put, PutAmbiguous(1, "timeout"))
    assert 3 == observer.explained
    observer.put_answered(put, PutAnswered(1, {0: "InternalFailure"}))
    assert 5 == observer.explained


def test_every_answer_of_sts_is_a_window() -> None:
    """The first lease is issued, the next renewed, a refusal has no length; a revoked one ends when it is revoked."""
    world, observer, _ = watch()
    observer.lease_answered(LeaseIssued(LEASE))
    world.timeline.pass_to(START_NS + 60 * NS_PER_SECOND)
    observer.lease_answered(LeaseRefused("writer", "Throttling"))
    observer.lease_answered(LeaseIssued(Lease(2, "writer", LEASE.secrets, 0, START_NS + 7_200 * NS_PER_SECOND)))
    observer.befell(Incident(Kind.TOKENS_REVOKED, 0, 0, 0))
    assert (
        LeaseWindow("writer", "issued", 0.0, 60.0, "revoked (ExpiredTokenException)", 1),
        LeaseWindow("writer", "refused", 60.0, 60.0, "Throttling"),
        LeaseWindow("writer", "renewed", 60.0, 60.0, "revoked (ExpiredTokenException)", 2),
    ) == observer.lease_windows()


def test_what_retention_takes_unread_is_noted() -> None:
    """Records that landed are no loss when they leave the log."""
    _, observer, log = watch()
    land(observer, log, 0, 3)
    observer.removed(TP, range(5), retention=True)
    assert 2 == observer.trimmed


def test_a_moment_is_given_in_seconds() -> None:
    """To the millisecond, after the start."""
    assert 1.235 == seconds(START_NS + 1_234_567_890)
