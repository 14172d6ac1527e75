"""A mock cluster for each test: it starts in milliseconds, and no test sees another's groups."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from doka.adapters.embedded.kafka_cluster import KafkaCluster


@pytest.fixture
def cluster() -> Iterator[KafkaCluster]:
    """Give a cluster of one broker with a topic `orders` of two partitions."""
    with KafkaCluster() as running:
        running.create_topic("orders", 2)
        yield running
