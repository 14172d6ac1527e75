"""A container of 256 MiB is enough for what it is promised to be enough for: headers, needed or not, and compression.

The service of this checkout runs in a container that sees this host's files, so that the kernel counts and kills as it
does in a pod; `ulimit` would count address space, which is another thing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import Producer
from testcontainers.core.container import DockerContainer

from benchmarks.contenders import peak_rss_mib
from tests.containers.feeding import committed
from tests.containers.kafka_broker import IMAGE, KafkaBroker
from tests.containers.service import settings
from tests.fake_aws import SOURCE_KEYS, FakeAwsProcess
from tests.waiting import eventually
from tests.warm import DOKA

pytest_plugins = ["tests.fake_aws.fixtures"]

MEMORY = "256m"
PEAK_MIB = 215  # the rest is for another machine, another allocator, several brokers
PARTITIONS = 2
SECONDS = 240.0
IN_256_MIB: Mapping[str, Any] = {"held_mib": 64}  # the default
UNPACKS = 500_000  # records of 9 B, a MB of them in a batch: 0.9 MB in the log
WITH_HEADERS = 20_000  # records with 100 headers of 100 B: 230 MB in the log
HEADERS: list[tuple[str, str | bytes | None]] = [(f"header-{number:02}", b"v" * 100) for number in range(100)]


@contextlib.contextmanager
def in_a_container(given: Mapping[str, Any], folder: Path) -> Iterator[DockerContainer]:
    """Run the service in a container of so much memory until the block ends."""
    config = folder / "doka.yaml"
    config.write_text(yaml.safe_dump(dict(given)), encoding="utf-8")
    environment = {
        "AWS_ACCESS_KEY_ID": SOURCE_KEYS.access_key,
        "AWS_SECRET_ACCESS_KEY": SOURCE_KEYS.secret_key,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    container = DockerContainer(IMAGE, env=environment)
    container.with_volume_mapping("/", "/host", "ro")
    container.with_kwargs(
        entrypoint=["chroot", "/host", str(DOKA), "run", "--config", str(config)],
        mem_limit=MEMORY,
        memswap_limit=MEMORY,
        network_mode="host",
        user="root",
    )
    container.start()
    try:
        yield container
    finally:
        container.stop()


def forwards_all(
    broker: KafkaBroker, aws: FakeAwsProcess, topic: str, records: int, folder: Path, **route: str
) -> None:
    """Let a service forward the topic to its end, and see that it stayed below `PEAK_MIB` all the time."""
    aws.create_stream(topic, shards=4)
    given = settings(broker.bootstrap_servers, aws.url, {topic: topic}, group_id=topic, limits=IN_256_MIB)
    given["routes"][0] |= route
    with in_a_container(given, folder) as container:
        wrapped = container.get_wrapped_container()
        peak = 0.0

        def done() -> bool:
            nonlocal peak
            wrapped.reload()
            assert "running" == wrapped.status, (wrapped.attrs["State"], container.get_logs()[0][-2_000:])
            peak = peak_rss_mib(wrapped.attrs["State"]["Pid"])
            ends = committed(broker.bootstrap_servers, topic, {topic: PARTITIONS})
            return records == sum(ends.values())

        eventually(done, within=SECONDS, what=f"commits of all {records} records", every=0.2)
    assert records == aws.landed_count(topic)
    assert peak <= PEAK_MIB, f"{peak:.0f} MiB were resident"


def test_a_batch_that_unpacks_to_a_hundred_times_its_size_fits(
    kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path
) -> None:
    """Tiny records in well compressed batches of a MB: one answer held so many of them that it could not be unpacked."""
    topic = kafka_broker.create_topic(PARTITIONS)
    producer = Producer(
        {
            "bootstrap.servers": kafka_broker.bootstrap_servers,
            "compression.type": "zstd",
            "batch.size": 1_000_000,
            "batch.num.messages": 1_000_000,
            "linger.ms": 500,
            "queue.buffering.max.messages": 2 * UNPACKS,
            "log_level": 0,
        }
    )
    for number in range(UNPACKS):
        producer.produce(topic, b"%09d" % (number % 1_000), b"k%d" % (number % 100), number % PARTITIONS)
    assert 0 == producer.flush(SECONDS)

    forwards_all(kafka_broker, fake_aws_process, topic, UNPACKS, tmp_path)


@pytest.mark.parametrize(
    ("compression", "route"),
    [("none", {}), ("zstd", {}), ("zstd", {"partition_key": "header:key"})],
    ids=["dropped", "compressed and dropped", "compressed and held"],
)
def test_large_headers_fit(
    kafka_broker: KafkaBroker,
    fake_aws_process: FakeAwsProcess,
    tmp_path: Path,
    compression: str,
    route: Mapping[str, str],
) -> None:
    """A record of 9 B with 10 KB of headers is a record of 10 KB as long as it has them: always, where they are needed."""
    topic = kafka_broker.create_topic(PARTITIONS)
    producer = Producer(
        {
            "bootstrap.servers": kafka_broker.bootstrap_servers,
            "compression.type": compression,
            "linger.ms": 50,
            "queue.buffering.max.messages": 10_000,
            "log_level": 0,
        }
    )
    for number in range(WITH_HEADERS):
        headers = [*HEADERS, ("key", b"k%d" % (number % 1_000))]
        producer.produce(topic, b"%09d" % number, None, number % PARTITIONS, headers=headers)
        if number % 5_000 == 0:
            assert 0 == producer.flush(SECONDS)
    assert 0 == producer.flush(SECONDS)

    forwards_all(kafka_broker, fake_aws_process, topic, WITH_HEADERS, tmp_path, **route)
