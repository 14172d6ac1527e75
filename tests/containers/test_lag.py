"""The lag of a group on a real broker: who reads what, also while nobody does, and what transactions hide."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer

from doka.adapters.kafka.group_lag import LagReading
from doka.adapters.kafka.settings import GroupProtocol
from doka.adapters.system.clock import SystemClock
from doka.domain.commands import CommitOffsets
from doka.domain.events import CommitAnswered, PartitionEnded
from doka.domain.records import TopicPartition
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.test_kafka_log import transact
from tests.integration.kafka.group import member, numbered, produce, settings_for

CLOCK = SystemClock()


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_who_reads_is_told_and_that_nobody_does(kafka_broker: KafkaBroker, protocol: GroupProtocol) -> None:
    """While the member runs it is named; when it is gone its group is as far behind as it left it."""
    topic = kafka_broker.create_topic()
    p0 = TopicPartition(topic, 0)
    produce(kafka_broker.bootstrap_servers, topic, {0: numbered(10)})
    settings = settings_for(kafka_broker.bootstrap_servers, topic, group_protocol=protocol)
    reading = LagReading(settings, CLOCK)

    never = reading.look(settings.group_id, [topic])
    assert (0, False) == (never.members, never.committed_anything)

    with member(settings) as m:
        m.until(lambda: m.records() == 10)
        m.source.commit(CommitOffsets(1, {p0: 4}))
        m.until(lambda: CommitAnswered(1) in m.events)
        running = reading.look(settings.group_id, [topic])
    down = reading.look(settings.group_id, [topic])

    assert (1, 6) == (running.members, running.partitions[0].lag)
    assert (running.partitions[0].owner or "").startswith("doka@")
    assert (0, 6, None) == (down.members, down.partitions[0].lag, down.partitions[0].owner)
    assert (None, True) == (down.partitions[0].trouble, down.partitions[0].waits_since_ms is not None)


def test_what_waits_in_a_transactional_topic_is_said(kafka_broker: KafkaBroker) -> None:
    """Holes that are left are no record, and what an open transaction holds back has no time yet."""
    topic = kafka_broker.create_topic()
    p0 = TopicPartition(topic, 0)
    transact(kafka_broker, topic, commits=1, aborts=1)
    settings = settings_for(kafka_broker.bootstrap_servers, topic)
    reading = LagReading(settings, CLOCK)
    with member(settings) as m:
        m.until(lambda: PartitionEnded(p0, 12) in m.events)
        m.source.commit(CommitOffsets(1, {p0: 5}))
        m.until(lambda: CommitAnswered(1) in m.events)
    (holes,) = reading.look(settings.group_id, [topic]).partitions
    assert (7, None) == (holes.lag, holes.waits_since_ms)
    assert holes.why_no_time == "no record stands there: it was aborted, or compacted away"

    keys = {"bootstrap.servers": kafka_broker.bootstrap_servers, "transactional.id": f"open-{topic}", "log_level": 0}
    producer = Producer(keys)
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, value=b"open", partition=0)
    producer.flush(30)
    try:
        with member(settings) as m:
            m.until(lambda: m.listener.assigned)
            m.source.commit(CommitOffsets(1, {p0: 12}))
            m.until(lambda: CommitAnswered(1) in m.events)
        (waits,) = reading.look(settings.group_id, [topic]).partitions
    finally:
        producer.abort_transaction(30)
    assert (1, None) == (waits.lag, waits.waits_since_ms)
    assert waits.why_no_time == "what stands there waits for a transaction that is open"
