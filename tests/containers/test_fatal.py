"""What is fatal to a group member ends its process at once, with a sentence: shown by brokers, not by hand-made errors."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.checking import judge
from tests.containers.feeding import Feeder, Keys, committed, log_ends
from tests.containers.kafka_broker import KafkaBroker, running_broker
from tests.containers.service import DokaProcess, settings
from tests.failure_modes import Sees
from tests.fake_aws import FakeAwsProcess
from tests.waiting import eventually

pytest_plugins = ["tests.failure_modes.fixtures", "tests.fake_aws.fixtures"]

PARTITIONS = 2
AT_ONCE_SECONDS = 10.0  # a fenced member learns of it by its next commit or heartbeat, 1 to 3 s
FEED_EVERY_SECONDS = 0.1
FEED_RECORDS = 10
WINDOW_RECORDS_MAX = 500
"""What is fed in the time in which nobody has told the fenced member yet; it went on for 45 s, 4,500 records."""


def _settings(broker: KafkaBroker, aws: FakeAwsProcess, topic: str, **kafka: Any) -> dict[str, Any]:
    return settings(broker.bootstrap_servers, aws.url, {topic: topic}, group_id=topic, kafka=kafka)


def _reason(doka: DokaProcess) -> str:
    return str(doka.lines("ended")[-1]["reason"])


@pytest.mark.failure_mode("another member has the same `kafka.group_instance_id`")
def test_a_fenced_member_ends_and_puts_nothing_beside_its_successor(
    kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, sees: Sees, tmp_path: Path
) -> None:
    """Of two processes with one group_instance_id the first ends with the cure; few records land twice, none is lost."""
    topic = kafka_broker.create_topic(PARTITIONS)
    fake_aws_process.create_stream(topic)
    given = _settings(kafka_broker, fake_aws_process, topic, group_instance_id="doka-0")
    feeder = Feeder(kafka_broker.bootstrap_servers, topic, PARTITIONS)
    keys = Keys(20)

    def feed_until(condition: Callable[[], object]) -> None:
        def fed() -> bool:
            feeder.feed(FEED_RECORDS, keys)
            return bool(condition())

        eventually(fed, within=60, what="an end of what feeds", every=FEED_EVERY_SECONDS)

    with DokaProcess(given, tmp_path, "first") as owner, ExitStack() as later:
        feed_until(lambda: fake_aws_process.landed_count(topic) > 0)
        other = later.enter_context(DokaProcess(given, tmp_path, "second"))
        feed_until(lambda: other.lines("partitions_assigned"))
        took_over = time.monotonic()
        feed_until(lambda: not owner.runs)
        assert AT_ONCE_SECONDS > time.monotonic() - took_over
        sees(owner.look())
        assert "another member has the same kafka.group_instance_id and took its place" in _reason(owner)
        feeder.feed(100, keys)
        topics = {topic: PARTITIONS}
        ends = log_ends(kafka_broker.bootstrap_servers, topics)
        eventually(
            lambda: ends == committed(kafka_broker.bootstrap_servers, topic, topics), within=60, what="all committed"
        )
        assert 0 == other.stop()
    verdict = judge(feeder.production, fake_aws_process.payloads(topic))
    verdict.assert_kept(at_least=100, duplicates_max=WINDOW_RECORDS_MAX)


@pytest.mark.failure_mode("another member has the same `kafka.group_instance_id`")
def test_an_instance_id_that_is_in_use_ends_the_newcomer(
    kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, sees: Sees, tmp_path: Path
) -> None:
    """Under the newer protocol the group refuses the second of one group_instance_id; the first goes on."""
    topic = kafka_broker.create_topic(PARTITIONS)
    fake_aws_process.create_stream(topic)
    given = _settings(kafka_broker, fake_aws_process, topic, group_instance_id="doka-0", group_protocol="consumer")
    with DokaProcess(given, tmp_path, "first") as first:
        eventually(lambda: first.lines("partitions_assigned"), within=60, what="the first one's partitions")
        with DokaProcess(given, tmp_path, "second") as second:
            second.wait(30)
            sees(second.look())
        assert "another member has the same kafka.group_instance_id; give each member its own" in _reason(second)
        Feeder(kafka_broker.bootstrap_servers, topic, PARTITIONS).feed(100)
        eventually(lambda: 100 == fake_aws_process.landed_count(topic), within=30, what="the first one's records")
        assert 0 == first.stop()


@pytest.mark.failure_mode("the cluster does not offer `kafka.group_protocol: consumer`")
def test_a_group_protocol_that_the_cluster_does_not_offer_ends_the_member(
    fake_aws_process: FakeAwsProcess, sees: Sees, tmp_path: Path
) -> None:
    """On a cluster of classic groups alone `consumer` is no state to be ready in: exit 1, with the setting."""
    with running_broker({"KAFKA_GROUP_COORDINATOR_REBALANCE_PROTOCOLS": "classic"}) as broker:
        topic = broker.create_topic(PARTITIONS)
        fake_aws_process.create_stream(topic)
        with DokaProcess(_settings(broker, fake_aws_process, topic, group_protocol="consumer"), tmp_path) as doka:
            doka.wait(30)
            sees(doka.look())
        assert "the cluster does not offer this group protocol; set kafka.group_protocol: classic" in _reason(doka)
