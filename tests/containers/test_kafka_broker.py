"""The broker of the container tests is what they take it for."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from tests.containers import class_archive
from tests.containers.feeding import log_starts
from tests.containers.kafka_broker import KafkaBroker
from tests.waiting import eventually


def test_a_topic_has_the_partitions_that_were_asked_for(kafka_broker: KafkaBroker) -> None:
    """A created topic is there with all its partitions when create_topic returns."""
    topic = kafka_broker.create_topic(partitions=3)

    seen = AdminClient({"bootstrap.servers": kafka_broker.bootstrap_servers}).list_topics(topic, timeout=10)

    assert list(range(3)) == sorted(seen.topics[topic].partitions)


def test_a_topic_nobody_created_is_missing(kafka_broker: KafkaBroker) -> None:
    """The broker makes no topic by itself, as brokers of production mostly do not."""
    seen = AdminClient({"bootstrap.servers": kafka_broker.bootstrap_servers}).list_topics(timeout=10)

    assert "never-created" not in seen.topics


def test_no_record_goes_for_its_age(kafka_broker: KafkaBroker) -> None:
    """A record of 2023 outlives two rounds in which the broker deletes what a topic of its own wants deleted."""
    kept, taken = kafka_broker.create_topic(), kafka_broker.create_topic(config={"retention.ms": "1000"})
    _produce_of_2023(kafka_broker, kept)
    for deleted in (1, 2):
        _produce_of_2023(kafka_broker, taken)
        _wait_for_start(kafka_broker, taken, deleted)
    assert {(kept, 0): 0} == log_starts(kafka_broker.bootstrap_servers, {kept: 1})


def test_its_classes_are_read_from_an_archive(kafka_broker: KafkaBroker) -> None:
    """Where this image lets one be made: a file that is there and that Java does not take would help nobody, in silence."""
    if not list(class_archive.FOLDER.glob("*.jsa")):
        pytest.skip("this image has an archive of its own, or can have none")
    code, found = kafka_broker.container.exec(["sh", "-c", f"grep -h -m 1 {class_archive.INSIDE}/ /proc/[0-9]*/maps"])
    assert (0, True) == (code, b".jsa" in found)


def _wait_for_start(broker: KafkaBroker, topic: str, offset: int) -> None:
    def there() -> bool:
        return log_starts(broker.bootstrap_servers, {topic: 1}) == {(topic, 0): offset}

    eventually(there, within=60, what=f"a log of {topic} that begins at {offset}", every=0.1)


def _produce_of_2023(broker: KafkaBroker, topic: str) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0})
    producer.produce(topic, b"v", timestamp=1_700_000_000_123)
    assert 0 == producer.flush(30)
