"""Topics and partitions that appear under a real broker, by either group protocol: no record of theirs is passed over."""

from __future__ import annotations

import uuid

import pytest
from confluent_kafka.cimpl import NewPartitions

from doka.adapters.kafka.settings import GroupProtocol
from doka.domain.commands import CommitOffsets
from doka.domain.events import CommitAnswered, TopicsMatched
from doka.domain.partitions.start_positions import LogEdge
from doka.domain.records import TopicPartition
from doka.domain.rules import RouteRules
from tests.containers.kafka_broker import KafkaBroker
from tests.integration.kafka.group import member, numbered, produce, settings_for

PROTOCOLS: list[GroupProtocol] = ["classic", "consumer"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_topics_and_partitions_that_appear_are_read_whole(kafka_broker: KafkaBroker, protocol: GroupProtocol) -> None:
    """With `latest`, and with records written before anybody could have found them; then a topic is deleted."""
    servers, prefix = kafka_broker.bootstrap_servers, f"orders-{uuid.uuid4().hex[:8]}"
    first, later = f"{prefix}.eu", f"{prefix}.us"
    kafka_broker.create_topic(name=first)
    produce(servers, first, {0: numbered(10)})
    settings = settings_for(
        servers,
        routes=(RouteRules("orders", frozenset(), "r", patterns=frozenset({f"{prefix}.*"})),),
        discovery_seconds=0.5,
        start_from=LogEdge.LATEST,
        group_protocol=protocol,
    )

    with member(settings) as m:
        m.until(lambda: m.listener.owned == {TopicPartition(first, 0)}, within=60)
        kafka_broker.create_topic(name=later)
        produce(servers, later, {0: numbered(5)})
        admin = kafka_broker.admin()  # which must outlive its questions
        admin.create_partitions([NewPartitions(first, 2)])[first].result(timeout=30)
        produce(servers, first, {0: numbered(1, 10), 1: numbered(7)})
        m.until(lambda: m.records() == 13, within=90)
        m.source.commit(CommitOffsets(1, {TopicPartition(later, 0): 5, TopicPartition(first, 0): 11}))
        m.until(lambda: CommitAnswered(1) in m.events)
        admin.delete_topics([later])[later].result(timeout=30)
        m.until(lambda: TopicPartition(later, 0) not in m.listener.owned, within=60)
        produce(servers, first, {1: numbered(1, 7)})
        m.until(lambda: m.records() == 14, within=60)

    assert [10] == m.offsets(TopicPartition(first, 0))
    assert [*range(8)] == m.offsets(TopicPartition(first, 1))
    assert [*range(5)] == m.offsets(TopicPartition(later, 0))
    brought = [set(event.taken["orders"]) for event in m.events if isinstance(event, TopicsMatched)]
    assert [{first}, {first, later}, {first}] == brought
