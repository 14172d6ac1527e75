"""`ordering: key_in_request` on the whole path: what it gives, what it may break, and that it tells of each break."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from tests.checking import Verdict, judge
from tests.containers.feeding import Feeder, Keys, committed, log_ends
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.service import DokaProcess, settings
from tests.fake_aws import Delay, FailEntries, FakeAwsProcess, Shuffle
from tests.waiting import eventually

pytest_plugins = ["tests.fake_aws.fixtures"]

PARTITIONS = 12
STREAM = "orders"
RECORDS = 30_000


def forward(broker: KafkaBroker, aws: FakeAwsProcess, folder: Path) -> tuple[Verdict, Mapping[str, float]]:
    """Forward the records of a hundred keys; give the verdict over what landed, and the breaks that doka counted."""
    topic = broker.create_topic(PARTITIONS)
    feeder = Feeder(broker.bootstrap_servers, topic, PARTITIONS)
    feeder.feed(RECORDS, Keys(8))
    given = settings(broker.bootstrap_servers, aws.url, {topic: STREAM}, group_id=topic)
    given["routes"][0]["ordering"] = "key_in_request"

    with DokaProcess(given, folder) as doka:
        eventually(lambda: aws.landed_count(STREAM), within=30, what="the first record")
        began = time.monotonic()
        settled = partial(doka.metric, "doka_records_settled_total", route=STREAM)
        eventually(lambda: settled() >= RECORDS, within=90, what="all records", every=0.1)
        print(f"{RECORDS / (time.monotonic() - began):,.0f} records/s from the first on")  # noqa: T201
        counted = {
            cause: doka.metric("doka_order_breaks_total", route=STREAM, cause=cause)
            for cause in ("refused", "reordered", "unknown")
        }
        assert 0 == doka.stop()
        told = sum(line["records"] for line in doka.lines("order_broken"))

    assert sum(counted.values()) == told
    topics = {topic: PARTITIONS}
    assert log_ends(broker.bootstrap_servers, topics) == committed(broker.bootstrap_servers, topic, topics)
    assert [] == aws.violations()
    verdict = judge(feeder.production, aws.payloads(STREAM))
    print(verdict, counted)  # noqa: T201
    assert (RECORDS, RECORDS, 0, 0, 0) == (
        verdict.produced, verdict.landed, verdict.lost, verdict.duplicates, verdict.unknown
    )  # fmt: skip
    return verdict, counted


@pytest.fixture
def aws(fake_aws_process: FakeAwsProcess) -> FakeAwsProcess:
    """Give a stream that answers after 15 to 25 ms."""
    fake_aws_process.create_stream(STREAM, shards=8)
    fake_aws_process.inject(Delay(0.015, jitter=0.01), times=None)
    return fake_aws_process


def test_in_quiet_weather_the_order_is_kept(kafka_broker: KafkaBroker, aws: FakeAwsProcess, tmp_path: Path) -> None:
    """Where nothing is refused and nothing reordered, every record lands once and in order, and no break is counted."""
    verdict, counted = forward(kafka_broker, aws, tmp_path)
    assert (0, {"refused": 0, "reordered": 0, "unknown": 0}) == (verdict.out_of_order, counted)


def test_each_record_that_was_overtaken_is_counted(
    kafka_broker: KafkaBroker, aws: FakeAwsProcess, tmp_path: Path
) -> None:
    """With 1 % of the entries refused nothing is lost, and doka counts just the records that the stream shows swapped."""
    rule = aws.inject(FailEntries(fraction=0.01), times=None)
    verdict, counted = forward(kafka_broker, aws, tmp_path)
    assert aws.fired(rule) > 0
    assert verdict.out_of_order > 0, "nothing was overtaken: this proves nothing"
    assert {"refused": verdict.out_of_order, "reordered": 0, "unknown": 0} == counted


def test_each_record_that_the_service_reordered_is_counted(
    kafka_broker: KafkaBroker, aws: FakeAwsProcess, tmp_path: Path
) -> None:
    """Requests whose entries land in another order are seen in the sequence numbers, record by record."""
    aws.inject(Shuffle(), times=5)
    verdict, counted = forward(kafka_broker, aws, tmp_path)
    assert verdict.out_of_order > 0, "nothing was reordered: this proves nothing"
    assert {"refused": 0, "reordered": verdict.out_of_order, "unknown": 0} == counted
