"""`doka run --workers 3`: one worker killed amid the work, one stop for all; as a process and as PID 1 of the image."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.checking import judge
from tests.containers.feeding import Feeder, Keys, committed, log_ends
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.service import DokaProcess, settings
from tests.fake_aws import Delay, FakeAwsProcess
from tests.integration.app.workers.processes import ended
from tests.waiting import eventually

pytest_plugins = ["tests.fake_aws.fixtures"]

STREAM = "orders"
PARTITIONS = 12
WORKERS = 3
SHARE = PARTITIONS // WORKERS
RECORDS = 30_000
AHEAD_RECORDS = 500


class World(NamedTuple):
    """A topic with records in it, a stream, and a doka of three workers that has begun."""

    broker: KafkaBroker
    aws: FakeAwsProcess
    topic: str
    feeder: Feeder
    doka: DokaProcess

    def landed(self) -> int:
        """Count the landings."""
        return self.aws.landed_count(STREAM)

    def wait_for_shares(self) -> None:
        """Wait until each worker has its third of the partitions."""
        eventually(
            lambda: [SHARE] * WORKERS == [self.owned(number) for number in range(WORKERS)],
            within=90,
            what="a third of the partitions for each worker",
            every=0.1,
        )

    def owned(self, worker: int) -> float:
        """Give how many partitions a worker has."""
        return self.doka.metric("doka_partitions_owned", worker=str(worker))

    def process_of(self, worker: int) -> int:
        """Give the id of a worker's process, the last one where there were several."""
        pids: list[int] = [line["pid"] for line in self.doka.lines("worker_started") if line["worker"] == worker]
        return pids[-1]

    def wait_for_all(self) -> None:
        """Wait until the group has committed the ends of all partitions."""
        topics = {self.topic: PARTITIONS}
        ends = log_ends(self.broker.bootstrap_servers, topics)
        assert len(self.feeder.production) == sum(ends.values())
        servers = self.broker.bootstrap_servers
        eventually(
            lambda: ends == committed(servers, self.topic, topics), within=90, what="commits up to the end", every=0.5
        )


@pytest.fixture
def world(kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path) -> Iterator[World]:
    """Give a world in which three workers have begun, slowly enough to be disturbed."""
    topic = kafka_broker.create_topic(PARTITIONS)
    fake_aws_process.create_stream(STREAM, shards=4)
    fake_aws_process.inject(Delay(0.03, jitter=0.02), times=None)
    feeder = Feeder(kafka_broker.bootstrap_servers, topic, PARTITIONS)
    feeder.feed(RECORDS, Keys(100))
    given = settings(
        kafka_broker.bootstrap_servers,
        fake_aws_process.url,
        {topic: STREAM},
        group_id=topic,
        kafka={"client": {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}},
        limits={"ahead_records": AHEAD_RECORDS, "requests_in_flight": 1, "request_records": 50},
    )
    with DokaProcess(given, tmp_path, options=["--workers", str(WORKERS)]) as doka:
        yield World(kafka_broker, fake_aws_process, topic, feeder, doka)


def test_a_killed_worker_comes_back_and_nothing_is_lost(world: World) -> None:
    """Lost 0, order kept, duplicates within the dead worker's bound, exit 0 at one SIGTERM, and no process left."""
    doka = world.doka
    world.wait_for_shares()
    victim = world.process_of(1)
    before = world.landed()
    os.kill(victim, signal.SIGKILL)
    assert 0 < before < 0.9 * RECORDS, "it was killed before or after the work: this proves nothing"
    eventually(lambda: world.process_of(1) != victim, within=30, what="a new worker")
    world.wait_for_shares()
    assert doka.told("worker_died", worker=1, how="was killed by SIGKILL")
    assert [0.0, 1.0, 0.0] == [
        doka.metric("doka_worker_restarts_total", worker=str(number)) for number in range(WORKERS)
    ]
    world.feeder.feed(RECORDS // 10, Keys(100))
    world.wait_for_all()
    eventually(lambda: doka.readiness()[0], within=30, what="all workers to be ready")

    memory = {
        who: doka.metric("doka_process_resident_memory_bytes", worker=who) for who in ("0", "1", "2", "supervisor")
    }
    assert all(memory.values())
    assert 0 == doka.stop()
    world.wait_for_all()
    pids = [line["pid"] for line in doka.lines("worker_started")]
    assert WORKERS + 1 == len(pids)
    assert [] == [pid for pid in pids if not ended(pid)]
    assert {None, 0, 1, 2} == {line.get("worker") for line in doka.lines()}
    verdict, bound = judge(world.feeder.production, world.aws.payloads(STREAM)), AHEAD_RECORDS * SHARE
    sizes = [round(size / 1e6) for size in memory.values()]
    print(f"{verdict}; bound of duplicates {bound}; killed at {before}; resident MB {sizes}")  # noqa: T201
    verdict.assert_kept(at_least=RECORDS * 11 // 10, duplicates_max=bound)
    assert [] == world.aws.violations()


def test_one_stop_amid_the_work_repeats_nothing(world: World) -> None:
    """Three members that leave at once, with puts under way: exit 0, and what landed is what is committed."""
    world.wait_for_shares()
    assert 0 == world.doka.stop()
    landed = world.landed()
    assert 0 < landed < RECORDS, "it was stopped before or after the work: this proves nothing"
    offsets = committed(world.broker.bootstrap_servers, world.topic, {world.topic: PARTITIONS})
    assert landed == sum(max(offset, 0) for offset in offsets.values())
    world.aws.withdraw()
    world.doka.start()
    world.wait_for_all()
    assert 0 == world.doka.stop()
    judge(world.feeder.production, world.aws.payloads(STREAM)).assert_kept(at_least=RECORDS)
