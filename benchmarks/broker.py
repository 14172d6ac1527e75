"""A Kafka to measure against: a real broker where a container engine answers, else the embedded mock cluster."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

# Read by testcontainers when it is imported: what starts here is stopped here, without a reaper image.
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")

import docker
from confluent_kafka.admin import AdminClient
from docker.errors import DockerException

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from tests.containers.kafka_broker import IMAGE, KafkaBroker, running_broker

EMBEDDED = "librdkafka's mock cluster"


class Broker(Protocol):
    """A Kafka with topics that come and go."""

    @property
    def kind(self) -> str:
        """What it is, for whoever reads the figures."""
        ...

    @property
    def bootstrap_servers(self) -> str:
        """Where it is."""
        ...

    @contextlib.contextmanager
    def topic(self, partitions: int) -> Iterator[str]:
        """Have an empty topic until the block ends."""
        ...


@dataclass(frozen=True)
class RealBroker:
    """A broker in a container."""

    broker: KafkaBroker
    kind: str = IMAGE

    @property
    def bootstrap_servers(self) -> str:
        """Where it is."""
        return self.broker.bootstrap_servers

    @contextlib.contextmanager
    def topic(self, partitions: int) -> Iterator[str]:
        """Have an empty topic until the block ends."""
        name = self.broker.create_topic(partitions)
        try:
            yield name
        finally:
            admin = AdminClient({"bootstrap.servers": self.bootstrap_servers})
            admin.delete_topics([name])[name].result(timeout=30)


@dataclass(frozen=True)
class NoBroker:
    """None, for cases that read nothing."""

    kind: str = "no Kafka"
    bootstrap_servers: str = ""

    @contextlib.contextmanager
    def topic(self, partitions: int) -> Iterator[str]:
        """Have no topic."""
        raise LookupError(f"no Kafka has {partitions} partitions")
        yield


@dataclass(frozen=True)
class EmbeddedBroker:
    """The mock cluster, inside this process; it keeps at most 5 MiB or 100,000 batches a partition."""

    cluster: KafkaCluster
    kind: str = EMBEDDED

    @property
    def bootstrap_servers(self) -> str:
        """Where it is."""
        return self.cluster.bootstrap_servers

    @contextlib.contextmanager
    def topic(self, partitions: int) -> Iterator[str]:
        """Have an empty topic until the block ends."""
        name = f"topic-{uuid.uuid4().hex[:12]}"
        self.cluster.create_topic(name, partitions)
        try:
            yield name
        finally:
            self.cluster.delete_topic(name)


@contextlib.contextmanager
def topics_of(broker: Broker, count: int, partitions: int) -> Iterator[Sequence[str]]:
    """Have so many empty topics until the block ends."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(broker.topic(partitions)) for _ in range(count)]


@contextlib.contextmanager
def running_kafka() -> Iterator[Broker]:
    """Run the best Kafka that can be had here until the block ends."""
    if engine_answers():
        with running_broker() as broker:
            yield RealBroker(broker)
    else:
        with KafkaCluster() as cluster:
            yield EmbeddedBroker(cluster)


def engine_answers() -> bool:
    """Whether containers can be run on this machine."""
    with contextlib.suppress(DockerException):
        client = docker.from_env()
        try:
            return bool(client.ping())
        finally:
            client.close()
    return False
