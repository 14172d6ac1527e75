"""The real service as a process, between a mock cluster and a stand-in for AWS: no container is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from tests.containers.feeding import Feeder, committed, log_ends
from tests.containers.service import DokaProcess, settings
from tests.fake_aws import FakeAws
from tests.waiting import eventually

TOPIC = STREAM = "orders"
GROUP = "doka-service"
PARTITIONS = 4


class World(NamedTuple):
    """A topic, a stream of the same name, and a doka between them that was not started yet."""

    cluster: KafkaCluster
    aws: FakeAws
    feeder: Feeder
    doka: DokaProcess

    @property
    def servers(self) -> str:
        """Where the cluster listens."""
        return self.cluster.bootstrap_servers

    def wait_for_all(self, within: float = 30) -> None:
        """Wait until as many have landed as were produced, and Kafka holds the ends of the log."""
        all_of_them = len(self.feeder.production)
        eventually(lambda: all_of_them <= self.aws.landed_count(STREAM), within=within, what="all records")
        topics = {TOPIC: PARTITIONS}
        ends = log_ends(self.servers, topics)
        assert all_of_them == sum(ends.values())
        eventually(lambda: ends == committed(self.servers, GROUP, topics), within=within, what="all commits", every=0.1)


MakeWorld = Callable[[Mapping[str, Mapping[str, Any]]], World]


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[MakeWorld]:
    """Give what makes a world with these further settings; one a test."""
    with KafkaCluster() as cluster, FakeAws() as aws:
        cluster.create_topic(TOPIC, PARTITIONS)
        aws.create_stream(STREAM, shards=2)
        servers = cluster.bootstrap_servers

        def make(others: Mapping[str, Mapping[str, Any]]) -> World:
            given = settings(servers, aws.url, {TOPIC: STREAM}, group_id=GROUP, **others)
            return World(cluster, aws, Feeder(servers, TOPIC, PARTITIONS), DokaProcess(given, tmp_path))

        yield make
