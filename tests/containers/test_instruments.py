"""What the pages say beside a real broker: records that nobody may read yet, a group without answers, an empty assignment."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka import Producer

from doka.domain.status import GroupStatus
from tests.containers.feeding import Feeder, Keys
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.service import DokaProcess, settings
from tests.containers.silence import watched
from tests.fake_aws import FakeAwsProcess
from tests.integration.kafka.group import member, settings_for
from tests.waiting import eventually

pytest_plugins = ["tests.fake_aws.fixtures"]

RECORDS = 500
PARTITIONS = 1
LOST_AFTER_ITS_BROKER = {"session.timeout.ms": 35_000}
"""While the group holds the member, what its broker does not tell stands in the pages, which takes some 20 s."""


def test_an_open_transaction_and_a_frozen_broker_are_told(
    own_kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path
) -> None:
    """Records behind an open transaction are a lag that grows; a broker that answers nobody is a group that is lost."""
    broker, fake = own_kafka_broker, fake_aws_process
    topic = broker.create_topic(PARTITIONS)
    fake.create_stream(topic)
    given = settings(
        broker.bootstrap_servers, fake.url, {topic: topic}, group_id=topic, kafka={"client": LOST_AFTER_ITS_BROKER}
    )
    feeder = Feeder(broker.bootstrap_servers, topic, PARTITIONS)
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "transactional.id": topic})
    with DokaProcess(given, tmp_path) as doka, watched(doka, feeder, lambda: fake.landed_count(topic)) as watch:
        feeder.feed(RECORDS, Keys(10))
        doka.wait_until_ready(within=60)
        eventually(lambda: RECORDS <= fake.landed_count(topic), within=30, what="the first records")
        producer.init_transactions(30)
        producer.begin_transaction()
        producer.produce(topic, b"in a transaction")
        producer.flush(30)
        feeder.feed(RECORDS, Keys(10))
        eventually(
            lambda: RECORDS < doka.metric("doka_lag_records"), what="what waits behind the transaction", every=0.1
        )
        eventually(lambda: watch.judged, within=60, what="a wait of more than half a minute", every=0.1)
        assert doka.metric("doka_lag_seconds") > 20
        assert RECORDS == fake.landed_count(topic)
        assert doka.readiness() == (True, [])
        producer.abort_transaction(30)
        eventually(lambda: 2 * RECORDS <= fake.landed_count(topic), within=30, what="what stood behind it")
        eventually(lambda: 0 == doka.metric("doka_waiting_seconds"), within=30, what="no wait", every=0.1)

        broker.pause()
        try:

            def silent() -> bool:
                """Say whether the pages have no word of it."""
                return doka.readiness()[0] and doka.metric("doka_waiting_seconds") < 20

            label = {"topic": topic, "reason": "broker_unreachable"}
            eventually(lambda: 1 == doka.metric("doka_partition_stuck", **label), within=60, what="stuck", every=0.2)
            assert "doka_lag_records{" not in doka.page("/metrics")[1]
            calm: list[bool] = []

            def expelled() -> bool:
                calm.append(silent())
                return any(
                    re.match(r"the consumer group has given no assignment, for", why) for why in doka.readiness()[1]
                )

            eventually(expelled, within=90, what="that the group is lost", every=0.2)
            assert True not in calm
        finally:
            broker.unpause()
        doka.wait_until_ready(within=90)
        assert 0 == doka.stop()
    watch.assert_never_silent(judged=True)


@pytest.mark.parametrize("group_protocol", ["classic", "consumer"])
def test_an_empty_assignment_is_one(kafka_broker: KafkaBroker, group_protocol: str) -> None:
    """Two members for one partition: who owns nothing is in the group as well, under both protocols."""
    topic = kafka_broker.create_topic(PARTITIONS)
    given = settings_for(kafka_broker.bootstrap_servers, topic, group_protocol=group_protocol)
    with ExitStack() as stack:
        members = [stack.enter_context(member(given)) for _ in range(2)]

        def settled() -> bool:
            members[1].turn()
            statuses = [m.source.status() for m in members]
            owned = sorted(len(status.logs) for status in statuses)
            return [0, 1] == owned and [GroupStatus(joined=True)] * 2 == [status.group for status in statuses]

        members[0].until(settled, what="that both are in the group")
