"""How a run ends: asked to, killed, with a broker that is frozen; and what the next run finds."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.checking import decode
from tests.containers.feeding import Keys
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.line import SOON_DEAD, Line, line
from tests.containers.service import DokaProcess
from tests.failure_modes import Sees
from tests.fake_aws import Delay, FakeAwsProcess, Hold
from tests.waiting import eventually

pytest_plugins = ["tests.failure_modes.fixtures", "tests.fake_aws.fixtures"]

PARTITIONS = 6
RECORDS = 30_000
AHEAD_RECORDS = 1_000
DRAIN_SECONDS = 6.0
REQUEST_SECONDS = 4.0
LATE_SECONDS = REQUEST_SECONDS / 2
"""By how much the end of a process may be seen late on a busy machine: far less than one more request takes."""
SLOWLY = Delay(0.02, jitter=0.02)


class World(NamedTuple):
    """A line with records in it, and a doka that was not started yet: what disturbs it must be there first."""

    line: Line
    doka: DokaProcess

    def landed_by_partition(self) -> dict[tuple[str, int], int]:
        """Count the landings of each source partition."""
        counts = Counter(decode(payload).log.partition for payload in self.line.payloads())
        return {(self.line.topic, number): counts[number] for number in range(PARTITIONS)}


def _line(broker: KafkaBroker, aws: FakeAwsProcess, records: int, patience: float = 1.0) -> Line:
    limits = {
        "ahead_records": AHEAD_RECORDS,
        "drain_seconds": patience * DRAIN_SECONDS,
        "request_timeout_seconds": patience * REQUEST_SECONDS,
    }
    return line(
        broker, aws, records, partitions=PARTITIONS, keys=Keys(200), answers=None, client=SOON_DEAD, limits=limits
    )


@contextmanager
def _not_started(made: Line, folder: Path) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(made, stack.push(made.doka(folder)))


@pytest.fixture
def world(kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path) -> Iterator[World]:
    """Give a world on the broker that all tests share."""
    made = _line(kafka_broker, fake_aws_process, RECORDS)
    with _not_started(made, tmp_path) as world:
        yield world


@pytest.fixture
def patient_world(kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path) -> Iterator[World]:
    """Give a world whose drain does not end while a test looks at it, nor a request."""
    made = _line(kafka_broker, fake_aws_process, RECORDS, patience=5.0)
    with _not_started(made, tmp_path) as world:
        yield world


@pytest.fixture
def own_world(own_kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path) -> Iterator[World]:
    """Give a world on a broker that this test may freeze."""
    made = _line(own_kafka_broker, fake_aws_process, 6_000)
    with _not_started(made, tmp_path) as world:
        yield world


@pytest.mark.failure_mode("SIGTERM")
def test_a_stop_settles_and_commits_and_nothing_is_sent_twice(world: World, sees: Sees) -> None:
    """SIGTERM amid the work: exit 0, what landed is what is committed, and the next run repeats nothing."""
    slowly = world.line.aws.inject(SLOWLY, times=None)
    world.doka.start()
    world.line.wait_for(RECORDS // 10)
    assert 0 == world.doka.stop()
    landed = world.landed_by_partition()
    assert RECORDS // 10 <= sum(landed.values()) < RECORDS, "it was stopped before or after the work: proves nothing"
    assert landed == world.line.committed()
    assert world.doka.told("ended", code=0, reason="stopped by SIGTERM")
    sees(world.doka.look())

    world.line.aws.withdraw(slowly)
    world.doka.start()
    world.line.wait_for(RECORDS)
    assert 0 == world.doka.stop()
    world.line.verdict().assert_kept(at_least=RECORDS)
    assert world.line.ends() == world.line.committed()


def test_kills_lose_nothing(world: World) -> None:
    """SIGKILL amid the work, three times: none lost, order kept, duplicates within `ahead_records` a partition."""
    slowly = world.line.aws.inject(SLOWLY, times=None)
    world.doka.start()
    kills = 3
    for kill in range(1, kills + 1):
        world.line.wait_for(kill * RECORDS // 5)
        world.doka.kill()
        world.doka.start()
    assert world.line.landed() < RECORDS, "all had landed before the last kill: this proves nothing"
    world.line.aws.withdraw(slowly)
    world.line.wait_until_all_is_committed()
    assert 0 == world.doka.stop()

    verdict, bound = world.line.verdict(), kills * AHEAD_RECORDS * PARTITIONS
    print(f"{verdict}; bound of duplicates {bound}")  # noqa: T201
    verdict.assert_kept(at_least=RECORDS, duplicates_max=bound)


def test_a_second_signal_changes_nothing(patient_world: World) -> None:
    """A put under way at SIGTERM is waited for, and neither another SIGTERM nor SIGINT cuts that short."""
    world = patient_world
    world.line.aws.inject(Hold("slow"), skip=3)
    world.doka.start()
    eventually(lambda: world.line.aws.held("slow"), within=30, what="a put that is not answered")
    world.doka.signal(signal.SIGTERM)
    eventually(lambda: world.doka.metric("doka_draining"), what="the drain")
    world.doka.signal(signal.SIGTERM)
    world.doka.signal(signal.SIGINT)
    turns = world.doka.metric("doka_process_cpu_seconds_total")
    eventually(lambda: world.doka.metric("doka_process_cpu_seconds_total") > turns, what="a loop that goes on")
    assert world.doka.runs
    world.line.aws.release("slow")

    assert 0 == world.doka.wait()
    assert world.landed_by_partition() == world.line.committed()
    assert sum(world.line.committed().values()) > 0


@pytest.mark.failure_mode("SIGTERM, and what was sent is not answered in that time")
def test_a_put_that_is_never_answered_ends_the_drain_loudly(world: World, sees: Sees) -> None:
    """What is not answered within the drain is given up at its deadline: exit 1, and how many will repeat."""
    world.line.aws.inject(Hold("for ever"), times=None, skip=3)
    world.doka.start()
    eventually(world.line.aws.held, within=30, what="puts that are not answered")
    began = time.monotonic()
    assert 1 == world.doka.stop()
    took = time.monotonic() - began
    (ended,) = world.doka.lines("ended")
    print(f"{took:.1f} s, {ended['reason']}")  # noqa: T201
    assert took < DRAIN_SECONDS + LATE_SECONDS
    assert "records will repeat" in ended["reason"]
    sees(world.doka.look())

    world.line.aws.withdraw()
    world.line.aws.release()
    world.doka.start()
    world.line.wait_until_all_is_committed()
    assert 0 == world.doka.stop()
    bound = AHEAD_RECORDS * PARTITIONS
    world.line.verdict().assert_kept(at_least=RECORDS, duplicates_max=bound)


@pytest.mark.failure_mode("the broker is frozen during a stop")
def test_a_frozen_broker_cannot_hold_a_stop(own_world: World, sees: Sees) -> None:
    """With the broker frozen a stop ends within `drain_seconds` with exit 1 and the reason; nothing is lost."""
    world = own_world
    world.line.aws.inject(SLOWLY, times=None)
    world.doka.start()
    world.line.wait_for(1_000)
    world.line.broker.pause()
    try:
        landed = world.line.landed()
        began = time.monotonic()
        assert 1 == world.doka.stop()
        took = time.monotonic() - began
        (ended,) = world.doka.lines("ended")
        print(f"{took:.1f} s, {ended['reason']}")  # noqa: T201
        assert took < DRAIN_SECONDS + LATE_SECONDS
        assert 1 == ended["code"]
        sees(world.doka.look())
    finally:
        world.line.broker.unpause()

    assert 0 < landed
    world.doka.start()
    world.line.wait_until_all_is_committed()
    assert 0 == world.doka.stop()
    bound = AHEAD_RECORDS * PARTITIONS
    verdict = world.line.verdict()
    verdict.assert_kept(at_least=6_000, duplicates_max=bound)
    assert [] == world.line.aws.violations()
