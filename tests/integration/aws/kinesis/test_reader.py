"""Reading a stream back while its readers are throttled, its shards are split, its iterators expire and its leases end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from doka.adapters.aws.kinesis.reader import EDGE_MS
from doka.domain.audit.landed import ShardReached, StreamUnreadableError
from doka.domain.events import LeaseRefused, StreamRefused
from doka.domain.limits import NS_PER_SECOND
from tests.fake_aws import (
    DESTINATION_ACCOUNT,
    SOURCE_KEYS,
    WRITER_ROLE,
    Action,
    Answer,
    FakeAws,
    Garble,
    Refuse,
    Repeat,
    Reset,
)
from tests.fake_aws.history import SKEWED_SIGNATURE
from tests.fake_aws.streams import Origin
from tests.stream_reading import Collected, SkippingClock, collect, reader_of

READS = ("GetRecords", "GetShardIterator", "ListShards")
DENIED = (
    f"User: arn:aws:sts::{DESTINATION_ACCOUNT}:assumed-role/doka-writer/doka is not authorized to perform: "
    "kinesis:GetRecords on resource: orders because no identity-based policy allows the kinesis:GetRecords action"
)


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAws]:
    """A stream «orders» of three shards, and the credentials that lead to its role."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SOURCE_KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SOURCE_KEYS.secret_key)
    with FakeAws() as fake:
        fake.create_stream("orders", shards=3)
        yield fake
        # A host whose clock is wrong signs its first question so.
        assert [] == [each for each in fake.violations() if each.kind != SKEWED_SIGNATURE]


def put(stream: FakeAws, numbers: Sequence[int], size: int = 1) -> list[bytes]:
    """Let numbered records land under a hundred keys, now; gives their data."""
    orders = stream.streams.find("orders")
    keys = [f"k{number % 100}" for number in numbers]
    data = [b"%0*d" % (size, number) for number in numbers]
    orders.land(keys, None, data, orders.route(keys, None), Origin("test", 0, 0, stream.clock.wall()))
    return data


def clock_of(stream: FakeAws) -> SkippingClock:
    """Give a clock that takes the stand-in's along."""
    return SkippingClock(stream.advance)


def in_order(found: Collected) -> bool:
    """Say whether the records of each key came in the order in which they were put."""
    by_key: dict[str, list[int]] = {}
    for _, key, data, _ in found.rows:
        by_key.setdefault(key, []).append(int(data))
    return all(numbers == sorted(numbers) for numbers in by_key.values())


def test_a_window_has_what_arrived_in_it(stream: FakeAws) -> None:
    """What arrived an hour before or after is not read; the moments around its ends may be."""
    put(stream, range(1_000))
    stream.advance(3_600)
    since_ms = round(stream.clock.wall() * 1_000)
    inside = put(stream, range(1_000, 2_000))
    until_ms = round(stream.clock.wall() * 1_000)
    stream.advance(3_600)
    put(stream, range(2_000, 20_000))
    found = collect(reader_of(stream.url, clock_of(stream)), since_ms, until_ms)
    assert inside == sorted(found.data)


def test_a_shard_comes_behind_its_parents(stream: FakeAws) -> None:
    """Whatever was split and merged in the window, the records of each key come in their order, each once."""
    data = put(stream, range(2_000))
    lower, upper = stream.split_shard("orders", "shardId-000000000000")
    data += put(stream, range(2_000, 4_000))
    merged = stream.merge_shards("orders", upper, "shardId-000000000001")
    data += put(stream, range(4_000, 6_000))
    stream.split_shard("orders", merged)
    data += put(stream, range(6_000, 8_000))
    found = collect(reader_of(stream.url, clock_of(stream)))
    assert (sorted(data), True) == (sorted(found.data), in_order(found))
    parents = reader_of(stream.url, clock_of(stream)).span(0).shards
    assert 8 == len(found.ended) == len(parents)
    assert (("shardId-000000000000",), (upper, "shardId-000000000001")) == (parents[lower], parents[merged])


def test_shards_that_closed_before_the_window_are_not_asked(stream: FakeAws) -> None:
    """A parent that closed an hour before holds nothing of the window, and costs no question."""
    put(stream, range(500))
    stream.split_shard("orders", "shardId-000000000000")
    stream.advance(3_600)
    since_ms = round(stream.clock.wall() * 1_000)
    data = put(stream, range(500, 1_000))
    found = collect(reader_of(stream.url, clock_of(stream)), since_ms)
    assert data == sorted(found.data)
    assert "shardId-000000000000" not in found.reached


def test_what_is_split_while_it_is_read_is_read_on(stream: FakeAws) -> None:
    """The children of a shard that closes under the reader are found, and read behind it."""
    data = put(stream, range(5_000), size=1_000)
    clock = clock_of(stream)
    reader = reader_of(stream.url, clock)
    found = Collected()
    events = reader.read(0, reader.span(0).now_ms + 8_000, {})
    for event in events:
        found.take(event)
        if len(found.rows) > 1_000:
            break
    stream.split_shard("orders", "shardId-000000000000")
    data += put(stream, range(5_000, 6_000), size=1_000)
    for event in events:
        found.take(event)
    assert (sorted(data), True, 5) == (sorted(found.data), in_order(found), len(found.ended))


def test_a_shard_gives_its_other_readers_the_rest(stream: FakeAws) -> None:
    """At a share of one half, a shard of the real rates never refuses, and has answered half as often as it can at most."""
    data = put(stream, range(9_000), size=1_000)
    stream.change_stream("orders", rate_limited=True)
    clock = clock_of(stream)
    began = clock.now()
    assert sorted(data) == sorted(collect(reader_of(stream.url, clock)).data)
    seconds = (clock.now() - began) / NS_PER_SECOND
    counts = stream.counts()
    assert 0 == counts["GetRecords:ProvisionedThroughputExceededException"]
    assert counts["GetRecords"] <= 3 * (2.5 * seconds + 1)
    assert 2 <= seconds  # 3 MB of each shard at 1 MiB a second, the last 0.4 MiB of which are not waited for


def test_a_rival_only_makes_it_slower(stream: FakeAws) -> None:
    """Where another reader takes all that a shard gives, the throttled one waits, and misses nothing."""
    data = put(stream, range(3_000), size=1_000)
    for operation in READS:
        stream.inject(Refuse("ProvisionedThroughputExceededException"), on=operation, times=40, fraction=0.7)
    clock = clock_of(stream)
    found = collect(reader_of(stream.url, clock))
    assert (sorted(data), True) == (sorted(found.data), in_order(found))
    assert 0 < stream.counts()["GetRecords:ProvisionedThroughputExceededException"]


@pytest.mark.parametrize(
    "fault",
    [
        Refuse("ExpiredIteratorException"),
        Refuse("InternalFailure", status=500),
        Refuse("", status=503),
        Reset("before"),
        Reset("after"),
        Garble("cut"),
        Garble("not_json"),
        Garble("flipped"),
        Garble("no_records"),
        Answer({"Records": [{"SequenceNumber": "7"}]}),
        Repeat("before"),
    ],
    ids=repr,
)
def test_what_befalls_an_answer_costs_no_record(stream: FakeAws, fault: Action) -> None:
    """A part of all answers is lost, torn, wrong or an old one: each record comes once all the same."""
    data = put(stream, range(3_000), size=300)
    stream.inject(fault, on="GetRecords", times=None, fraction=0.3)
    found = collect(reader_of(stream.url, clock_of(stream)))
    assert (sorted(data), True) == (sorted(found.data), in_order(found))


@pytest.mark.parametrize("operation", ["ListShards", "GetShardIterator"])
@pytest.mark.parametrize("how", ["empty", "not_json"])
def test_an_answer_that_says_nothing_is_asked_for_again(stream: FakeAws, operation: str, how: Any) -> None:
    """No shards and no iterator are not taken for a stream without shards, nor for an end."""
    data = put(stream, range(1_000))
    stream.inject(Garble(how), on=operation)
    found = collect(reader_of(stream.url, clock_of(stream)))
    assert sorted(data) == sorted(found.data)


def test_iterators_that_age_are_asked_for_again(stream: FakeAws) -> None:
    """An iterator lives for five minutes; a reading that may ask every ten goes on behind its last record."""
    data = put(stream, range(3_000), size=300)
    clock = clock_of(stream)
    assert sorted(data) == sorted(collect(reader_of(stream.url, clock, read_share=0.000_4)).data)
    assert 0 < stream.counts()["GetRecords:ExpiredIteratorException"]


def test_leases_end_in_an_hour_long_read(stream: FakeAws) -> None:
    """Each lease lives for a quarter of an hour and is renewed before its end: nothing is signed with one that is over."""
    data = put(stream, range(24_000), size=1_000)
    clock = clock_of(stream)
    found = collect(reader_of(stream.url, clock, read_share=0.001))
    assert sorted(data) == sorted(found.data)
    assert 3_600 < clock.skipped_seconds
    assert clock.skipped_seconds / 900 < len(stream.issues()) < clock.skipped_seconds / 300
    assert 0 == stream.counts()["GetRecords:ExpiredTokenException"]


def test_a_reading_that_retention_overtakes_says_so(stream: FakeAws) -> None:
    """A stream reads on in silence behind what it has deleted, which would look like a loss: the reading ends before that."""
    put(stream, range(24_000), size=1_000)
    clock = clock_of(stream)
    with pytest.raises(
        StreamUnreadableError, match="overtaken_by_retention: the stream deleted what it held of shardId-"
    ):
        collect(reader_of(stream.url, clock, read_share=0.000_02))
    assert 24 * 3_600 <= clock.skipped_seconds <= 30 * 3_600


@pytest.mark.parametrize("code", ["ExpiredTokenException", "UnrecognizedClientException", "AccessDeniedException"])
def test_a_revoked_lease_is_replaced(stream: FakeAws, code: str) -> None:
    """A session that is revoked in the middle costs one question; a denial may be one, and is asked about once."""
    data = put(stream, range(5_000), size=1_000)
    reader = reader_of(stream.url, clock_of(stream))
    found = Collected()
    events = reader.read(0, reader.span(0).now_ms, {})
    for event in events:
        found.take(event)
        if len(found.rows) > 1_000:
            break
    stream.revoke(code)
    for event in events:
        found.take(event)
    assert sorted(data) == sorted(found.data)


def test_a_denied_reader_is_told_at_once(stream: FakeAws) -> None:
    """Who may list but not read learns it from the first answer, with the words that name the action."""
    stream.inject(Refuse("AccessDeniedException", DENIED), on="GetRecords", times=None)
    with pytest.raises(StreamUnreadableError) as raised:
        collect(reader_of(stream.url, clock_of(stream)))
    refusal = raised.value.refusal
    assert isinstance(refusal, StreamRefused)
    assert ("AccessDeniedException", DENIED) == (refusal.code, refusal.message)


def test_a_stream_that_is_not_there_is_told_at_once(stream: FakeAws) -> None:
    """The service's code says it."""
    stream.delete_stream("orders")
    with pytest.raises(StreamUnreadableError, match="ResourceNotFoundException"):
        reader_of(stream.url, clock_of(stream)).span(0)


def test_a_role_that_gives_no_lease_is_told_at_once(stream: FakeAws) -> None:
    """Nobody waits for a trust policy that was never right."""
    stream.add_role(WRITER_ROLE, trusted_accounts=())
    with pytest.raises(StreamUnreadableError) as raised:
        reader_of(stream.url, clock_of(stream)).span(0)
    assert isinstance(raised.value.refusal, LeaseRefused)
    assert "AccessDenied" == raised.value.refusal.code


def test_a_stream_that_stays_away_is_given_up(stream: FakeAws) -> None:
    """After five minutes without an answer the reading ends with the reason, and what was read before stands."""
    put(stream, range(5_000), size=1_000)
    clock = clock_of(stream)
    reader = reader_of(stream.url, clock)
    events = reader.read(0, reader.span(0).now_ms, {})
    for event in events:
        if isinstance(event, ShardReached):
            break
    stream.inject(Refuse("InternalFailure", status=500), on="GetRecords", times=None)
    with pytest.raises(StreamUnreadableError, match="InternalFailure"):
        list(events)
    assert 300 <= clock.skipped_seconds <= 600


@pytest.mark.parametrize("skew", [-7_200, 7_200])
def test_a_clock_that_is_wrong_misses_nothing(stream: FakeAws, skew: float) -> None:
    """The service's time is learned: signatures are dated by it, and the end of the window is judged by it."""
    stream.set_skew(skew)
    data = put(stream, range(2_000))
    found = collect(reader_of(stream.url, clock_of(stream)))
    assert sorted(data) == sorted(found.data)


def test_an_open_shard_is_read_until_the_end_of_the_window(stream: FakeAws) -> None:
    """A window that ends in a moment is waited for: what lands meanwhile is read."""
    clock = clock_of(stream)
    reader = reader_of(stream.url, clock)
    until_ms = reader.span(0).now_ms + 5_000
    events = reader.read(0, until_ms, {})
    found = Collected()
    found.take(next(events))
    data = put(stream, range(1_000))
    for event in events:
        found.take(event)
    assert sorted(data) == sorted(found.data)
    assert 4 <= clock.skipped_seconds <= (5_000 + EDGE_MS) / 1_000
