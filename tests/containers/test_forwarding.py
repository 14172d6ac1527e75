"""The whole path, in quiet weather and in bad: a real broker, the real service, a fast stand-in for AWS."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.containers.feeding import Keys
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.line import line
from tests.fake_aws import FailEntries, FakeAwsProcess

pytest_plugins = ["tests.fake_aws.fixtures"]

PARTITIONS = 12


@pytest.mark.parametrize("keys_per_partition", [8, 834], ids=["100 keys", "10,000 keys"])
def test_quiet_weather_is_exactly_once_at_speed(
    kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path, keys_per_partition: int
) -> None:
    """100,000 records land exactly once and in order, and the commits say so, whatever the number of keys."""
    records = 100_000
    keys = Keys(keys_per_partition)
    quiet = line(
        kafka_broker, fake_aws_process, records, partitions=PARTITIONS, keys=keys, answers=None, client={}, limits={}
    )
    with quiet.doka(tmp_path) as doka:
        quiet.wait_for(1)
        began, cpu_began = time.monotonic(), doka.cpu_seconds
        quiet.wait_for(records)
        took, cpu = time.monotonic() - began, doka.cpu_seconds - cpu_began
        print(f"{records / took:,.0f} records/s, {cpu / records * 1e6:.1f} us of CPU a record")  # noqa: T201
        assert 0 == doka.stop()
    quiet.assert_exactly_once()


@pytest.mark.parametrize(("refused", "records"), [(0.01, 20_000), (0.5, 1_500)], ids=["1 %", "50 %"])
def test_refused_entries_neither_lose_nor_swap(
    kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path, refused: float, records: int
) -> None:
    """Entries refused in answers of 15 to 25 ms, with few keys: none lost, none doubled, none out of order."""
    refusing = line(
        kafka_broker, fake_aws_process, records, partitions=PARTITIONS, keys=Keys(8), shards=8, client={}, limits={}
    )
    rule = fake_aws_process.inject(FailEntries(fraction=refused), times=None)
    with refusing.doka(tmp_path) as doka:
        began = time.monotonic()
        refusing.wait_for(records)
        print(f"{records / (time.monotonic() - began):,.0f} records/s, start included")  # noqa: T201
        assert 0 == doka.stop()
    refusing.assert_exactly_once()
    entries_refused = fake_aws_process.counts()["records:ProvisionedThroughputExceededException"]
    assert entries_refused > records * refused / 2, "too few entries were refused: this proves nothing"
    assert fake_aws_process.fired(rule) > 0
