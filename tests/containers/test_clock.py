"""A host whose clock is twenty minutes wrong: a real broker, the real service, and an AWS that has another time.

The service's wall clock is moved, not the host's. All that matters is that the two disagree, and so every library of the
process believes the same wrong time, as on a real host; STS, the stream's description and the puts all meet it.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.checking import judge
from tests.containers.feeding import Feeder, Keys, committed, log_ends
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.service import DokaProcess, settings
from tests.failure_modes import Sees
from tests.fake_aws import FakeAwsProcess, Refuse
from tests.set_back import set_back
from tests.waiting import eventually

pytest_plugins = ["tests.failure_modes.fixtures", "tests.fake_aws.fixtures"]

PARTITIONS = 2
RECORDS = 500
TWENTY_MINUTES = 1200.0
LEASE_SECONDS = 4.0
SECONDS = 60.0
IN_FLIGHT_MAX = 16  # puts that may have left under the old date before the first of them is answered


class Scene:
    """A topic, its stream, and a service whose leases end soon by the service's own time."""

    def __init__(self, broker: KafkaBroker, aws: FakeAwsProcess, folder: Path) -> None:
        self.broker, self.aws = broker, aws
        self.topic = broker.create_topic(PARTITIONS)
        aws.create_stream(self.topic)
        aws.shape_leases(told_seconds=LEASE_SECONDS, true_seconds=LEASE_SECONDS)
        self.feeder = Feeder(broker.bootstrap_servers, self.topic, PARTITIONS)
        given = settings(broker.bootstrap_servers, aws.url, {self.topic: self.topic}, group_id=self.topic)
        self.doka = DokaProcess(given, folder)

    def feed_and_wait(self) -> None:
        """Produce some more records and wait until they have landed."""
        self.feeder.feed(RECORDS, Keys(20))
        wanted = len(self.feeder.production)
        eventually(lambda: wanted <= self.aws.landed_count(self.topic), within=SECONDS, what=f"{wanted} landings")

    def refused_for_their_date(self) -> Counter[str]:
        """Count the requests with a date that was refused, by operation; nothing else may have been wrong with any."""
        found = self.aws.violations()
        assert {"skewed_signature"} >= {violation.kind for violation in found}
        return Counter(violation.operation for violation in found)

    def judge(self) -> None:
        """All landed exactly once and in order, and all is committed."""
        at_least = len(self.feeder.production)
        judge(self.feeder.production, self.aws.payloads(self.topic)).assert_kept(at_least=at_least)
        topics = {self.topic: PARTITIONS}
        servers = self.broker.bootstrap_servers
        assert log_ends(servers, topics) == committed(servers, self.topic, topics)


@pytest.fixture
def scene(kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path) -> Scene:
    """Give a scene in which nothing runs yet."""
    return Scene(kafka_broker, fake_aws_process, tmp_path)


@pytest.mark.parametrize("ahead", [TWENTY_MINUTES, -TWENTY_MINUTES], ids=["host fast", "host slow"])
@pytest.mark.failure_mode("the host's clock is wrong")
def test_a_wrong_clock_delays_nothing_and_loses_nothing(scene: Scene, sees: Sees, ahead: float) -> None:
    """Each part learns the date from its first refusal, and all lands once; no lease is judged by the host's clock.

    By that clock each lease would have ended before it was issued, or would live on for twenty minutes. Then the clock
    is set amid the work, and is as wrong in the other direction: what is refused for its date goes again.
    """
    scene.aws.set_skew(-ahead)
    with scene.doka as doka:
        scene.feed_and_wait()
        at_start = scene.refused_for_their_date()
        assert {"AssumeRole": 1, "DescribeStreamSummary": 1, "PutRecords": at_start["PutRecords"]} == at_start
        assert 1 <= at_start["PutRecords"] <= IN_FLIGHT_MAX, "one refusal should have been enough to learn from"
        began, first = time.monotonic(), len(scene.aws.issues())
        while len(scene.aws.issues()) < first + 2:
            scene.feed_and_wait()
        took, issued = time.monotonic() - began, len(scene.aws.issues()) - first
        assert issued * LEASE_SECONDS / 4 < took, f"{issued} leases in {took:.1f} s: they were judged by a wrong clock"
        assert abs(doka.metric("doka_lease_seconds_left")) <= LEASE_SECONDS
        doka.wait_until_ready()
        assert at_start == scene.refused_for_their_date(), "what was learned was forgotten"
        sees(doka.look())

        scene.aws.set_skew(ahead)
        scene.feed_and_wait()
        renewed = len(scene.aws.issues()) + 1
        eventually(lambda: renewed <= len(scene.aws.issues()), within=SECONDS, what="a renewal")
        scene.feed_and_wait()
        doka.wait_until_ready()
        assert 0 == doka.metric("doka_lease_rejections_total", code="ExpiredTokenException")
        assert 0 == doka.stop()
    later = scene.refused_for_their_date() - at_start
    assert {"AssumeRole": 1, "PutRecords": later["PutRecords"]} == later
    assert 1 <= later["PutRecords"] <= IN_FLIGHT_MAX, "one refusal should have been enough to learn from"
    scene.judge()


@pytest.mark.failure_mode("the wall clock is set back while doka runs")
def test_a_clock_that_is_set_back_delays_no_stop(scene: Scene, sees: Sees, tmp_path: Path) -> None:
    """With nothing to do, the loop waits; a wait that ended by the wall clock would last ten minutes longer, and so would SIGTERM."""
    clock = set_back(tmp_path)
    given = settings(scene.broker.bootstrap_servers, scene.aws.url, {scene.topic: scene.topic}, group_id=scene.topic)
    with DokaProcess(given, tmp_path, "set-back", environment=clock.environment) as doka:
        scene.feed_and_wait()
        doka.wait_until_ready()
        clock.moment.touch()
        began = time.monotonic()
        told = doka.look()
        assert 0 == doka.stop(), "the clock's shift is learned from AWS, and no lease ends by it"
        assert 10 > time.monotonic() - began
        sees(told, doka.look())
    scene.judge()


@pytest.mark.failure_mode("the host's clock is wrong, and STS refuses the corrected date too")
def test_an_sts_that_refuses_every_date_blocks_the_route_as_clock_skew(scene: Scene, sees: Sees) -> None:
    """The reason and the measured offset are told, nothing is sent or committed, and a cure needs no restart."""
    scene.aws.set_skew(-TWENTY_MINUTES)
    words = "Signature not yet current: 20260101T000000Z is still later than 20260101T000500Z"
    refusal = scene.aws.inject(Refuse("SignatureDoesNotMatch", words, status=403), on="AssumeRole", times=None)
    scene.feeder.feed(RECORDS, Keys(20))
    with scene.doka as doka:
        eventually(
            lambda: [f"route {scene.topic} is blocked: clock_skew"] == doka.readiness()[1],
            within=SECONDS,
            what="the reason",
            every=0.1,
        )
        assert 1 == doka.metric("doka_route_blocked", route=scene.topic, reason="clock_skew")
        (blocked,) = [line for line in doka.lines("route_blocked") if line["reason"] == "clock_skew"]
        assert scene.topic == blocked["route"]
        offset = re.fullmatch(r"this host's clock is \+(\d+) s off and STS refuses its signatures", blocked["said"])
        assert offset is not None
        assert TWENTY_MINUTES - 1 <= int(offset[1]) <= TWENTY_MINUTES, "the service tells its date in whole seconds"
        sees(doka.look())
        assert 0 == scene.aws.landed_count(scene.topic)
        topics = {scene.topic: PARTITIONS}
        assert max(committed(scene.broker.bootstrap_servers, scene.topic, topics).values()) <= 0
        scene.aws.withdraw(refusal)
        scene.feed_and_wait()
        doka.wait_until_ready()
        assert 0 == doka.stop()
    scene.judge()
