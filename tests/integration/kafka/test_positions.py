"""Where reading begins, and what happens where the log does not hold the next offset."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from confluent_kafka import Consumer, KafkaError
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.domain.commands import CommitOffsets
from doka.domain.events import CommitAnswered, GapFound, TopicsMissing
from doka.domain.partitions.start_positions import LogEdge, StartFrom
from doka.domain.records import TopicPartition
from tests.integration.kafka.group import Member, member, numbered, produce, settings_for
from tests.waiting import eventually

P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)
BOTH = {P0, P1}
OFFSET_FETCH, OFFSET_COMMIT = 9, 8  # kinds of requests in Kafka's protocol


def stored(cluster: KafkaCluster, group: str, topic: str = "orders", partitions: int = 2) -> dict[int, int]:
    """Read what the group has committed, by a client that is no member."""
    client = Consumer({"bootstrap.servers": cluster.bootstrap_servers, "group.id": group, "log_level": 0})
    try:
        answer = client.committed([KafkaPartition(topic, number) for number in range(partitions)], timeout=5)
        return {partition.partition: partition.offset for partition in answer if partition.offset >= 0}
    finally:
        client.close()


@pytest.mark.parametrize(
    ("start_from", "expected"), [(LogEdge.EARLIEST, {P0: 3, P1: 0}), (LogEdge.LATEST, {P0: 10, P1: 20})]
)
def test_a_new_group_begins_where_it_was_told(
    cluster: KafkaCluster,
    start_from: StartFrom,
    expected: Mapping[TopicPartition, int],
) -> None:
    """The beginning and the end of each log are resolved to numbers, and these are committed at once."""
    produce(cluster, "orders", {0: numbered(10), 1: numbered(20)})
    cluster.delete_records("orders", 0, before=3)
    settings = settings_for(cluster.bootstrap_servers, "orders", start_from=start_from)

    with member(settings) as m:
        m.until(lambda: m.listener.owned == BOTH)
        wanted = {partition.partition: offset for partition, offset in expected.items()}
        m.until(lambda: stored(cluster, settings.group_id) == wanted)

    assert [expected] == m.listener.assigned
    assert not [event for event in m.events if isinstance(event, CommitAnswered)]


def test_committed_offsets_come_before_start_from(cluster: KafkaCluster) -> None:
    """A group goes on where it was, whatever `start_from` says."""
    produce(cluster, "orders", {0: numbered(10), 1: numbered(20)})
    settings = settings_for(cluster.bootstrap_servers, "orders", start_from=LogEdge.LATEST, group_protocol="consumer")
    with member(settings) as m:
        m.until(lambda: m.listener.owned == BOTH)
        m.source.commit(CommitOffsets(1, {P0: 4, P1: 7}))
        m.until(lambda: CommitAnswered(1) in m.events)

    with member(settings) as m:
        m.until(lambda: m.records() == 6 + 13)

    assert [{P0: 4, P1: 7}] == m.listener.assigned


def test_a_partition_that_was_added_is_read_from_its_beginning(cluster: KafkaCluster) -> None:
    """Beside a committed partition an uncommitted one is new: with `latest` too nothing of it is skipped."""
    produce(cluster, "orders", {0: numbered(10), 1: numbered(20)})
    settings = settings_for(cluster.bootstrap_servers, "orders", start_from=LogEdge.LATEST)
    client = Consumer({"bootstrap.servers": cluster.bootstrap_servers, "group.id": settings.group_id, "log_level": 0})
    client.commit(offsets=[KafkaPartition("orders", 0, 10)], asynchronous=False)
    client.close()

    with member(settings) as m:
        m.until(lambda: len(m.offsets(P1)) == 20)

    assert [{P0: 10, P1: 0}] == m.listener.assigned


def test_committed_offsets_are_asked_for_again_until_they_come(cluster: KafkaCluster) -> None:
    """A coordinator that cannot answer yet is no reason to begin anywhere else."""
    produce(cluster, "orders", {0: numbered(10), 1: numbered(20)})
    settings = settings_for(cluster.bootstrap_servers, "orders", start_from=LogEdge.LATEST, group_protocol="consumer")
    with member(settings) as m:
        m.until(lambda: m.listener.owned == BOTH)
        m.source.commit(CommitOffsets(1, {P0: 4, P1: 7}))
        m.until(lambda: CommitAnswered(1) in m.events)
    refused = [KafkaError.UNKNOWN, KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.COORDINATOR_LOAD_IN_PROGRESS]
    cluster.push_errors(OFFSET_FETCH, refused * 3)

    with member(settings) as m:
        m.until(lambda: m.listener.owned == BOTH, within=30)

    assert [{P0: 4, P1: 7}] == m.listener.assigned


def test_a_start_that_was_not_stored_is_committed_again(cluster: KafkaCluster) -> None:
    """With `latest` an unstored start would be a later one after a crash, so it is sent until Kafka has it."""
    produce(cluster, "orders", {0: numbered(10), 1: numbered(20)})
    settings = settings_for(cluster.bootstrap_servers, "orders", start_from=LogEdge.LATEST)
    cluster.push_errors(OFFSET_COMMIT, [KafkaError.INVALID_COMMIT_OFFSET_SIZE] * 2)

    with member(settings) as m:
        m.until(lambda: stored(cluster, settings.group_id) == {0: 10, 1: 20})

    assert not [event for event in m.events if isinstance(event, CommitAnswered)]


def gap_of(m: Member) -> GapFound:
    """Turn until a gap is told."""
    m.until(lambda: any(isinstance(event, GapFound) for event in m.events))
    return next(event for event in m.events if isinstance(event, GapFound))


def test_records_that_left_the_log_are_a_gap(cluster: KafkaCluster) -> None:
    """When retention overtook the group it is told, the other partition goes on, and a seek steps over it."""
    produce(cluster, "orders", {0: numbered(100), 1: numbered(20)})
    settings = settings_for(cluster.bootstrap_servers, "orders", group_protocol="consumer")
    with member(settings) as m:
        m.until(lambda: m.listener.owned == BOTH)
        m.source.commit(CommitOffsets(1, {P0: 5}))
        m.until(lambda: CommitAnswered(1) in m.events)
    cluster.delete_records("orders", 0, before=40)

    with member(settings) as m:
        gap = gap_of(m)
        m.until(lambda: len(m.offsets(P1)) == 20)
        before = m.offsets(P0)
        m.source.seek(P0, gap.log_start)
        m.until(lambda: len(m.offsets(P0)) == 60)

    assert GapFound(P0, expected=5, log_start=40, log_end=100) == gap
    assert (before, list(range(40, 100))) == ([], m.offsets(P0))


def test_an_offset_above_the_log_is_a_gap(cluster: KafkaCluster) -> None:
    """A topic that was made anew is shorter than what was committed: told, never taken for its end."""
    produce(cluster, "orders", {0: numbered(10)})
    settings = settings_for(cluster.bootstrap_servers, "orders", group_protocol="consumer")
    with member(settings) as m:
        m.until(lambda: m.listener.owned == BOTH)
        m.source.commit(CommitOffsets(1, {P0: 5000}))
        m.until(lambda: CommitAnswered(1) in m.events)

    with member(settings) as m:
        gap = gap_of(m)

    assert GapFound(P0, expected=5000, log_start=0, log_end=10) == gap


def test_retention_while_reading_is_a_gap_too(cluster: KafkaCluster) -> None:
    """A partition that was paused while its records left the log tells the gap when it is resumed."""
    produce(cluster, "orders", {0: numbered(10)})

    with member(settings_for(cluster.bootstrap_servers, "orders")) as m:
        m.until(lambda: m.records() == 10)
        m.source.pause(frozenset({P0}))
        produce(cluster, "orders", {0: numbered(50)})
        cluster.delete_records("orders", 0, before=30)
        m.source.resume(frozenset({P0}))
        gap = gap_of(m)

    assert (10, 30) == (gap.expected, gap.log_start)


def test_brokers_that_go_and_come_back_cost_nothing(cluster: KafkaCluster) -> None:
    """After an outage reading goes on at the next offset, and commits are answered."""
    produce(cluster, "orders", {0: numbered(100), 1: numbered(100)})

    with member(settings_for(cluster.bootstrap_servers, "orders")) as m:
        m.until(lambda: m.records() == 200)
        cluster.set_down()
        m.source.commit(CommitOffsets(1, {P0: 100}))
        for _ in range(10):
            m.turn()
        cluster.set_up()
        produce(cluster, "orders", {0: numbered(50), 1: numbered(50)})
        m.until(lambda: len(set(m.offsets(P0))) == 150 and len(set(m.offsets(P1))) == 150, within=60)
        m.until(lambda: [event for event in m.events if isinstance(event, CommitAnswered)], within=60)

    assert m.offsets(P0) == list(range(150))
    assert m.offsets(P1) == list(range(150))


def test_a_missing_topic_is_told_and_its_cure_too(cluster: KafkaCluster) -> None:
    """A topic that does not exist is told once, stops no other, and is read when somebody creates it."""
    produce(cluster, "orders", {0: numbered(10)})

    often = {"session.timeout.ms": 3000, "heartbeat.interval.ms": 300, "topic.metadata.refresh.interval.ms": 1_000}
    with member(settings_for(cluster.bootstrap_servers, "orders", "payments", client=often)) as m:
        m.until(lambda: TopicsMissing(frozenset({"payments"})) in m.events and m.records() == 10)
        cluster.create_topic("payments", 1)
        produce(cluster, "payments", {0: numbered(5)})
        m.until(lambda: m.records() == 15, within=60)

    missing = [event for event in m.events if isinstance(event, TopicsMissing)]
    assert [TopicsMissing(frozenset({"payments"})), TopicsMissing(frozenset())] == missing


def test_a_member_that_polled_too_late_loses_and_recovers(cluster: KafkaCluster) -> None:
    """Partitions lost to a missed poll come by `lost`, never by `revoked`, and are read on from what was committed."""
    produce(cluster, "orders", {0: numbered(10), 1: numbered(10)})
    client = {"session.timeout.ms": 1000, "heartbeat.interval.ms": 100, "max.poll.interval.ms": 1000}
    settings = settings_for(cluster.bootstrap_servers, "orders", client=client, drain_seconds=0.4)

    with member(settings) as m:
        m.until(lambda: m.records() == 20)
        m.source.commit(CommitOffsets(1, {P0: 10, P1: 4}))
        m.until(lambda: CommitAnswered(1) in m.events)
        # Each turn comes later than the poll interval (and librdkafka's half a second between two looks) allows.
        eventually(lambda: [m.turn(), m.listener.lost][1], within=20, what="a loss", every=2)
        m.until(lambda: len(m.listener.assigned) == 2, within=30)
        m.until(lambda: len(m.offsets(P1)) == 16, within=30)

    assert [frozenset(BOTH)] == m.listener.lost
    assert m.listener.assigned[1] == {P0: 10, P1: 4}
    assert m.offsets(P1) == [*range(10), *range(4, 10)]
