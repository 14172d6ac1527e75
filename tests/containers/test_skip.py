"""`doka skip` on a real broker, beside the real service: poison, a batch that cannot be read, and a record that is sound."""

from __future__ import annotations

import time
from pathlib import Path

import orjson
import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined] # public by its documentation
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from doka.adapters.kafka.skip_orders import ANSWER_SECONDS, skips_group, standing_orders
from doka.adapters.kafka.skip_writing import SkipRefusedError, SkipWriting
from doka.adapters.system.clock import SystemClock
from doka.domain.commands import CommitOffsets
from doka.domain.events import CommitAnswered
from doka.domain.records import TopicPartition
from tests.containers.feeding import committed
from tests.containers.kafka_broker import running_broker
from tests.containers.service import DokaProcess, settings
from tests.containers.test_unreadable import LOGS, RECORDS, flip_a_byte, produce_batch
from tests.failure_modes import Sees
from tests.fake_aws import FakeAwsProcess
from tests.integration.kafka.group import member, numbered, produce, settings_for
from tests.waiting import eventually
from tests.warm import DOKA, run_warm

pytest_plugins = ["tests.failure_modes.fixtures", "tests.fake_aws.fixtures"]

SECONDS = 60.0
TOO_LARGE = bytes(1024 * 1024 + 1)
BY = ("--by", "ada", "--reason", "cancelled, ticket 4711", "--yes", "--json")


def skip(config: Path, what: str) -> tuple[int, dict[str, object]]:
    """Type the command; give its exit code, and what it told."""
    done = run_warm([DOKA, "skip", what, *BY, "--config", config], timeout=SECONDS)
    assert b"" == done.stderr
    return done.returncode, orjson.loads(done.stdout)


@pytest.mark.failure_mode("somebody passes a record by `doka skip`")
def test_a_person_passes_exactly_what_he_names(fake_aws_process: FakeAwsProcess, tmp_path: Path, sees: Sees) -> None:
    """Poison and a torn batch while it runs, a sound record while it does not: each alone, with who and why, all else lands."""
    with running_broker({"KAFKA_LOG_DIRS": LOGS}) as broker:
        sick, torn = broker.create_topic(1, config={"max.message.bytes": "4000000"}), broker.create_topic(1)
        for topic in (sick, torn):
            fake_aws_process.create_stream(topic)
        produce_batch(broker, sick, [b"0", b"1"])
        produce_batch(broker, sick, [TOO_LARGE])
        produce_batch(broker, sick, [b"3", b"4"])
        for number in range(3):
            produce_batch(broker, torn, [b"batch%d-%d" % (number, place) for place in range(RECORDS)])
        flip_a_byte(broker, torn, "batch1-5")
        given = settings(broker.bootstrap_servers, fake_aws_process.url, {sick: sick, torn: torn}, group_id=torn)
        config = tmp_path / "doka.yaml"

        def stored() -> dict[tuple[str, int], int]:
            return committed(broker.bootstrap_servers, torn, {sick: 1, torn: 1})

        with DokaProcess(given, tmp_path) as doka:
            eventually(
                lambda: [1, 1] == [doka.metric("doka_partition_stuck", reason=why) for why in ("poison", "unreadable")],
                within=SECONDS,
                what="both partitions to wait",
                every=0.2,
            )
            reasons = sorted(doka.readiness()[1])
            assert [] == [
                said for said in (f"doka skip {sick}:0:2", f"doka skip {torn}:0:10-19") if said not in str(reasons)
            ]

            code, told = skip(config, f"{torn}:0:10")
            assert (1, False) == (code, told["ordered"])
            assert str(told["why"]).endswith(f"pass all of it: doka skip {torn}:0:10-19")
            for what in (f"{sick}:0:2", f"{torn}:0:10-19"):
                code, told = skip(config, what)
                assert (0, True) == (code, told["ordered"]), told
            eventually(
                lambda: {(sick, 0): 5, (torn, 0): 3 * RECORDS} == stored(),
                within=SECONDS,
                what="commits up to the ends",
                every=0.2,
            )
            why = {"by": "ada", "reason": "cancelled, ticket 4711", "partition": 0}
            assert doka.told("record_skipped", topic=sick, first=2, far=3, records=1, **why)
            assert doka.told("record_skipped", topic=torn, first=10, far=20, records=10, **why)
            sees(doka.look())
            assert [1, 10] == [doka.metric("doka_records_skipped_total", topic=topic) for topic in (sick, torn)]
            eventually(lambda: (True, []) == doka.readiness(), within=SECONDS, what="readiness", every=0.2)
            assert 0 == doka.stop()

            produce_batch(broker, sick, [b"5", b"6", b"7"])
            code, told = skip(config, f"{sick}:0:6")
            assert (0, True, 5) == (code, told["ordered"], told["committed"]), told
            doka.start()
            eventually(lambda: 8 == stored()[sick, 0], within=SECONDS, what="the commit behind it", every=0.2)
            assert 0 == doka.stop()
        landed = fake_aws_process.payloads(sick)
        assert [b"0", b"1", b"3", b"4", b"5", b"7"] == sorted(set(landed), key=landed.index)
        assert [b"batch%d-%d" % (number, place) for number in (0, 2) for place in range(RECORDS)] == list(
            dict.fromkeys(fake_aws_process.payloads(torn))
        )


AUTHORIZED = {
    "KAFKA_AUTHORIZER_CLASS_NAME": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND": "true",
}


def test_a_login_without_the_right_forwards_as_before() -> None:
    """The group of the orders is denied: the member begins at once and reads all; a person is told before he orders."""
    with running_broker(AUTHORIZED) as broker:
        topic = broker.create_topic(1)
        settings = settings_for(broker.bootstrap_servers, topic)
        denied = AclBinding(
            ResourceType.GROUP,
            skips_group(settings.group_id),
            ResourcePatternType.LITERAL,
            "User:ANONYMOUS",
            "*",
            AclOperation.ALL,
            AclPermissionType.DENY,
        )
        admin = broker.admin()
        admin.create_acls([denied])[denied].result(timeout=SECONDS)
        produce(broker.bootstrap_servers, topic, {0: numbered(10)})
        partition, connection = TopicPartition(topic, 0), {"bootstrap.servers": broker.bootstrap_servers}
        began = time.monotonic()
        assert {} == standing_orders(connection, SystemClock(), settings.group_id, [partition])
        assert time.monotonic() - began < ANSWER_SECONDS
        with member(settings) as running:
            running.until(lambda: running.records() == 10, what="all records")
            running.source.commit(CommitOffsets(1, {partition: 5}))
            running.until(lambda: CommitAnswered(1) in running.events, what="the commit")
        with pytest.raises(SkipRefusedError, match=f"{skips_group(settings.group_id)}: grant READ on both"):
            SkipWriting(settings, SystemClock()).look(partition, 5, 6)
