"""`doka run --config A --config B`: one process, two clusters, each with workers of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from tests.checking import judge
from tests.containers.feeding import Feeder, Keys, committed, log_ends
from tests.containers.service import DokaProcess, settings
from tests.fake_aws import FakeAws
from tests.integration.app.workers.processes import ended
from tests.waiting import eventually

TOPIC = "orders"
NAMES = ("eu", "us")
GROUP = "doka-clusters"
PARTITIONS = 2

pytestmark = pytest.mark.slow


class World:
    """Two clusters with a topic of the same name, a stream for each, and a doka for both."""

    def __init__(self, clusters: list[KafkaCluster], aws: FakeAws, folder: Path) -> None:
        self.aws = aws
        self.servers = dict(zip(NAMES, (cluster.bootstrap_servers for cluster in clusters), strict=True))
        self.feeders = {name: Feeder(self.servers[name], TOPIC, PARTITIONS) for name in NAMES}
        client = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
        self.given: dict[str, dict[str, Any]] = {
            name: settings(self.servers[name], aws.url, {TOPIC: name}, group_id=GROUP, kafka={"client": client})
            for name in NAMES
        }
        self.other = folder / "us.yaml"
        self.other.write_text(yaml.safe_dump(self.given["us"]))
        self.doka = DokaProcess(self.given["eu"], folder, "eu", options=["--config", str(self.other), "--watch"])

    def wait_for_all(self) -> None:
        """Wait until both clusters hold the ends of their logs as committed."""
        topics = {TOPIC: PARTITIONS}
        for name in NAMES:
            ends = log_ends(self.servers[name], topics)
            eventually(
                lambda name=name, ends=ends: ends == committed(self.servers[name], GROUP, topics),  # type: ignore[misc]
                within=60,
                what=f"all commits of {name}",
                every=0.1,
            )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Give a world."""
    with KafkaCluster() as one, KafkaCluster() as other, FakeAws() as aws:
        for cluster in (one, other):
            cluster.create_topic(TOPIC, PARTITIONS)
        for name in NAMES:
            aws.create_stream(name, shards=1)
        yield World([one, other], aws, tmp_path)


def test_two_clusters_have_one_page_one_readiness_and_one_end(world: World) -> None:
    """Each record is in its own stream, each figure has its configuration, a reload of one leaves the other's workers alone."""
    with world.doka as doka:
        doka.wait_until_ready()
        for feeder in world.feeders.values():
            feeder.feed(1_000, Keys(20))
        world.wait_for_all()
        eventually(
            lambda: (
                [1_000] * 2 == [doka.metric("doka_records_settled_total", config=name, worker="0") for name in NAMES]
            ),
            within=30,
            what="the figures of both",
            every=0.1,
        )
        shown = orjson.loads(doka.page("/status.json")[1])
        assert sorted(NAMES) == sorted(process["config"] for process in shown["processes"])
        assert {None, *NAMES} == {line.get("config") for line in doka.lines()} | {None}
        assert {*NAMES} == {line["config"] for line in doka.lines("partitions_assigned")}

        world.other.write_text(yaml.safe_dump({**world.given["us"], "limits": {"linger_ms": 9}}))
        doka.signal(signal.SIGHUP)
        taken = eventually(lambda: doka.lines("reload_taken"), within=100, what="the reload", every=0.1)
        assert ["us"] == [line["config"] for line in taken or ()]
        assert [("eu", 0), ("us", 0), ("us", 1)] == sorted(
            (line["config"], line["worker"]) for line in doka.lines("worker_started")
        )
        for feeder in world.feeders.values():
            feeder.feed(500, Keys(20))
        world.wait_for_all()

        victim = next(line["pid"] for line in doka.lines("worker_started") if line["config"] == "eu")
        os.kill(victim, signal.SIGKILL)
        reasons = eventually(lambda: doka.readiness()[1], within=30, what="a reason", every=0.05)
        assert all(reason.startswith("eu: ") for reason in reasons or ())
        eventually(lambda: doka.readiness()[0], within=60, what="all to be ready", every=0.1)
        assert 0 == doka.stop()
    assert all(ended(line["pid"]) for line in doka.lines("worker_started"))
    assert "" == doka.stderr.read_text()
    ending = doka.lines("ended")[-1]
    assert {"eu: stopped by SIGTERM", "us: stopped by SIGTERM"} == set(ending["reason"].split("; "))
    for name, feeder in world.feeders.items():
        refused = any(line["config"] == name for line in doka.lines("commit_failed"))  # as an embedded cluster does
        bound = 1_500 if refused or name == "eu" else 0
        judge(feeder.production, world.aws.payloads(name)).assert_kept(at_least=1_500, duplicates_max=bound)


def test_one_that_cannot_go_on_drains_the_other_with_its_code(world: World) -> None:
    """A file of secrets that is not there, which only a worker sees: exit code 2, and nobody is left."""
    security = {
        "protocol": "sasl_plaintext",
        "mechanism": "plain",
        "username": "u",
        "password_file": str(world.other.with_name("none")),
        "allow_plaintext": True,
    }
    broken = {**world.given["us"], "kafka": {**world.given["us"]["kafka"], "security": security}}
    world.other.write_text(yaml.safe_dump(broken))
    with world.doka as doka:
        assert 2 == doka.wait()
    assert all(ended(line["pid"]) for line in doka.lines("worker_started"))
    assert "us: worker 0 ended with exit code 2" in doka.lines("ended")[-1]["reason"]
    assert doka.told("stopping", config="eu", reason="stopped by the end of us")


def test_two_files_of_one_name_are_refused(world: World) -> None:
    """One line and exit code 2, before anything is started."""
    folder = world.other.with_name("folder")
    folder.mkdir()
    twin = folder / "eu.yaml"
    twin.write_text(yaml.safe_dump(world.given["us"]))
    doka = DokaProcess(world.given["eu"], world.other.parent, "eu", options=["--config", str(twin)])
    with doka:
        assert 2 == doka.wait()
    assert "two files given with --config are called eu" in doka.stderr.read_text()
