"""Records written to a topic, against librdkafka's mock brokers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka import topic_writer
from doka.adapters.kafka.topic_writer import Stored, TopicWriter
from doka.adapters.system.clock import SystemClock
from doka.domain.records import TopicPartition
from tests.dead_letters import Original, read_topic
from tests.integration.kafka.group import settings_for

PRODUCE, MESSAGE_TOO_LARGE = 0, 10
P0 = TopicPartition("mended", 0)


@pytest.fixture
def writer(cluster: KafkaCluster) -> Iterator[TopicWriter]:
    """Give a writer to a topic of one partition."""
    cluster.create_topic("mended", 1)
    writer = TopicWriter(settings_for(cluster.bootstrap_servers, "orders"), "mended", SystemClock())
    yield writer
    writer.close()


def test_each_record_has_its_place_and_is_whole(cluster: KafkaCluster, writer: TopicWriter) -> None:
    """Key, value, headers and timestamp; lot after lot, in their order."""
    own = (("trace", b"1"), ("trace", None))
    assert [Stored(P0, 0), Stored(P0, 1)] == writer.write([Original(b"k", b"v", own), Original(None, None)])
    assert [Stored(P0, 2)] == writer.write([Original()])
    first, second, _ = read_topic(cluster.bootstrap_servers, "mended", 3)
    assert (b"k", b"v", own, 1_700_000_000_123) == (first.key, first.value, tuple(first.headers), first.timestamp_ms)
    assert (None, None) == (second.key, second.value)


def test_what_is_behind_a_record_that_failed_counts_as_failed(cluster: KafkaCluster, writer: TopicWriter) -> None:
    """It may be there all the same; but a key's later record must not pass for done before its earlier one."""
    assert [Stored(P0, 0)] == writer.write([Original()])
    cluster.push_errors(PRODUCE, [MESSAGE_TOO_LARGE])
    assert ["MSG_SIZE_TOO_LARGE"] * 3 == writer.write([Original()] * 3)


def test_a_topic_that_is_missing_is_told(cluster: KafkaCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """By Kafka's name, and nothing is made."""
    monkeypatch.setattr(topic_writer, "GIVEN_UP_NS", 20_000_000_000)
    writer = TopicWriter(settings_for(cluster.bootstrap_servers, "orders"), "nobody-made-it", SystemClock())
    (told,) = writer.write([Original()])
    assert told in {"UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC"}
    writer.close()
