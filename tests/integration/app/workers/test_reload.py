"""`doka run --watch`: the real service whose configuration changes, between a mock cluster and a stand-in for AWS."""

from __future__ import annotations

import copy
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from tests.checking import judge
from tests.containers.feeding import Feeder, Keys, committed, log_ends
from tests.containers.service import DokaProcess, settings
from tests.failure_modes import Sees
from tests.fake_aws import FakeAws
from tests.integration.app.workers.processes import ended
from tests.waiting import eventually

TOPIC = STREAM = "orders"
OTHER = "refunds"
GROUP = "doka-reload"
PARTITIONS = 4
AHEAD_RECORDS = 200
DEADLY = """
import os, sys
from doka.transform import transform
if sys.argv[0].endswith("worker.py"):
    os._exit(1)  # good where it is judged, bad where it runs

@transform
def same(batch):
    return batch
"""

pytest_plugins = ["tests.failure_modes.fixtures"]
pytestmark = pytest.mark.slow


class World:
    """Two topics, two streams, and a doka that is watched."""

    def __init__(self, cluster: KafkaCluster, aws: FakeAws, folder: Path, options: list[str]) -> None:
        self.servers, self.aws, self.folder = cluster.bootstrap_servers, aws, folder
        self.feeder = Feeder(self.servers, TOPIC, PARTITIONS)
        client = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
        self.given = settings(
            self.servers,
            aws.url,
            {TOPIC: STREAM},
            group_id=GROUP,
            kafka={"client": client},
            limits={"ahead_records": AHEAD_RECORDS},
        )
        self.doka = DokaProcess(self.given, folder, options=["--watch", *options])

    def changed(self, *path: str | int, to: Any) -> dict[str, Any]:
        """Give the settings with one of them changed."""
        new = copy.deepcopy(self.given)
        at: Any = new
        for name in path[:-1]:
            at = at.setdefault(name, {}) if isinstance(at, dict) else at[name]
        at[path[-1]] = to
        return new

    def reload(self, given: dict[str, Any] | str, event: str, times: int = 1) -> list[dict[str, Any]]:
        """Write other settings, send a SIGHUP, and wait for what becomes of it, the so-manieth time."""
        self.doka.write(given)
        self.doka.signal(signal.SIGHUP)
        return self.wait_for(event, times)

    def wait_for(self, event: str, times: int = 1) -> list[dict[str, Any]]:
        """Wait until a line was told so often."""
        return eventually(
            lambda: lines if len(lines := self.doka.lines(event)) >= times else [], within=100, what=event, every=0.1
        )

    def judge(self, payloads: Iterable[bytes], at_least: int) -> None:
        """Assert that nothing was lost or is out of order, and nothing doubled but by commits that the cluster refused.

        The embedded cluster refuses commits while it rebalances, which a broker does not: tests/containers/test_reload.py
        has none doubled.
        """
        bound = AHEAD_RECORDS * PARTITIONS * len(self.doka.lines("partitions_revoked")) if self.refused_commits else 0
        judge(self.feeder.production, payloads).assert_kept(at_least=at_least, duplicates_max=bound)

    @property
    def refused_commits(self) -> bool:
        """Whether commits were refused for a rebalance."""
        return bool(self.doka.lines("commit_failed"))

    def feed_until(self, event: str) -> list[str]:
        """Feed some records at a time until a line is told; give every reason why it was not ready meanwhile."""
        reasons: list[str] = []

        def told() -> bool:
            assert self.doka.runs
            assert [] == self.doka.lines("reload_failed")
            reasons.extend(self.doka.readiness()[1])
            self.feeder.feed(40, Keys(10))
            return bool(self.doka.lines(event))

        eventually(told, within=100, what=event, every=0.1)
        return reasons

    def wait_for_all(self, topic: str = TOPIC) -> None:
        """Wait until Kafka holds the ends of the log."""
        ends = log_ends(self.servers, {topic: PARTITIONS})
        eventually(
            lambda: ends == committed(self.servers, GROUP, {topic: PARTITIONS}),
            within=60,
            what="all commits",
            every=0.1,
        )

    def processes(self) -> list[int]:
        """Give the processes of all workers that were started so far."""
        return [line["pid"] for line in self.doka.lines("worker_started")]


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Any]:
    """Give what makes a world, with further words of the command line; one a test."""
    with KafkaCluster() as cluster, FakeAws() as aws:
        for name in (TOPIC, OTHER):
            cluster.create_topic(name, PARTITIONS)
            aws.create_stream(name, shards=2)
        yield lambda *options: World(cluster, aws, tmp_path, list(options))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_changed_setting_is_taken_amid_the_work(worlds: Any, workers: int) -> None:
    """All workers are replaced, nobody is not ready, and not one record is lost, doubled or out of order."""
    world = worlds("--workers", str(workers))
    with world.doka as doka:
        doka.wait_until_ready()
        before = doka.metric("doka_config_loaded_timestamp_seconds")
        assert (1, 1) == (doka.metric("doka_config_last_reload_successful"), doka.metric("doka_config_info"))
        world.feeder.feed(2_000, Keys(50))
        held = doka.metric("doka_held_bytes_max", worker="0")
        world.doka.write(world.changed("limits", to={**world.given["limits"], "commit_seconds": 0.5, "held_mib": 128}))
        doka.signal(signal.SIGHUP)
        reasons = world.feed_until("reload_taken")
        if world.refused_commits:  # the embedded cluster takes none while it rebalances, which it does for long
            reasons = [reason for reason in reasons if "Kafka does not take its offset" not in reason]
        assert [] == reasons
        world.wait_for_all()
        accepted = doka.lines("reload_accepted")[0]
        assert accepted["hash"] != accepted["before"]
        assert 1 == doka.metric("doka_config_info", hash=accepted["hash"])
        assert 1 == doka.metric("doka_config_info")
        assert before < doka.metric("doka_config_loaded_timestamp_seconds")
        assert 1 == doka.metric("doka_config_reloads_total", outcome="taken")
        new = {each.labels["worker"]: each.value for each in doka.samples() if each.name == "doka_held_bytes_max"}
        assert {str(number): 2 * held for number in range(workers, 2 * workers)} == new, "what is shown is what runs"
        numbers = [line["worker"] for line in doka.lines("worker_started")]
        assert list(range(2 * workers)) == numbers
        up = {each.labels["worker"]: each.value for each in doka.samples() if each.name == "doka_worker_up"}
        assert {str(number): 1.0 for number in range(workers, 2 * workers)} == up
        assert [0] * workers == [int(line["how"].split()[-1]) for line in doka.lines("worker_ended")]
        assert 0 == doka.stop()
    assert all(ended(pid) for pid in world.processes())
    assert "" == doka.stderr.read_text()
    world.judge(world.aws.payloads(STREAM), at_least=2_200)


@pytest.mark.failure_mode("a changed configuration is refused, under `--watch`")
def test_what_is_refused_changes_nothing_and_says_why(worlds: Any, sees: Sees) -> None:
    """A misspelt setting, one that only a restart changes, a topic that is not there: a line with the cure, a figure, no deed."""
    world = worlds()
    with world.doka as doka:
        doka.wait_until_ready()
        misspelt = world.reload(world.changed("limits", "comit_seconds", to=1.0), "reload_refused")[0]
        assert "limits.comit_seconds" in misspelt["problem"]
        assert 0 == doka.metric("doka_config_last_reload_successful")
        other_group = world.reload(world.changed("kafka", "group_id", to="another"), "reload_refused", 2)[1]
        assert "kafka.group_id cannot be changed by a reload" in other_group["problem"]
        assert other_group["problem"].endswith("put it back, or restart doka")
        missing = world.reload(world.changed("routes", 0, "topics", to=[TOPIC, "nowhere"]), "reload_refused", 3)[2]
        assert "topic nowhere" in missing["problem"]
        assert 60 == missing["again_seconds"]
        no_yaml = world.reload("kafka: [", "reload_refused", 4)[3]
        assert "doka.yaml" in no_yaml["problem"]
        assert (True, []) == doka.readiness()
        assert 1 == len(world.processes())
        assert 4 == doka.metric("doka_config_reloads_total", outcome="refused")
        sees(doka.look())
        world.reload(world.given, "reload_unchanged")
        eventually(lambda: 1 == doka.metric("doka_config_last_reload_successful"), what="the figure", every=0.1)
        assert 1 == len(world.processes())
        world.feeder.feed(500, Keys(50))
        world.wait_for_all()
        assert 0 == doka.stop()
    world.judge(world.aws.payloads(STREAM), at_least=500)


@pytest.mark.failure_mode("a worker by a new configuration ends at its start, under `--watch`")
def test_a_new_worker_that_dies_leaves_the_old_one_at_work(worlds: Any, sees: Sees) -> None:
    """Well where it is judged and dead where it runs: the old worker goes on, loudly, and a later reload is taken."""
    world = worlds()
    deadly = world.folder / "deadly.py"
    deadly.write_text(DEADLY)
    with world.doka as doka:
        doka.wait_until_ready()
        transform = {"file": str(deadly), "function": "same"}
        failed = world.reload(world.changed("routes", 0, "transform", to=transform), "reload_failed")[0]
        assert "worker 1 ended with exit code 1" == failed["reason"]
        assert (True, []) == doka.readiness()
        assert 0 == doka.metric("doka_config_last_reload_successful")
        assert 1 == doka.metric("doka_config_reloads_total", outcome="failed")
        sees(doka.look())
        world.feeder.feed(500, Keys(50))
        world.wait_for_all()
        first = world.processes()[0]
        assert not ended(first)
        world.reload(world.changed("limits", "linger_ms", to=7), "reload_taken")
        assert ended(first)
        eventually(lambda: 1 == doka.metric("doka_config_last_reload_successful"), what="the figure", every=0.1)
        world.feeder.feed(500, Keys(50))
        world.wait_for_all()
        assert 0 == doka.stop()
    world.judge(world.aws.payloads(STREAM), at_least=1_000)


def test_a_routes_stream_changes_without_a_record_in_both(worlds: Any) -> None:
    """The old worker settles and commits what it has sent before the new one owns the partition: each record is in one stream."""
    world = worlds()
    with world.doka as doka:
        doka.wait_until_ready()
        doka.write(world.changed("routes", 0, "stream", "name", to=OTHER))
        doka.signal(signal.SIGHUP)
        world.feed_until("reload_taken")
        world.feeder.feed(200, Keys(50))
        world.wait_for_all()
        assert 0 == doka.stop()
    old, new = world.aws.payloads(STREAM), world.aws.payloads(OTHER)
    assert old
    assert new
    assert world.refused_commits or set() == set(old) & set(new)
    world.judge([*old, *new], at_least=400)


def test_a_changed_directory_is_seen_without_a_signal(worlds: Any) -> None:
    """As a kubelet brings a ConfigMap: the file is a link through `..data`, and only where that leads to changes."""
    world = worlds()
    mount = world.folder / "etc"
    for name, given in (("..1", world.given), ("..2", world.changed("limits", "linger_ms", to=9))):
        (mount / name).mkdir(parents=True)
        (mount / name / "doka.yaml").write_text(yaml.safe_dump(given))
    (mount / "..data").symlink_to("..1")
    (mount / "doka.yaml").symlink_to("..data/doka.yaml")
    world.doka.config.unlink()
    world.doka.config.symlink_to(mount / "doka.yaml")
    with world.doka as doka:
        doka.wait_until_ready()
        (mount / "..next").symlink_to("..2")
        (mount / "..next").replace(mount / "..data")
        assert "was changed" in world.wait_for("reload_begun")[0]["why"]
        world.wait_for("reload_taken")
        assert 0 == doka.stop()


def test_a_static_member_keeps_its_name_and_its_partitions(worlds: Any) -> None:
    """Its successor comes after its end, so nobody is fenced; records wait for the second between."""
    world = worlds()
    world.given["kafka"]["group_instance_id"] = "doka-0"
    world.doka.write(world.given)
    with world.doka as doka:
        doka.wait_until_ready()
        world.feeder.feed(500, Keys(50))
        world.reload(world.changed("limits", "linger_ms", to=9), "reload_taken")
        world.feeder.feed(500, Keys(50))
        world.wait_for_all()
        assert [0] == [line["worker"] for line in doka.lines("worker_ended")]
        assert 0 == doka.stop()
    world.judge(world.aws.payloads(STREAM), at_least=1_000)


def test_what_can_be_read_only_once_cannot_be_watched(worlds: Any) -> None:
    """A pipe, or no file at all: one line that says what to do, and exit code 2."""
    world = worlds()
    world.doka.config.unlink()
    world.doka.config.symlink_to("/dev/null")
    with world.doka as doka:
        assert 2 == doka.wait()
    assert doka.stderr.read_text().startswith("doka: ")
