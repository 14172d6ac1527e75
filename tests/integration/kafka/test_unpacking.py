"""One stored batch that unpacks to more than 100 MB, which is a few kB of zeros on disk: what the client makes of it."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.domain.events import RecordsUnreadable
from doka.domain.records import TopicPartition
from tests.integration.kafka.group import member, settings_for

P0 = TopicPartition("orders", 0)
ZEROS = bytes(1_000_000)
RECORDS = 110


@pytest.fixture
def bootstrap_servers(cluster: KafkaCluster, request: pytest.FixtureRequest) -> str:
    """Give a cluster whose partition 0 holds such a batch, packed by the codec that is asked for."""
    producer = Producer(
        {
            "bootstrap.servers": cluster.bootstrap_servers,
            "compression.type": request.param,
            "linger.ms": 5_000,
            "batch.size": 500_000_000,
            "message.max.bytes": 1_000_000_000,
            "queue.buffering.max.kbytes": 2_000_000,
        }
    )
    for _ in range(RECORDS):
        producer.produce("orders", ZEROS, b"key", 0)
    assert 0 == producer.flush(30)
    return cluster.bootstrap_servers


@pytest.mark.parametrize("bootstrap_servers", ["zstd"], indirect=True)
def test_by_zstd_it_cannot_be_read_and_is_told_with_its_offsets(bootstrap_servers: str) -> None:
    """The client refuses it, and goes on behind it by itself: the source tells which offsets that are, and gives none."""
    with member(settings_for(bootstrap_servers, "orders")) as m:
        m.until(lambda: any(isinstance(event, RecordsUnreadable) for event in m.events), what="the unreadable batch")
        (event,) = [event for event in m.events if isinstance(event, RecordsUnreadable)]
        assert (P0, 0, RECORDS) == (event.partition, event.first, event.far)
        assert "Decompression" in event.why
        assert [] == m.offsets(P0)


@pytest.mark.parametrize("bootstrap_servers", ["lz4", "snappy"], indirect=True)
def test_by_other_codecs_it_is_read(bootstrap_servers: str) -> None:
    """The client unpacks it whole, whatever its size."""
    with member(settings_for(bootstrap_servers, "orders")) as m:
        m.until(lambda: m.records() == RECORDS, what="all its records")
        assert list(range(RECORDS)) == m.offsets(P0)
