"""Aggregation on the whole path: a real broker, the real service, and a consumer that reads aggregates."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.containers.feeding import Keys
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.line import Line, line
from tests.fake_aws import FailEntries, FakeAwsProcess, Landed, unfold
from tests.waiting import eventually

pytest_plugins = ["tests.fake_aws.fixtures"]

aggregated_line = partial(line, partitions=12, client={}, limits={}, aggregated=True)


def landed_so_far(of: Line) -> Callable[[], int]:
    """Count the records inside what landed, reading only what is new each time."""
    seen: list[Landed] = []
    records = 0

    def count() -> int:
        nonlocal records
        new = of.aws.landed(of.topic, len(seen))
        seen.extend(new)
        records += sum(len(unfold(each.data) or (each,)) for each in new)
        return records

    return count


def assert_exactly_once_in_aggregates(of: Line) -> None:
    """Assert that all landed once, in order, and many in each Kinesis record."""
    of.assert_exactly_once()
    records = len(of.feeder.production)
    print(f"{records / of.landed():.0f} records in each Kinesis record")  # noqa: T201
    assert of.landed() < records / 10, "so few records in an aggregate prove nothing"


def test_quiet_weather_is_exactly_once_at_speed(
    kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path
) -> None:
    """100,000 records of 10,000 keys land exactly once, in order, many in each Kinesis record; the commits say so."""
    records = 100_000
    quiet = aggregated_line(kafka_broker, fake_aws_process, records, keys=Keys(834), answers=None)
    with quiet.doka(tmp_path) as doka:
        quiet.wait_for(1)
        began, cpu_began = time.monotonic(), doka.cpu_seconds
        settled = partial(doka.metric, "doka_records_settled_total", route=quiet.topic)
        eventually(lambda: records <= settled(), within=90, what="all records", every=0.1)
        took, cpu = time.monotonic() - began, doka.cpu_seconds - cpu_began
        print(f"{records / took:,.0f} records/s, {cpu / records * 1e6:.1f} us of CPU a record")  # noqa: T201
        assert 0 == doka.stop()
    assert_exactly_once_in_aggregates(quiet)


@pytest.mark.parametrize(("refused", "records"), [(0.1, 50_000), (0.5, 15_000)], ids=["10 %", "50 %"])
def test_refused_aggregates_neither_lose_nor_swap(
    kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path, refused: float, records: int
) -> None:
    """Aggregates refused in answers of 15 to 25 ms, with a hundred keys: none lost, none doubled, none out of order."""
    refusing = aggregated_line(kafka_broker, fake_aws_process, records, keys=Keys(8), shards=8)
    rule = fake_aws_process.inject(FailEntries(fraction=refused), times=None)
    count = landed_so_far(refusing)
    with refusing.doka(tmp_path) as doka:
        refusing.wait_for(1)
        began = time.monotonic()
        eventually(lambda: records <= count(), within=90, what="all records", every=0.1)
        print(f"{records / (time.monotonic() - began):,.0f} records/s from the first on")  # noqa: T201
        assert 0 == doka.stop()
    assert_exactly_once_in_aggregates(refusing)
    assert fake_aws_process.fired(rule) > 0
    assert fake_aws_process.counts()["records:ProvisionedThroughputExceededException"] > 0
