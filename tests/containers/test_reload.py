"""`doka run --watch` beside a real broker: two workers of two configurations in one group, by each of its protocols."""

from __future__ import annotations

import copy
import signal
from pathlib import Path

import pytest

from tests.checking import judge
from tests.containers.feeding import Feeder, Keys, committed, log_ends
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.line import SOON_DEAD, UNDER_FIRE, line
from tests.fake_aws import FakeAwsProcess
from tests.waiting import eventually

pytest_plugins = ["tests.fake_aws.fixtures"]

PARTITIONS = 6
WORKERS = 2
FIRST = 2_000
KEYS = Keys(20)
SECONDS = 120.0


@pytest.mark.timeout(400)
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_new_topic_goes_to_those_alone_who_know_it(
    kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path, protocol: str
) -> None:
    """A route is added, and the other's stream changed, amid the work: no old worker is ever given a partition of its topic, none lost, doubled or out of order."""
    old = line(
        kafka_broker,
        fake_aws_process,
        FIRST,
        partitions=PARTITIONS,
        keys=KEYS,
        client=SOON_DEAD if protocol == "classic" else {},
        limits=UNDER_FIRE,
    )
    old.given["kafka"]["group_protocol"] = protocol
    added = kafka_broker.create_topic(PARTITIONS)
    fake_aws_process.create_stream(added, shards=2)
    of_added = Feeder(kafka_broker.bootstrap_servers, added, PARTITIONS)
    of_added.feed(FIRST, KEYS)
    new = copy.deepcopy(dict(old.given))
    other = f"{old.topic}-other"
    fake_aws_process.create_stream(other, shards=2)
    new["routes"][0]["stream"]["name"] = other
    new["routes"] = [*new["routes"], {"topics": [added], "stream": {"name": added, "role": "writer"}}]
    topics = {old.topic: PARTITIONS, added: PARTITIONS}
    with old.doka(tmp_path, options=["--watch", "--workers", str(WORKERS)]) as doka:
        doka.wait_until_ready()
        doka.write(new)
        doka.signal(signal.SIGHUP)

        def taken() -> bool:
            assert [] == doka.lines("reload_failed") == doka.lines("reload_refused")
            old.feeder.feed(60, KEYS)
            return bool(doka.lines("reload_taken"))

        eventually(taken, within=SECONDS, what="the new configuration", every=0.2)
        ends = log_ends(kafka_broker.bootstrap_servers, topics)
        eventually(
            lambda: ends == committed(kafka_broker.bootstrap_servers, old.topic, topics),
            within=SECONDS,
            what="commits up to the ends of both logs",
            every=0.2,
        )
        assert 0 == doka.stop()
    owners = {
        line["worker"]
        for line in doka.lines("partitions_assigned")
        if any(partition.startswith(f"{added}[") for partition in line["partitions"])
    }
    assert owners
    assert owners <= set(range(WORKERS, 2 * WORKERS)), "an old worker was given what it does not know"
    before, after = fake_aws_process.payloads(old.topic), fake_aws_process.payloads(other)
    assert set() == set(before) & set(after), "a record is in one of the two streams"
    judge(old.feeder.production, [*before, *after]).assert_kept(at_least=FIRST)
    judge(of_added.production, fake_aws_process.payloads(added)).assert_kept(at_least=FIRST)
    assert [] == fake_aws_process.violations()
