"""How a run ends: asked to, killed, with a broker that is frozen; and what the next run finds."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.checking import decode, judge
from tests.containers.feeding import Feeder, Keys, committed, log_ends
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.service import DokaProcess, settings
from tests.fake_aws import Delay, FakeAwsProcess, Hold
from tests.waiting import eventually

pytest_plugins = ["tests.fake_aws.fixtures"]

STREAM = "orders"
PARTITIONS = 6
RECORDS = 30_000
AHEAD_RECORDS = 1_000
DRAIN_SECONDS = 6.0


class World(NamedTuple):
    """A topic with records in it, a stream, and a doka that was not started yet."""

    broker: KafkaBroker
    aws: FakeAwsProcess
    topic: str
    feeder: Feeder
    doka: DokaProcess

    def landed(self) -> int:
        """Count the landings."""
        return self.aws.landed_count(STREAM)

    def wait_for(self, records: int) -> None:
        """Wait until so many have landed."""
        eventually(lambda: records <= self.landed(), within=60, what=f"{records} landings")

    def landed_by_partition(self) -> dict[tuple[str, int], int]:
        """Count the landings of each source partition."""
        counts = Counter(decode(payload).log.partition for payload in self.aws.payloads(STREAM))
        return {(self.topic, number): counts[number] for number in range(PARTITIONS)}

    def committed(self) -> dict[tuple[str, int], int]:
        """Give the group's offsets."""
        return committed(self.broker.bootstrap_servers, self.topic, {self.topic: PARTITIONS})

    def ends(self) -> dict[tuple[str, int], int]:
        """Give the ends of the logs."""
        return log_ends(self.broker.bootstrap_servers, {self.topic: PARTITIONS})


def _world(broker: KafkaBroker, aws: FakeAwsProcess, folder: Path, records: int = RECORDS) -> World:
    topic = broker.create_topic(PARTITIONS)
    aws.create_stream(STREAM, shards=4)
    feeder = Feeder(broker.bootstrap_servers, topic, PARTITIONS)
    feeder.feed(records, Keys(200))
    given = settings(
        broker.bootstrap_servers,
        aws.url,
        {topic: STREAM},
        group_id=topic,
        kafka={"client": {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}},
        limits={"ahead_records": AHEAD_RECORDS, "drain_seconds": DRAIN_SECONDS, "request_timeout_seconds": 4.0},
    )
    return World(broker, aws, topic, feeder, DokaProcess(given, folder))


@pytest.fixture
def world(kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path) -> Iterator[World]:
    """Give a world on the broker that all tests share."""
    made = _world(kafka_broker, fake_aws_process, tmp_path)
    with made.doka:
        yield made


@pytest.fixture
def own_world(own_kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path) -> Iterator[World]:
    """Give a world on a broker that this test may freeze."""
    made = _world(own_kafka_broker, fake_aws_process, tmp_path, records=6_000)
    with made.doka:
        yield made


def test_a_stop_settles_and_commits_and_nothing_is_sent_twice(world: World) -> None:
    """SIGTERM amid the work: exit 0, what landed is what is committed, and the next run repeats nothing."""
    slowly = world.aws.inject(Delay(0.02, jitter=0.02), times=None)
    world.wait_for(RECORDS // 10)
    assert 0 == world.doka.stop(DRAIN_SECONDS + 2)
    landed = world.landed_by_partition()
    assert RECORDS // 10 <= sum(landed.values()) < RECORDS, "it was stopped before or after the work: proves nothing"
    assert landed == world.committed()
    assert world.doka.told("ended", code=0, reason="stopped by SIGTERM")

    world.aws.withdraw(slowly)
    world.doka.start()
    world.wait_for(RECORDS)
    assert 0 == world.doka.stop()
    judge(world.feeder.production, world.aws.payloads(STREAM)).assert_kept(at_least=RECORDS)
    assert world.ends() == world.committed()


def test_kills_lose_nothing(world: World) -> None:
    """SIGKILL amid the work, three times: none lost, order kept, duplicates within `ahead_records` a partition."""
    slowly = world.aws.inject(Delay(0.02, jitter=0.02), times=None)
    kills = 3
    for kill in range(1, kills + 1):
        world.wait_for(kill * RECORDS // 5)
        world.doka.kill()
        world.doka.start()
    assert world.landed() < RECORDS, "all had landed before the last kill: this proves nothing"
    world.aws.withdraw(slowly)
    eventually(lambda: world.ends() == world.committed(), within=60, what="commits up to the log's end", every=0.2)
    assert 0 == world.doka.stop()

    verdict, bound = judge(world.feeder.production, world.aws.payloads(STREAM)), kills * AHEAD_RECORDS * PARTITIONS
    print(f"{verdict}; bound of duplicates {bound}")  # noqa: T201
    verdict.assert_kept(at_least=RECORDS, duplicates_max=bound)


def test_a_second_signal_changes_nothing(world: World) -> None:
    """A put under way at SIGTERM is waited for, and neither another SIGTERM nor SIGINT cuts that short."""
    world.aws.inject(Hold("slow"), skip=3)
    eventually(lambda: world.aws.held("slow"), within=30, what="a put that is not answered")
    world.doka.signal(signal.SIGTERM)
    eventually(lambda: world.doka.metric("doka_draining"), within=5, what="the drain")
    world.doka.signal(signal.SIGTERM)
    world.doka.signal(signal.SIGINT)
    turns = world.doka.metric("doka_process_cpu_seconds_total")
    eventually(lambda: world.doka.metric("doka_process_cpu_seconds_total") > turns, what="a loop that goes on")
    assert world.doka.runs
    world.aws.release("slow")

    assert 0 == world.doka.wait(DRAIN_SECONDS)
    assert world.landed_by_partition() == world.committed()
    assert sum(world.committed().values()) > 0


def test_a_put_that_is_never_answered_ends_the_drain_loudly(world: World) -> None:
    """What is not answered within the drain is given up at its deadline: exit 1, and how many will repeat."""
    world.aws.inject(Hold("for ever"), times=None, skip=3)
    eventually(world.aws.held, within=30, what="puts that are not answered")
    began = time.monotonic()
    assert 1 == world.doka.stop(DRAIN_SECONDS + 1)
    took = time.monotonic() - began
    (ended,) = world.doka.lines("ended")
    print(f"{took:.1f} s, {ended['reason']}")  # noqa: T201
    assert took < DRAIN_SECONDS + 0.5
    assert "records will repeat" in ended["reason"]

    world.aws.withdraw()
    world.aws.release()
    world.doka.start()
    eventually(lambda: world.ends() == world.committed(), within=60, what="commits up to the log's end", every=0.2)
    assert 0 == world.doka.stop()
    bound = AHEAD_RECORDS * PARTITIONS
    judge(world.feeder.production, world.aws.payloads(STREAM)).assert_kept(at_least=RECORDS, duplicates_max=bound)


def test_a_frozen_broker_cannot_hold_a_stop(own_world: World) -> None:
    """With the broker frozen a stop ends within `drain_seconds` with exit 1 and the reason; nothing is lost."""
    world = own_world
    world.aws.inject(Delay(0.02, jitter=0.02), times=None)
    world.wait_for(1_000)
    world.broker.pause()
    try:
        landed = world.landed()
        began = time.monotonic()
        assert 1 == world.doka.stop(DRAIN_SECONDS + 3)
        took = time.monotonic() - began
        (ended,) = world.doka.lines("ended")
        print(f"{took:.1f} s, {ended['reason']}")  # noqa: T201
        assert took < DRAIN_SECONDS + 1.5
        assert 1 == ended["code"]
        assert "Kafka did not take the last offsets in time" in ended["reason"]
    finally:
        world.broker.unpause()

    assert 0 < landed
    world.doka.start()
    eventually(lambda: world.ends() == world.committed(), within=60, what="commits up to the log's end", every=0.2)
    assert 0 == world.doka.stop()
    bound = AHEAD_RECORDS * PARTITIONS
    verdict = judge(world.feeder.production, world.aws.payloads(STREAM))
    verdict.assert_kept(at_least=6_000, duplicates_max=bound)
    assert [] == world.aws.violations()
