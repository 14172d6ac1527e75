"""A topic that is deleted and made again under its name while doka runs, and has grown past the old offset by then."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import pytest

from tests.checking import Production, judge
from tests.containers.feeding import Feeder, Keys, committed, stored
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.service import DokaProcess, settings
from tests.failure_modes import Sees
from tests.fake_aws import FakeAwsProcess
from tests.waiting import eventually

pytest_plugins = ["tests.failure_modes.fixtures", "tests.fake_aws.fixtures"]

FIRST, AFTER = 20, 1_000
SECONDS = 60.0  # the ids of topics are looked at every twenty seconds
RESTARTED = "restarted"


class Scene:
    """A topic of one partition that was read to its end, then deleted and made anew with more records."""

    def __init__(self, broker: KafkaBroker, aws: FakeAwsProcess, folder: Path) -> None:
        self.broker, self.aws, self.folder = broker, aws, folder
        self.topic = broker.create_topic(1)
        aws.create_stream(self.topic)
        self.production = Production()

    def doka(self, on_gap: str, name: str) -> DokaProcess:
        """Give a service with this policy."""
        kafka = {"on_gap": on_gap}
        given = settings(
            self.broker.bootstrap_servers, self.aws.url, {self.topic: self.topic}, group_id=self.topic, kafka=kafka
        )
        return DokaProcess(given, self.folder, name)

    def feed(self, records: int, prefix: str) -> None:
        """Produce records of keys that begin so."""
        Feeder(self.broker.bootstrap_servers, self.topic, 1, self.production).feed(records, Keys(20, prefix))

    def committed(self) -> int:
        """Give the group's offset."""
        return committed(self.broker.bootstrap_servers, self.topic, {self.topic: 1})[self.topic, 0]

    def has_committed(self, offset: int) -> bool:
        """Say whether the group's offset is this one."""
        return offset == self.committed()

    def metadata(self) -> str | None:
        """Give what stands beside the group's offset."""
        return stored(self.broker.bootstrap_servers, self.topic, {self.topic: 1})[0].metadata

    def read_and_make_anew(self, doka: DokaProcess) -> None:
        """Let the first records land and be committed, then replace the topic by a longer one of its name.

        The service is frozen meanwhile, as if all of it happened between two fetches: else its fetch may find the new log
        while that is still shorter, and then the offset tells.
        """
        before = 0
        while "topic=" not in (self.metadata() or ""):  # the id is asked for beside the loop, in the first seconds
            assert before < AFTER / 2, "commits do not say which topic they are of"
            self.feed(FIRST, "before")
            before += FIRST
            eventually(partial(self.has_committed, before), within=SECONDS, what="the first records", every=0.1)
        doka.signal(signal.SIGSTOP)
        admin = self.broker.admin()
        admin.delete_topics([self.topic], operation_timeout=30)[self.topic].result(timeout=30)

        def made() -> bool:
            self.broker.create_topic(1, name=self.topic)
            return True

        eventually(made, within=30, what="the topic again", every=0.1)
        self.feed(AFTER, "after")
        doka.signal(signal.SIGCONT)

    def all_landed(self) -> bool:
        """Say whether every record of both topics is in the stream."""
        return 0 == judge(self.production, self.aws.payloads(self.topic)).lost


@pytest.fixture
def scene(kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path) -> Scene:
    """Give a scene in which nothing runs yet."""
    return Scene(kafka_broker, fake_aws_process, tmp_path)


@pytest.mark.failure_mode("the topic was deleted and made again, shorter or longer than before")
def test_it_is_read_from_its_start(scene: Scene, sees: Sees) -> None:
    """With on_gap: continue the gap is told and the whole of the new topic lands; some of it twice, none of it never."""
    with scene.doka("continue", "doka") as doka:
        scene.read_and_make_anew(doka)
        eventually(scene.all_landed, within=SECONDS, what="all records of the new topic", every=0.5)
        eventually(lambda: AFTER == scene.committed(), within=SECONDS, what="their commit", every=0.2)
        sees(doka.look())
        assert 1 == doka.metric("doka_gaps_total", topic=scene.topic, policy="continue")
        (line,) = doka.lines("gap_seen")
        assert "the topic was deleted and made again; reading it from its start" in line["message"]
        assert 0 == doka.stop()


def test_it_waits_and_is_known_after_a_restart_too(scene: Scene) -> None:
    """With on_gap: block it is said in /readyz; a start with continue finds it by the id that the commit carries."""
    with scene.doka("block", "doka") as doka:
        scene.read_and_make_anew(doka)
        eventually(lambda: not doka.readiness()[0], within=SECONDS, what="a reason to wait", every=0.5)
        (reason,) = doka.readiness()[1]
        assert "of another topic of the same name; set kafka.on_gap: continue to read it from its start" in reason
        assert 1 == doka.metric("doka_partition_stuck", topic=scene.topic, reason="gap")
        assert 0 == doka.stop()
    with scene.doka("continue", RESTARTED) as doka:
        eventually(scene.all_landed, within=SECONDS, what="all records of the new topic", every=0.5)
        eventually(lambda: AFTER == scene.committed(), within=SECONDS, what="their commit", every=0.2)
        assert 0 == doka.stop()
