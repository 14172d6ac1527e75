"""Ranges of offsets, found and read without a group, against a mock cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from confluent_kafka import KafkaError

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka import log_ranges, range_source
from doka.adapters.kafka.group_commits import committed_by
from doka.adapters.kafka.log_ranges import LogRange, LogRanges
from doka.adapters.kafka.not_told import NotToldError
from doka.adapters.kafka.range_source import RangeSource
from doka.adapters.kafka.settings import MemberSettings
from doka.adapters.kafka.skip_writing import Found, SkipWriting
from doka.adapters.system.clock import SystemClock
from doka.domain.commands import CommitOffsets
from doka.domain.events import CommitAnswered, Event, GapFound, PartitionEnded, RecordsFetched, SkipsOrdered
from doka.domain.limits import NS_PER_MS
from doka.domain.records import TopicPartition
from tests.integration.kafka.group import Listener, member, numbered, produce, settings_for
from tests.integration.kafka.test_skip_writing import ORDER
from tests.waiting import eventually

P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)
CLOCK = SystemClock()
FIND_COORDINATOR = 10


@dataclass
class Reader:
    """A source of ranges with its listener, and all that it has given so far."""

    source: RangeSource
    listener: Listener = field(default_factory=Listener)
    events: list[Event] = field(default_factory=list)

    def turn(self, limit: int = 1000) -> None:
        """Fetch once."""
        self.events += self.source.fetch(limit, 50 * NS_PER_MS)

    def until(self, condition: Callable[[], object], limit: int = 1000) -> None:
        """Fetch until the condition holds."""

        def turned() -> bool:
            self.turn(limit)
            return bool(condition())

        eventually(turned, within=30, what=f"more than {self.events}", every=0)

    def read(self) -> Reader:
        """Fetch until all is read."""
        self.until(lambda: self.source.finished)
        return self

    def offsets(self, partition: TopicPartition = P0) -> list[int]:
        """Give the offsets of a partition, as they came."""
        return [
            offset
            for event in self.events
            if isinstance(event, RecordsFetched) and event.chunk.partition == partition
            for offset in event.chunk.offsets
        ]

    def of(self, kind: type[Event]) -> list[Event]:
        """Give the events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


def asked(partition: TopicPartition, first: int, end: int) -> LogRange:
    """Give a range as it is found where nothing is missing."""
    return LogRange(partition, first, end, 0, 1_000_000)


@contextmanager
def reading(settings: MemberSettings, *ranges: LogRange) -> Iterator[Reader]:
    """Read ranges until the block ends."""
    reader = Reader(RangeSource(settings, ranges, CLOCK))
    reader.source.open(reader.listener)
    try:
        yield reader
    finally:
        reader.source.close()


@pytest.fixture
def settings(cluster: KafkaCluster) -> MemberSettings:
    """Give the settings of a group; its topic has a hundred records in orders[0] and ten in orders[1]."""
    produce(cluster, "orders", {0: numbered(100), 1: numbered(10)})
    return settings_for(cluster.bootstrap_servers, "orders")


def test_partitions_are_given_at_once_and_read_to_the_ends_of_their_ranges(settings: MemberSettings) -> None:
    """The listener has them when `open` returns; nothing comes from outside, and each end is told once."""
    with reading(settings, asked(P0, 10, 20), asked(P1, 0, 10)) as reader:
        assert [{P0: 10, P1: 0}] == reader.listener.assigned
        assert not reader.source.finished
        reader.read()
        for _ in range(3):
            reader.turn()
        assert (list(range(10, 20)), list(range(10))) == (reader.offsets(), reader.offsets(P1))
        assert {PartitionEnded(P0, 20), PartitionEnded(P1, 10)} == set(reader.of(PartitionEnded))
        assert len(reader.of(PartitionEnded)) == 2
    assert [frozenset({P0, P1})] == reader.listener.revoked


def test_records_come_with_their_columns(settings: MemberSettings) -> None:
    """Keys, values and times are those of the records, as the member of the group gives them."""
    with reading(settings, asked(P0, 98, 100)) as reader:
        reader.read()
        (fetched,) = reader.of(RecordsFetched)
        assert isinstance(fetched, RecordsFetched)
        keys_and_values = list(zip(fetched.chunk.keys, fetched.chunk.values, strict=True))
        assert numbered(2, 98) == keys_and_values
        assert fetched.chunk.timestamp_ms > 0


@pytest.mark.parametrize("far", [range_source.FAR_OFFSETS, 1], ids=["read over", "sought"])
def test_a_partition_may_have_several_ranges(
    settings: MemberSettings, monkeypatch: pytest.MonkeyPatch, far: int
) -> None:
    """Each is read, in their order, whether what lies between them is read over or passed by a seek."""
    monkeypatch.setattr(range_source, "FAR_OFFSETS", far)
    ranges = [asked(P0, 40, 42), asked(P0, 3, 5), asked(P0, 4, 7), asked(P0, 90, 100)]
    with reading(settings, *ranges) as reader:
        reader.until(lambda: reader.source.finished, limit=7)
        assert [3, 4, 5, 6, 40, 41, *range(90, 100)] == reader.offsets()
        assert [PartitionEnded(P0, end) for end in (7, 42, 100)] == reader.of(PartitionEnded)


def test_an_empty_range_ends_at_once(settings: MemberSettings) -> None:
    """Where a window holds nothing of a partition, its end is told all the same."""
    with reading(settings, asked(P0, 50, 50), asked(P1, 10, 10)) as reader:
        reader.read()
        assert {PartitionEnded(P0, 50), PartitionEnded(P1, 10)} == set(reader.events)


def test_a_commit_is_answered_and_nothing_is_stored(settings: MemberSettings) -> None:
    """The machine goes on as if it were stored; no group knows of it, that of the client's own name neither."""
    with reading(settings, asked(P0, 0, 100)) as reader:
        reader.read()
        reader.source.commit(CommitOffsets(7, {P0: 100}))
        reader.turn()
        assert CommitAnswered(7) == reader.events[-1]
        own_name = reader.source._settings.group_id
    for group in (settings.group_id, own_name):
        assert {} == committed_by(group, [P0, P1], settings, CLOCK)


def test_it_is_no_member(settings: MemberSettings) -> None:
    """Beside it the group's only member owns everything, and commits as ever."""
    with member(settings) as running:
        running.until(lambda: running.records() == 110)
        with reading(settings, asked(P0, 0, 100)) as reader:
            reader.read()
            running.turn()
        assert ({P0, P1}, []) == (running.listener.owned, running.listener.revoked)


def test_a_refused_group_is_nothing_to_say(
    cluster: KafkaCluster, settings: MemberSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """The client looks for the coordinator of a group that nobody uses, and may be told that it must not."""
    cluster.push_errors(FIND_COORDINATOR, [KafkaError.GROUP_AUTHORIZATION_FAILED] * 50)
    with reading(settings, asked(P0, 0, 100)) as reader:
        reader.read()
        for _ in range(20):
            reader.turn()
        assert (list(range(100)), []) == (reader.offsets(), caplog.messages)


def test_it_pauses_and_resumes_and_seeks(settings: MemberSettings) -> None:
    """As a member's reader does: nothing while paused, everything from the place that was sought."""
    with reading(settings, asked(P0, 0, 100)) as reader:
        reader.source.pause(frozenset({P0}))
        for _ in range(5):
            reader.turn()
        assert [] == reader.offsets()
        reader.source.seek(P0, 90)
        reader.source.resume(frozenset({P0}))
        reader.read()
        assert list(range(90, 100)) == reader.offsets()
        reader.source.seek(P0, 98)
        assert not reader.source.finished
        reader.read()
        assert [*range(90, 100), 98, 99] == reader.offsets()
        reader.source.resume(frozenset({P0}))
        reader.turn()
        assert [*range(90, 100), 98, 99] == reader.offsets()


def test_what_retention_takes_while_it_reads_is_a_gap(cluster: KafkaCluster, settings: MemberSettings) -> None:
    """Told as the member tells it; whoever decides goes on at the log's start, or beyond the range and so to its end."""
    cluster.delete_records("orders", 0, 30)
    with reading(settings, asked(P0, 10, 40)) as reader:
        reader.until(lambda: reader.of(GapFound))
        assert [GapFound(P0, 10, 30, 100)] == reader.of(GapFound)
        reader.source.seek(P0, 30)
        reader.read()
        assert list(range(30, 40)) == reader.offsets()
    with reading(settings, asked(P0, 10, 20)) as reader:
        reader.until(lambda: reader.of(GapFound))
        reader.source.seek(P0, 30)
        reader.read()
        assert ([], PartitionEnded(P0, 30)) == (reader.offsets(), reader.events[-1])


def test_a_gap_between_two_ranges_is_none(
    cluster: KafkaCluster, settings: MemberSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody asked for may be gone."""
    monkeypatch.setattr(range_source, "FAR_OFFSETS", 60)
    with reading(settings, asked(P0, 0, 2), asked(P0, 50, 52)) as reader:
        reader.until(lambda: reader.of(PartitionEnded), limit=2)
        cluster.delete_records("orders", 0, 45)
        reader.source.pause(frozenset({P0}))
        reader.source.resume(frozenset({P0}))
        reader.read()
        assert ([0, 1, 50, 51], []) == (reader.offsets(), reader.of(GapFound))


def test_the_log_counts_as_ending_where_the_last_range_does(settings: MemberSettings) -> None:
    """So nothing is told to wait that nobody wants."""
    with reading(settings, asked(P0, 0, 10), asked(P0, 20, 30)) as reader:
        reader.read()

        def told() -> bool:
            reader.turn()
            return reader.source.status().logs[P0].end is not None

        eventually(told, within=30, what="an end of the log", every=0.05)
        assert (30, True) == (reader.source.status().logs[P0].end, reader.source.status().group.joined)


def test_orders_to_skip_of_the_service_are_told_first(
    settings: MemberSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a person has ordered not to be sent is not sent by who reads it again."""
    monkeypatch.setattr(range_source, "topic_ids", lambda *_arguments: {})
    SkipWriting(settings, CLOCK).order(P0, Found(settings.group_id, 0, 100, None), ORDER)
    with reading(settings, asked(P0, 0, 10)) as reader:
        reader.read()
        assert SkipsOrdered(P0, (ORDER,)) == reader.events[0]


def test_named_offsets_are_cut_to_what_the_log_holds(cluster: KafkaCluster, settings: MemberSettings) -> None:
    """What is gone and what is not written yet is counted; nothing is made up."""
    cluster.delete_records("orders", 0, 30)
    found = LogRanges(settings, CLOCK).of_offsets(
        [(P0, 20, 40), (P0, 0, 10), (P0, 90, 120), (P0, 200, 210), (P1, 0, 10)]
    )
    assert (
        LogRange(P0, 30, 30, 30, 100, gone=10),
        LogRange(P0, 30, 40, 30, 100, gone=10),
        LogRange(P0, 90, 100, 30, 100, unwritten=20),
        LogRange(P0, 100, 100, 30, 100, unwritten=10),
        LogRange(P1, 0, 10, 0, 10),
    ) == found


def test_what_is_not_there_is_said(
    cluster: KafkaCluster, settings: MemberSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A topic, a partition, a cluster: each in a sentence."""
    ranges = LogRanges(settings, CLOCK)
    with pytest.raises(NotToldError, match="topic nowhere does not exist"):
        ranges.of_window(["nowhere"], 0)
    with pytest.raises(NotToldError, match="topic orders has 2 partitions, counted from 0"):
        ranges.of_offsets([(TopicPartition("orders", 2), 0, 1)])
    cluster.set_down()
    monkeypatch.setattr(log_ranges, "ANSWER_SECONDS", 2.0)
    with pytest.raises(NotToldError, match="Kafka did not answer as it should"):
        ranges.of_offsets([(P0, 0, 1)])
