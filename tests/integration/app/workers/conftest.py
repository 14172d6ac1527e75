"""The real service as several processes, between a mock cluster and a stand-in for AWS: no container is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.app.settings.load import settings_from
from doka.app.settings.model import Settings
from doka.app.workers.setup import Setup
from tests.containers.feeding import Feeder, committed, log_ends
from tests.containers.service import DokaProcess, settings
from tests.fake_aws import FakeAws
from tests.integration.app.workers.processes import ended
from tests.waiting import eventually

TOPIC = STREAM = "orders"
GROUP = "doka-workers"
PARTITIONS = 4
WORKERS = 2


class World(NamedTuple):
    """A topic, a stream, and a doka of two workers between them that was not started yet."""

    servers: str
    aws: FakeAws
    feeder: Feeder
    doka: DokaProcess

    def wait_for_shares(self) -> None:
        """Wait until each worker has its half of the partitions."""
        self.wait_for_metric("doka_partitions_owned", lambda owned: [PARTITIONS // WORKERS] * WORKERS == owned)

    def wait_for_metric(self, name: str, holds: Callable[[Sequence[float]], bool]) -> None:
        """Wait until this holds of a metric of the workers, by their numbers; the page may be of a second ago."""
        eventually(
            lambda: holds([self.doka.metric(name, worker=str(number)) for number in range(WORKERS)]),
            within=60,
            what=f"what is to hold of {name}",
            every=0.1,
        )

    def wait_for_all(self) -> None:
        """Wait until as many have landed as were produced, and Kafka holds the ends of the log."""
        count, topics = len(self.feeder.production), {TOPIC: PARTITIONS}
        eventually(lambda: count <= self.aws.landed_count(STREAM), within=60, what="all records")
        ends = log_ends(self.servers, topics)
        eventually(lambda: ends == committed(self.servers, GROUP, topics), within=60, what="all commits", every=0.1)

    def pids(self) -> dict[int, int]:
        """Give the process of each worker, the last one where it was started again."""
        return {line["worker"]: line["pid"] for line in self.doka.lines("worker_started")}

    def assert_nobody_is_left(self) -> None:
        """Assert that every worker that was ever started has ended, at the latest in a few seconds."""
        pids = [line["pid"] for line in self.doka.lines("worker_started")]
        assert len(pids) >= WORKERS
        eventually(lambda: [] == [pid for pid in pids if not ended(pid)], what="the end of every worker", within=30)


class MakeWorld(Protocol):
    """Makes a world with these further settings; further dokas of the same world need names of their own."""

    def __call__(self, others: dict[str, dict[str, Any]], name: str = "doka") -> World: ...


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[MakeWorld]:
    """Give what makes a world with these further settings; one a test."""
    with KafkaCluster() as cluster, FakeAws() as aws:
        cluster.create_topic(TOPIC, PARTITIONS)
        aws.create_stream(STREAM, shards=2)
        servers = cluster.bootstrap_servers

        def make(others: dict[str, dict[str, Any]], name: str = "doka") -> World:
            kafka = {"client": {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}} | others.pop("kafka", {})
            given = settings(servers, aws.url, {TOPIC: STREAM}, group_id=GROUP, kafka=kafka, **others)
            doka = DokaProcess(given, tmp_path, name, options=["--workers", str(WORKERS)])
            return World(servers, aws, Feeder(servers, TOPIC, PARTITIONS), doka)

        yield make


@pytest.fixture
def setup() -> Setup:
    """Give the setup of a worker whose brokers and AWS answer nobody: it runs, waits, and can be stopped."""
    return Setup(lonely_settings(), "pod-1", "json", worker=1, workers=2)


def lonely_settings(**security: str) -> Settings:
    """Give settings whose endpoints are closed ports."""
    given = settings("127.0.0.1:1", "http://127.0.0.1:1", {TOPIC: STREAM}, group_id=GROUP)
    given["kafka"]["security"] |= security
    return settings_from(given, hostname="pod-1")
