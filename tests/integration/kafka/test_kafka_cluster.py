"""The embedded cluster keeps what its calls promise, with the librdkafka that is installed."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from tests.integration.kafka.group import member, numbered, produce, settings_for
from tests.timing import quickest, seconds_of

METADATA = 3


def asking(cluster: KafkaCluster) -> Consumer:
    """Give a client that joins nothing."""
    return Consumer({"bootstrap.servers": cluster.bootstrap_servers, "group.id": "asking", "log_level": 0})


@pytest.mark.parametrize("partitions", [1, 7, 64])
def test_a_topic_has_as_many_partitions_as_wanted(partitions: int) -> None:
    """Unlike topics that the mock makes by itself, ours have any number."""
    with KafkaCluster() as cluster:
        cluster.create_topic("t", partitions)
        client = asking(cluster)
        found = client.list_topics("t", timeout=5).topics["t"]
        client.close()

    assert list(range(partitions)) == sorted(found.partitions)


def test_several_brokers_are_named() -> None:
    """Each broker has an address of its own, and clients see all of them."""
    with KafkaCluster(brokers=3) as cluster:
        client = asking(cluster)
        brokers = client.list_topics(timeout=5).brokers
        client.close()
        addresses = cluster.bootstrap_servers.split(",")

    assert sorted(addresses) == sorted(f"{broker.host}:{broker.port}" for broker in brokers.values())


def test_a_group_begins_at_once(cluster: KafkaCluster) -> None:
    """Nobody waits three seconds for further members, as in the mock's own default."""
    produce(cluster, "orders", {0: numbered(1)})

    def begin() -> None:
        with member(settings_for(cluster.bootstrap_servers, "orders")) as m:
            m.until(lambda: m.records() == 1)

    assert quickest(begin, tries=3) < 2


def test_deleted_records_are_gone(cluster: KafkaCluster) -> None:
    """Retention at a call: the log begins where it was told."""
    produce(cluster, "orders", {0: numbered(10)})
    cluster.delete_records("orders", 0, before=6)
    client = asking(cluster)
    ends = client.get_watermark_offsets(KafkaPartition("orders", 0), timeout=5)
    client.close()

    assert (6, 10) == ends


def test_a_deleted_topic_is_unknown(cluster: KafkaCluster) -> None:
    """After its deletion a topic is answered as one that never was."""
    cluster.delete_topic("orders")
    client = asking(cluster)
    error = client.list_topics("orders", timeout=5).topics["orders"].error
    client.close()

    assert error is not None
    assert error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_a_topic_can_be_made_to_fail_and_to_heal(cluster: KafkaCluster) -> None:
    """Metadata of a topic answers the error that was set, until it is taken back."""
    client = asking(cluster)
    cluster.fail_topic("orders", KafkaError.TOPIC_AUTHORIZATION_FAILED)
    refused = client.list_topics("orders", timeout=5).topics["orders"].error
    cluster.fail_topic("orders", 0)
    healed = client.list_topics("orders", timeout=5).topics["orders"].error
    client.close()

    assert refused is not None
    assert (KafkaError.TOPIC_AUTHORIZATION_FAILED, None) == (refused.code(), healed)


def test_pushed_errors_are_answered_once_each(cluster: KafkaCluster) -> None:
    """Errors wait for requests of their kind, and can be taken back."""
    cluster.push_errors(9, [KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.UNKNOWN])
    client = asking(cluster)
    partition = [KafkaPartition("orders", 0)]
    with pytest.raises(KafkaException):
        client.committed(partition, timeout=5)
    cluster.clear_errors(9)
    answer = client.committed(partition, timeout=5)
    client.close()

    assert answer[0].error is None


def test_a_slow_cluster_is_slow(cluster: KafkaCluster) -> None:
    """The delay is added to every answer, and taken away again."""
    client = asking(cluster)
    client.list_topics(timeout=5)
    cluster.set_rtt(300)
    slow = seconds_of(lambda: client.list_topics(timeout=5))
    cluster.set_rtt(0)
    client.close()

    assert slow > 0.25


def test_a_cluster_goes_down_and_up(cluster: KafkaCluster) -> None:
    """While it is down nothing is taken; up again, it has what it had."""
    produce(cluster, "orders", {0: numbered(3)})
    cluster.set_down()
    producer = Producer({"bootstrap.servers": cluster.bootstrap_servers, "log_level": 0, "message.timeout.ms": 300})
    failed: list[object] = []
    producer.produce("orders", value=b"x", partition=0, on_delivery=lambda error, _message: failed.append(error))
    producer.flush(5)
    cluster.set_up()
    client = asking(cluster)
    ends = client.get_watermark_offsets(KafkaPartition("orders", 0), timeout=10)
    client.close()

    assert (0, 3) == ends
    assert failed[0] is not None


def test_what_the_library_refuses_is_told(cluster: KafkaCluster) -> None:
    """A call that cannot be is an error with librdkafka's reason, not a silent nothing."""
    with pytest.raises(OSError, match="the mock cluster refused"):
        cluster.create_topic("orders", 2)


def test_closing_twice_is_closing_once() -> None:
    """A second close does nothing."""
    cluster = KafkaCluster()
    cluster.close()
    cluster.close()
