"""What only a real broker's log has: transactions, compaction, times, retention by request."""

from __future__ import annotations

import uuid

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient

from doka.adapters.kafka.settings import GroupProtocol
from doka.domain.commands import CommitOffsets
from doka.domain.events import CommitAnswered, GapFound, PartitionEnded, TopicsMissing
from doka.domain.partitions.start_positions import Birth, LogEdge
from doka.domain.records import TopicPartition
from tests.containers.kafka_broker import KafkaBroker
from tests.integration.kafka.group import member, numbered, produce, settings_for
from tests.waiting import eventually

PROTOCOLS: list[GroupProtocol] = ["classic", "consumer"]


def transact(broker: KafkaBroker, topic: str, *, commits: int = 0, aborts: int = 0, each: int = 5) -> None:
    """Write transactions of `each` records to partition 0: first those that commit, then those that abort."""
    producer = Producer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "transactional.id": f"transactions-{uuid.uuid4().hex[:8]}",
            "log_level": 0,
        },
    )
    producer.init_transactions(30)
    for number in range(commits + aborts):
        producer.begin_transaction()
        for place in range(each):
            word = b"committed" if number < commits else b"aborted"
            producer.produce(topic, key=b"%d" % place, value=word, partition=0)
        producer.flush(30)
        if number < commits:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)


def test_the_end_of_a_transactional_topic_lies_behind_its_markers(kafka_broker: KafkaBroker) -> None:
    """Markers have offsets and no records: only the end of the partition completes it, and only what was committed is fed."""
    topic = kafka_broker.create_topic()
    p0 = TopicPartition(topic, 0)
    transact(kafka_broker, topic, commits=2, aborts=1)

    with member(settings_for(kafka_broker.bootstrap_servers, topic)) as m:
        m.until(lambda: PartitionEnded(p0, 18) in m.events)

    assert [*range(5), *range(6, 11)] == m.offsets(p0)
    assert {b"committed"} == {value for chunk in m.chunks() for value in chunk.values}


def test_a_topic_of_aborted_transactions_ends_too(kafka_broker: KafkaBroker) -> None:
    """Where nothing may be fed at all, the end is told all the same: else lag would stand for ever."""
    topic = kafka_broker.create_topic()
    p0 = TopicPartition(topic, 0)
    transact(kafka_broker, topic, aborts=3)

    with member(settings_for(kafka_broker.bootstrap_servers, topic)) as m:
        m.until(lambda: PartitionEnded(p0, 18) in m.events)

    assert not m.offsets(p0)


def test_holes_of_compaction_are_fed_over(kafka_broker: KafkaBroker) -> None:
    """A compacted log misses offsets; every record that is left is fed once, and tombstones come as None."""
    compact = {
        "cleanup.policy": "compact",
        "segment.bytes": "1048576",
        "min.cleanable.dirty.ratio": "0.001",
        "delete.retention.ms": "600000",
        "segment.ms": "100",
    }
    topic = kafka_broker.create_topic(config=compact)
    p0 = TopicPartition(topic, 0)
    produce(kafka_broker.bootstrap_servers, topic, {0: [(b"a", b"%d" % n) for n in range(50)]})
    produce(kafka_broker.bootstrap_servers, topic, {0: [(b"b", b"once"), (b"a", None)]})

    def compacted() -> bool:
        # A segment is rolled, and then cleaned, only when something is written after its time.
        produce(kafka_broker.bootstrap_servers, topic, {0: [(b"c", b"again")]})
        with member(settings_for(kafka_broker.bootstrap_servers, topic)) as probe:
            probe.until(lambda: any(end.partition == p0 for end in probe.ends()))
            return len(probe.offsets(p0)) < probe.ends()[0].offset - 20

    eventually(compacted, within=60, what="compaction", every=0.5)

    with member(settings_for(kafka_broker.bootstrap_servers, topic)) as m:
        m.until(lambda: any(end.partition == p0 for end in m.ends()))

    offsets = m.offsets(p0)
    found = {offset: value for chunk in m.chunks(p0) for offset, value in zip(chunk.offsets, chunk.values, strict=True)}
    assert offsets == sorted(set(offsets))
    assert not set(range(49)) & set(offsets)
    assert (b"once", None) == (found[50], found[51])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_start_from_a_time(kafka_broker: KafkaBroker, protocol: GroupProtocol) -> None:
    """A timestamp begins at the first record at or after it, and at the end where there is none."""
    topic = kafka_broker.create_topic(partitions=2)
    producer = Producer(
        {"bootstrap.servers": kafka_broker.bootstrap_servers, "enable.idempotence": True, "log_level": 0}
    )
    for number in range(10):
        producer.produce(topic, value=b"%d" % number, partition=0, timestamp=1_795_000_000_000 + number * 1000)
        producer.produce(topic, value=b"%d" % number, partition=1, timestamp=1_700_000_000_000)
    assert producer.flush(30) == 0
    settings = settings_for(
        kafka_broker.bootstrap_servers,
        topic,
        start_from=1_795_000_006_500,
        group_protocol=protocol,
    )

    with member(settings) as m:
        m.until(lambda: m.records() == 3)

    assert [{TopicPartition(topic, 0): 7, TopicPartition(topic, 1): 10}] == m.listener.assigned


def test_a_partition_as_old_as_the_group_begins_at_its_birth(kafka_broker: KafkaBroker) -> None:
    """With `latest`, what was written since the group was born is read, what was before is not, and commits keep it."""
    topic = kafka_broker.create_topic(partitions=3)
    p0, p1, p2 = (TopicPartition(topic, number) for number in range(3))
    born_ms = 1_795_000_005_500
    producer = Producer(
        {"bootstrap.servers": kafka_broker.bootstrap_servers, "enable.idempotence": True, "log_level": 0}
    )
    for number in range(10):
        for partition in range(3):
            producer.produce(topic, value=b"v", partition=partition, timestamp=1_795_000_000_000 + number * 1000)
    assert producer.flush(30) == 0
    settings = settings_for(kafka_broker.bootstrap_servers, topic, start_from=LogEdge.LATEST)
    outside = Consumer(
        {"bootstrap.servers": kafka_broker.bootstrap_servers, "group.id": settings.group_id, "log_level": 0},
    )
    born = Birth(born_ms, partitions=2)
    outside.commit(offsets=[KafkaPartition(topic, 0, 9, metadata=str(born))], asynchronous=False)

    with member(settings) as m:
        m.until(lambda: m.listener.assigned)
        m.source.commit(CommitOffsets(1, {p0: 10, p1: 10, p2: 10}))
        m.until(lambda: CommitAnswered(1) in m.events)

    stored = outside.committed([KafkaPartition(topic, number) for number in range(3)], timeout=10)
    outside.close()
    assert [{p0: 9, p1: 6, p2: 0}] == m.listener.assigned
    assert [str(born)] * 3 == [partition.metadata for partition in stored]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_deleted_records_are_a_gap(kafka_broker: KafkaBroker, protocol: GroupProtocol) -> None:
    """Records that were deleted below the reader are told with the log's new start, on a broker as on the mock."""
    topic = kafka_broker.create_topic()
    p0 = TopicPartition(topic, 0)
    produce(kafka_broker.bootstrap_servers, topic, {0: numbered(10)})

    with member(settings_for(kafka_broker.bootstrap_servers, topic, group_protocol=protocol)) as m:
        m.until(lambda: m.records() == 10)
        m.source.pause(frozenset({p0}))
        produce(kafka_broker.bootstrap_servers, topic, {0: numbered(50, 10)})
        admin = AdminClient({"bootstrap.servers": kafka_broker.bootstrap_servers})
        cut = KafkaPartition(topic, 0, 40)
        admin.delete_records([cut])[cut].result(timeout=30)
        m.source.resume(frozenset({p0}))
        m.until(lambda: any(isinstance(event, GapFound) for event in m.events))
        m.source.seek(p0, 40)
        m.until(lambda: m.records() == 30)

    assert GapFound(p0, expected=10, log_start=40, log_end=60) in m.events
    assert [*range(10), *range(40, 60)] == m.offsets(p0)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_missing_topic_is_told_and_cured(kafka_broker: KafkaBroker, protocol: GroupProtocol) -> None:
    """With either group protocol a topic that is not there is told, and read once it was created."""
    there = kafka_broker.create_topic()
    later = f"later-{uuid.uuid4().hex[:8]}"
    produce(kafka_broker.bootstrap_servers, there, {0: numbered(10)})

    with member(settings_for(kafka_broker.bootstrap_servers, there, later, group_protocol=protocol)) as m:
        m.until(lambda: TopicsMissing(frozenset({later})) in m.events and m.records() == 10)
        kafka_broker.create_topic(name=later)
        produce(kafka_broker.bootstrap_servers, later, {0: numbered(5)})
        m.until(lambda: m.records() == 15, within=60)
        m.until(lambda: TopicsMissing(frozenset()) in m.events)

    missing = [event for event in m.events if isinstance(event, TopicsMissing)]
    assert [TopicsMissing(frozenset({later})), TopicsMissing(frozenset())] == missing
