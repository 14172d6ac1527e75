"""The whole path, in quiet weather and in bad: a real broker, the real service, a fast stand-in for AWS."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.checking import judge
from tests.containers.feeding import Feeder, Keys, committed, log_ends
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.service import DokaProcess, settings
from tests.fake_aws import Delay, FailEntries, FakeAwsProcess
from tests.waiting import eventually

pytest_plugins = ["tests.fake_aws.fixtures"]

PARTITIONS = 12
STREAM = "orders"


@pytest.mark.parametrize("keys_per_partition", [8, 834], ids=["100 keys", "10,000 keys"])
def test_quiet_weather_is_exactly_once_at_speed(
    kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path, keys_per_partition: int
) -> None:
    """300,000 records land exactly once and in order, and the commits say so, whatever the number of keys."""
    records = 300_000
    topic = kafka_broker.create_topic(PARTITIONS)
    fake_aws_process.create_stream(STREAM, shards=4)
    feeder = Feeder(kafka_broker.bootstrap_servers, topic, PARTITIONS)
    feeder.feed(records, Keys(keys_per_partition))
    given = settings(kafka_broker.bootstrap_servers, fake_aws_process.url, {topic: STREAM}, group_id=topic)

    with DokaProcess(given, tmp_path) as doka:
        eventually(lambda: fake_aws_process.landed_count(STREAM), within=30, what="the first record")
        began, cpu_began = time.monotonic(), doka.cpu_seconds
        eventually(lambda: records <= fake_aws_process.landed_count(STREAM), within=90, what="all records")
        took, cpu = time.monotonic() - began, doka.cpu_seconds - cpu_began
        print(f"{records / took:,.0f} records/s, {cpu / records * 1e6:.1f} us of CPU a record")  # noqa: T201
        assert 0 == doka.stop()

    judge(feeder.production, fake_aws_process.payloads(STREAM)).assert_kept(at_least=records)
    topics = {topic: PARTITIONS}
    ends = log_ends(kafka_broker.bootstrap_servers, topics)
    assert records == sum(ends.values())
    assert ends == committed(kafka_broker.bootstrap_servers, topic, topics)
    assert [] == fake_aws_process.violations()


@pytest.mark.parametrize(("refused", "records"), [(0.01, 20_000), (0.5, 1_500)], ids=["1 %", "50 %"])
def test_refused_entries_neither_lose_nor_swap(
    kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path, refused: float, records: int
) -> None:
    """Entries refused in answers of 15 to 25 ms, with few keys: none lost, none doubled, none out of order."""
    topic = kafka_broker.create_topic(PARTITIONS)
    fake_aws_process.create_stream(STREAM, shards=8)
    fake_aws_process.inject(Delay(0.015, jitter=0.01), times=None)
    rule = fake_aws_process.inject(FailEntries(fraction=refused), times=None)
    feeder = Feeder(kafka_broker.bootstrap_servers, topic, PARTITIONS)
    feeder.feed(records, Keys(8))
    given = settings(kafka_broker.bootstrap_servers, fake_aws_process.url, {topic: STREAM}, group_id=topic)

    with DokaProcess(given, tmp_path) as doka:
        began = time.monotonic()
        eventually(lambda: records <= fake_aws_process.landed_count(STREAM), within=90, what="all records", every=0.1)
        print(f"{records / (time.monotonic() - began):,.0f} records/s, start included")  # noqa: T201
        assert 0 == doka.stop()

    judge(feeder.production, fake_aws_process.payloads(STREAM)).assert_kept(at_least=records)
    entries_refused = fake_aws_process.counts()["records:ProvisionedThroughputExceededException"]
    assert entries_refused > records * refused / 2, "too few entries were refused: this proves nothing"
    assert fake_aws_process.fired(rule) > 0
    topics = {topic: PARTITIONS}
    assert log_ends(kafka_broker.bootstrap_servers, topics) == committed(kafka_broker.bootstrap_servers, topic, topics)
