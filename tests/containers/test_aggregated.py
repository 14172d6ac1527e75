"""Aggregation on the whole path: a real broker, the real service, and a consumer that reads aggregates."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.checking import judge
from tests.containers.feeding import Feeder, Keys, committed, log_ends
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.service import DokaProcess, settings
from tests.fake_aws import Delay, FailEntries, FakeAwsProcess, Landed, consumed, unfold
from tests.waiting import eventually

pytest_plugins = ["tests.fake_aws.fixtures"]

PARTITIONS = 12
STREAM = "orders"


def landed_so_far(aws: FakeAwsProcess) -> Callable[[], int]:
    """Count the records inside what landed, reading only what is new each time."""
    seen: list[Landed] = []
    records = 0

    def count() -> int:
        nonlocal records
        new = aws.landed(STREAM, len(seen))
        seen.extend(new)
        records += sum(len(unfold(each.data) or (each,)) for each in new)
        return records

    return count


def test_quiet_weather_is_exactly_once_at_speed(
    kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path
) -> None:
    """300,000 records of 10,000 keys land exactly once, in order, many in each Kinesis record; the commits say so."""
    records = 300_000
    topic = kafka_broker.create_topic(PARTITIONS)
    fake_aws_process.create_stream(STREAM, shards=4)
    feeder = Feeder(kafka_broker.bootstrap_servers, topic, PARTITIONS)
    feeder.feed(records, Keys(834))
    given = settings(kafka_broker.bootstrap_servers, fake_aws_process.url, {topic: STREAM}, group_id=topic)
    given["routes"][0]["aggregation"] = {"enabled": True}

    with DokaProcess(given, tmp_path) as doka:
        eventually(lambda: fake_aws_process.landed_count(STREAM), within=30, what="the first record")
        began, cpu_began = time.monotonic(), doka.cpu_seconds
        settled = partial(doka.metric, "doka_records_settled_total", route=STREAM)
        eventually(lambda: records <= settled(), within=90, what="all records", every=0.1)
        took, cpu = time.monotonic() - began, doka.cpu_seconds - cpu_began
        print(f"{records / took:,.0f} records/s, {cpu / records * 1e6:.1f} us of CPU a record")  # noqa: T201
        assert 0 == doka.stop()

    landed = fake_aws_process.landed(STREAM)
    print(f"{records / len(landed):.0f} records in each Kinesis record")  # noqa: T201
    payloads = list(consumed(landed, fake_aws_process.shard_ranges(STREAM)))
    judge(feeder.production, payloads).assert_kept(at_least=records)
    assert len(landed) < records / 10
    topics = {topic: PARTITIONS}
    assert log_ends(kafka_broker.bootstrap_servers, topics) == committed(kafka_broker.bootstrap_servers, topic, topics)
    assert [] == fake_aws_process.violations()


@pytest.mark.parametrize(("refused", "records"), [(0.01, 100_000), (0.5, 30_000)], ids=["1 %", "50 %"])
def test_refused_aggregates_neither_lose_nor_swap(
    kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path, refused: float, records: int
) -> None:
    """Aggregates refused in answers of 15 to 25 ms, with a hundred keys: none lost, none doubled, none out of order."""
    topic = kafka_broker.create_topic(PARTITIONS)
    fake_aws_process.create_stream(STREAM, shards=8)
    fake_aws_process.inject(Delay(0.015, jitter=0.01), times=None)
    rule = fake_aws_process.inject(FailEntries(fraction=refused), times=None)
    feeder = Feeder(kafka_broker.bootstrap_servers, topic, PARTITIONS)
    feeder.feed(records, Keys(8))
    given = settings(kafka_broker.bootstrap_servers, fake_aws_process.url, {topic: STREAM}, group_id=topic)
    given["routes"][0]["aggregation"] = {"enabled": True}
    count = landed_so_far(fake_aws_process)

    with DokaProcess(given, tmp_path) as doka:
        eventually(lambda: fake_aws_process.landed_count(STREAM), within=30, what="the first record")
        began = time.monotonic()
        eventually(lambda: records <= count(), within=90, what="all records", every=0.1)
        print(f"{records / (time.monotonic() - began):,.0f} records/s from the first on")  # noqa: T201
        assert 0 == doka.stop()

    landed = fake_aws_process.landed(STREAM)
    payloads = list(consumed(landed, fake_aws_process.shard_ranges(STREAM)))
    print(f"{records / len(landed):.0f} records in each Kinesis record")  # noqa: T201
    judge(feeder.production, payloads).assert_kept(at_least=records)
    assert len(landed) < records / 10, "so few records in an aggregate prove nothing"
    assert fake_aws_process.fired(rule) > 0
    assert fake_aws_process.counts()["records:ProvisionedThroughputExceededException"] > 0
    topics = {topic: PARTITIONS}
    assert log_ends(kafka_broker.bootstrap_servers, topics) == committed(kafka_broker.bootstrap_servers, topic, topics)
    assert [] == fake_aws_process.violations()
