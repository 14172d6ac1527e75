"""The relay that adds to the mock cluster what an audit needs: offsets of times, and ids of topics. doka's own questions ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from doka.adapters.embedded.auditable_kafka import AuditableKafka
from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka.client_settings import connection_settings
from doka.adapters.kafka.log_ranges import LogRange, LogRanges
from doka.adapters.kafka.topic_ids import topic_ids
from doka.adapters.system.clock import SystemClock
from doka.domain.records import TopicPartition
from tests.integration.kafka.group import member, settings_for

P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)


@pytest.fixture
def kafka() -> Iterator[KafkaCluster]:
    """Give a cluster of one broker, with records of known times: 0, 10, 20, ... s in one partition, none in the other."""
    with KafkaCluster() as cluster:
        cluster.create_topic("orders", 2)
        producer = Producer({"bootstrap.servers": cluster.bootstrap_servers, "log_level": 0})
        for number in range(100):
            producer.produce("orders", b"%d" % number, partition=0, timestamp=1_000_000 + 10_000 * number)
        assert 0 == producer.flush(30)
        yield cluster


def window(bootstrap_servers: str, since_ms: int, until_ms: int | None = None) -> list[LogRange]:
    """Ask as an audit does."""
    return list(LogRanges(settings_for(bootstrap_servers), SystemClock()).of_window(["orders"], since_ms, until_ms))


def test_a_window_is_that_of_the_records_times(kafka: KafkaCluster) -> None:
    """From the first record as late as the one time to below that of the other, also where no record has just that time."""
    with AuditableKafka(kafka.bootstrap_servers) as relay:
        assert [LogRange(P0, 3, 8, 0, 100), LogRange(P1, 0, 0, 0, 0)] == window(
            relay.bootstrap_servers, 1_030_000, 1_075_000
        )


def test_a_time_before_all_records_is_the_beginning_and_one_behind_them_is_none(kafka: KafkaCluster) -> None:
    """The edges are those of the log."""
    with AuditableKafka(kafka.bootstrap_servers) as relay:
        assert LogRange(P0, 0, 100, 0, 100) == window(relay.bootstrap_servers, 1)[0]
        assert LogRange(P0, 100, 100, 0, 100) == window(relay.bootstrap_servers, 1_990_001)[0]


def test_without_it_no_time_has_an_offset(kafka: KafkaCluster) -> None:
    """Where librdkafka's own brokers learn it, this test fails, and the relay can go."""
    assert LogRange(P0, 100, 100, 0, 100) == window(kafka.bootstrap_servers, 1)[0]


def test_topics_have_ids(kafka: KafkaCluster) -> None:
    """Its controller is its broker, so nobody waits for another, and each topic is told from one that is made anew."""
    with AuditableKafka(kafka.bootstrap_servers) as relay:
        connection = connection_settings(settings_for(relay.bootstrap_servers))
        (first,) = topic_ids(connection, SystemClock(), ("orders",)).values()
        kafka.delete_topic("orders")
        kafka.create_topic("orders", 1)
        (second,) = topic_ids(connection, SystemClock(), ("orders",)).values()

    assert first != second


def test_clients_stay_with_it_and_do_all_else_as_before(kafka: KafkaCluster) -> None:
    """The cluster's address is the relay's, so a member reads all records through it; with it ends the connection."""
    with AuditableKafka(kafka.bootstrap_servers) as relay:
        producer = Producer({"bootstrap.servers": relay.bootstrap_servers, "log_level": 0})
        told = producer.list_topics(timeout=10)
        assert {relay.bootstrap_servers} == {f"{each.host}:{each.port}" for each in told.brokers.values()}
        with member(settings_for(relay.bootstrap_servers, "orders")) as reader:
            reader.until(lambda: reader.records() == 100)
