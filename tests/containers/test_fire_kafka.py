"""Kafka under fire, through the real service: the only broker killed, frozen past every session, and members that churn."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.containers.kafka_broker import KafkaBroker, running_broker
from tests.containers.line import AHEAD_RECORDS, KEYS, PARTITIONS, line
from tests.containers.silence import watched
from tests.fake_aws import FakeAwsProcess
from tests.waiting import eventually

pytest_plugins = ["tests.fake_aws.fixtures"]

RECORDS = 5_000
CHURN_SECONDS = 20.0


@pytest.fixture(scope="module")
def broker_of_these(container_engine: None) -> Iterator[KafkaBroker]:
    """Give the broker that the tests of this file kill and freeze."""
    with running_broker() as broker:
        yield broker


def test_a_broker_that_is_killed_and_started_again(
    broker_of_these: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path
) -> None:
    """With the only broker gone and back the service goes on by itself: none lost, order kept, few doubled."""
    broker = broker_of_these
    fire = line(broker, fake_aws_process, RECORDS)
    with fire.doka(tmp_path) as doka, watched(doka, fire.feeder, fire.landed) as watch:
        fire.wait_for(RECORDS // 10)
        broker.kill()
        assert fire.landed() < RECORDS, "all had landed before the kill: this proves nothing"
        broker.start()
        fire.feeder.feed(RECORDS // 10, KEYS)
        fire.wait_until_all_is_committed()
        assert 0 == doka.stop()
    watch.assert_never_silent()
    verdict = fire.verdict()
    print(verdict)  # noqa: T201
    verdict.assert_kept(at_least=RECORDS, duplicates_max=AHEAD_RECORDS * PARTITIONS)
    assert [] == fire.aws.violations()


def test_a_coordinator_that_is_lost_for_longer_than_a_session(
    broker_of_these: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path
) -> None:
    """Frozen until the session is over and thawed, the group takes the member back, which repeats at most its bound."""
    broker = broker_of_these
    fire = line(broker, fake_aws_process, RECORDS)
    with fire.doka(tmp_path) as doka, watched(doka, fire.feeder, fire.landed) as watch:
        fire.wait_for(RECORDS // 10)
        broker.pause()
        try:
            frozen_at = time.monotonic()
            assert fire.landed() < RECORDS, "all had landed before it froze: this proves nothing"
            eventually(lambda: time.monotonic() - frozen_at > 7.0, within=10, what="the end of a session of 6 s")
            held_back = fire.landed()
        finally:
            broker.unpause()
        fire.feeder.feed(RECORDS // 10, KEYS)
        fire.wait_until_all_is_committed()
        assert 0 == doka.stop()
    watch.assert_never_silent()
    verdict = fire.verdict()
    print(f"{verdict}; {held_back} landed before it thawed")  # noqa: T201
    assert held_back < RECORDS, "a frozen broker bounds how far ahead of its commits the service runs"
    verdict.assert_kept(at_least=RECORDS, duplicates_max=AHEAD_RECORDS * PARTITIONS)
    assert [] == fire.aws.violations()


def test_three_members_that_come_and_go_and_die(
    kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path
) -> None:
    """Joins, stops and kills in a random order for twenty seconds: none lost, order kept, repeats bounded by the kills."""
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    fire = line(kafka_broker, fake_aws_process, RECORDS)
    members = [fire.doka(tmp_path, name) for name in ("first", "second", "third")]
    done: list[str] = []
    with ExitStack() as running:
        for member in members:
            running.enter_context(member)
        end = time.monotonic() + CHURN_SECONDS
        while time.monotonic() < end:
            landed = fire.landed()
            fire.feeder.feed(500, KEYS)
            fire.wait_for(landed + chance.randrange(1, 500))  # which is there, however quick the members are
            member = chance.choice(members)
            others = [each for each in members if each is not member and each.runs]
            if not member.runs:
                member.start()
                done.append(f"{member.name} joins")
            elif others and chance.random() < 0.5:
                member.kill()
                done.append(f"{member.name} dies")
            elif others:
                assert member.port, "a process that has not begun to listen dies of SIGTERM as any other does"
                assert 0 == member.stop()
                done.append(f"{member.name} leaves")
        fire.wait_until_all_is_committed()
        assert [0] * len([each for each in members if each.runs]) == [each.stop() for each in members if each.runs]
    verdict, kills = fire.verdict(), sum("dies" in each for each in done)
    print(f"seed {seed}: {', '.join(done)}; {verdict}")  # noqa: T201
    assert len(done) >= 3, f"so little happened that this proves nothing: {done}"
    bound = kills * AHEAD_RECORDS * PARTITIONS
    verdict.assert_kept(at_least=RECORDS, duplicates_max=bound)
    assert [] == fire.aws.violations()
