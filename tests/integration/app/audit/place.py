"""A pipeline for audits: a mock cluster with a topic, a stand-in's stream, what of the one is in the other, a configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka import range_source
from doka.adapters.kafka.log_ranges import LogRange, LogRanges
from doka.app.audit import planning
from doka.app.audit import sides as audit_sides
from doka.domain.records import TopicPartition
from tests.containers.service import settings
from tests.fake_aws import SOURCE_KEYS, FakeAws
from tests.fake_aws.streams import Origin
from tests.integration.kafka.group import numbered, produce
from tests.integration.kafka.test_skip_writing import commit

GROUP = "doka-orders"
PARTITIONS = {"orders": (0, 1), "letters": (0,)}
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": SOURCE_KEYS.access_key,
    "AWS_SECRET_ACCESS_KEY": SOURCE_KEYS.secret_key,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True)
class Place:
    """A topic `orders` of two partitions, a stream `orders` of two shards, and the file of the settings."""

    kafka: KafkaCluster
    aws: FakeAws
    config: Path

    def fill(self, records: int, *, committed: int | None = None) -> None:
        """Produce so many records to each partition, the same key always to the same one, and commit as many."""
        for partition in (0, 1):
            produce(self.kafka, "orders", {partition: _of(partition, records)})
            if committed != 0:
                end = records if committed is None else committed
                commit(self.kafka, GROUP, KafkaPartition("orders", partition, end))

    def commit(self, records: int) -> None:
        """Commit so many of each partition."""
        for partition in (0, 1):
            commit(self.kafka, GROUP, KafkaPartition("orders", partition, records))

    def land(self, records: int, *, partitions: Sequence[int] = (0, 1)) -> None:
        """Let the first so many records of each partition be in the stream, in their order."""
        for partition in partitions:
            pairs = _of(partition, records)
            self.land_pairs([(key.decode(), value) for key, value in pairs if key is not None and value is not None])

    def land_pairs(self, pairs: Sequence[tuple[str, bytes]]) -> None:
        """Let these be in the stream."""
        stream = self.aws.streams.find("orders")
        keys, data = [key for key, _ in pairs], [value for _, value in pairs]
        origin = Origin("test", 0, 0, self.aws.clock.wall())
        stream.land(list(keys), None, data, stream.route(keys, None), origin)


def _of(partition: int, records: int) -> list[tuple[bytes | None, bytes | None]]:
    pairs = numbered(records, first=partition * 1_000_000)
    return [(b"%d-%b" % (partition, key or b""), value) for key, value in pairs]


@contextmanager
def running_place(folder: Path, **others: dict[str, object]) -> Iterator[Place]:
    """Run a place until the block ends; `others` are merged into the sections of the settings."""
    with KafkaCluster() as kafka, FakeAws() as aws:
        for topic, partitions in PARTITIONS.items():
            kafka.create_topic(topic, len(partitions))
        aws.create_stream("orders", shards=2)
        config = folder / "doka.yaml"
        given = settings(kafka.bootstrap_servers, aws.url, {"orders": "orders"}, group_id=GROUP, **others)
        config.write_text(yaml.safe_dump(given), encoding="utf-8")
        yield Place(kafka, aws, config)


def patch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the mock cluster what it lacks (times, ids of topics), and wait for no record that could become readable."""
    monkeypatch.setattr(LogRanges, "of_window", _whole_logs)
    monkeypatch.setattr(audit_sides, "topic_ids", lambda *_: {})
    monkeypatch.setattr(range_source, "topic_ids", lambda *_: {})
    monkeypatch.setattr(planning, "READABLE_WITHIN_MS", 0)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def _whole_logs(
    self: LogRanges, topics: Iterable[str], since_ms: int, until_ms: int | None = None
) -> Sequence[LogRange]:
    del since_ms, until_ms
    found = self.of_offsets(
        [(TopicPartition(topic, number), 0, 1 << 40) for topic in topics for number in PARTITIONS.get(topic, (0,))]
    )
    return [replace(each, unwritten=0) for each in found]
