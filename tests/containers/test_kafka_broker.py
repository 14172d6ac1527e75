"""The broker of the container tests is what they take it for."""

from __future__ import annotations

from confluent_kafka.admin import AdminClient

from tests.containers.kafka_broker import KafkaBroker


def test_a_topic_has_the_partitions_that_were_asked_for(kafka_broker: KafkaBroker) -> None:
    """A created topic is there with all its partitions when create_topic returns."""
    topic = kafka_broker.create_topic(partitions=3)

    seen = AdminClient({"bootstrap.servers": kafka_broker.bootstrap_servers}).list_topics(topic, timeout=10)

    assert list(range(3)) == sorted(seen.topics[topic].partitions)


def test_a_topic_nobody_created_is_missing(kafka_broker: KafkaBroker) -> None:
    """The broker makes no topic by itself, as brokers of production mostly do not."""
    seen = AdminClient({"bootstrap.servers": kafka_broker.bootstrap_servers}).list_topics(timeout=10)

    assert "never-created" not in seen.topics
