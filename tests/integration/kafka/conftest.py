"""A mock cluster for each test: it starts in milliseconds, and no test sees another's groups."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from tests.integration.kafka import group


@pytest.fixture
def cluster() -> Iterator[KafkaCluster]:
    """Give a cluster of one broker with a topic `orders` of two partitions."""
    with KafkaCluster() as running:
        running.create_topic("orders", 2)
        yield running


@pytest.fixture(autouse=True)
def _short_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let members have sessions of half the length: the mock cluster lets a group that was left wait that much less."""
    monkeypatch.setattr(group, "SESSION_MS", 3_000)
