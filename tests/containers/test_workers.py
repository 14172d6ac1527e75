"""`doka run --workers 3`: one worker killed amid the work, one stop for all; as a process and as PID 1 of the image."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
import yaml
from testcontainers.core.container import DockerContainer

from tests.containers.feeding import Keys
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.line import Line, line
from tests.containers.pages import page, status
from tests.containers.service import DokaProcess
from tests.fake_aws import SOURCE_KEYS, Delay, FakeAwsProcess
from tests.integration.app.workers.processes import ended
from tests.waiting import eventually

pytest_plugins = ["tests.fake_aws.fixtures"]

PARTITIONS = 12
WORKERS = 3
SHARE = PARTITIONS // WORKERS
RECORDS = 30_000
AHEAD_RECORDS = 500
ROOT = Path(__file__).parents[2]
IMAGE = "doka:workers-test"
BUILD_SECONDS = 240.0  # as long as compose has for it


class World(NamedTuple):
    """A line with records in it, and a doka of three workers that has begun."""

    line: Line
    doka: DokaProcess

    def wait_for_shares(self) -> None:
        """Wait until each worker has its third of the partitions."""
        eventually(
            lambda: [SHARE] * WORKERS == [self.owned(number) for number in range(WORKERS)],
            within=90,
            what="a third of the partitions for each worker",
            every=0.1,
        )

    def wait_for_work(self) -> None:
        """Wait until each worker has its third and has settled something of it."""
        self.wait_for_shares()
        eventually(
            lambda: all(self.doka.metric("doka_records_settled_total", worker=str(n)) > 0 for n in range(WORKERS)),
            within=30,
            what="all workers to be at work",
        )

    def owned(self, worker: int) -> float:
        """Give how many partitions a worker has."""
        return self.doka.metric("doka_partitions_owned", worker=str(worker))

    def process_of(self, worker: int) -> int:
        """Give the id of a worker's process, the last one where there were several."""
        pids: list[int] = [told["pid"] for told in self.doka.lines("worker_started") if told["worker"] == worker]
        return pids[-1]


@pytest.fixture
def world(kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path) -> Iterator[World]:
    """Give a world in which three workers have begun, slowly enough to be disturbed."""
    slow = line(
        kafka_broker,
        fake_aws_process,
        RECORDS,
        partitions=PARTITIONS,
        keys=Keys(100),
        answers=Delay(0.03, jitter=0.02),
        limits={"ahead_records": AHEAD_RECORDS, "requests_in_flight": 1, "request_records": 50},
    )
    with slow.doka(tmp_path, options=["--workers", str(WORKERS)]) as doka:
        yield World(slow, doka)


def test_a_killed_worker_comes_back_and_nothing_is_lost(world: World) -> None:
    """Lost 0, order kept, duplicates within the dead worker's bound, exit 0 at one SIGTERM, and no process left."""
    doka = world.doka
    world.wait_for_work()
    victim = world.process_of(1)
    before = world.line.landed()
    os.kill(victim, signal.SIGKILL)
    assert 0 < before < 0.9 * RECORDS, "it was killed before or after the work: this proves nothing"
    eventually(lambda: world.process_of(1) != victim, within=30, what="a new worker")
    world.wait_for_shares()
    assert doka.told("worker_died", worker=1, how="was killed by SIGKILL")
    eventually(  # the page may be of a second ago
        lambda: (
            [0.0, 1.0, 0.0]
            == [doka.metric("doka_worker_restarts_total", worker=str(number)) for number in range(WORKERS)]
        ),
        what="the restart on the page",
        every=0.1,
    )
    world.line.feeder.feed(RECORDS // 10, Keys(100))
    world.line.wait_until_all_is_committed()
    eventually(lambda: doka.readiness()[0], within=30, what="all workers to be ready")

    memory = {
        who: doka.metric("doka_process_resident_memory_bytes", worker=who) for who in ("0", "1", "2", "supervisor")
    }
    assert all(memory.values())
    assert 0 == doka.stop()
    world.line.wait_until_all_is_committed()
    pids = [told["pid"] for told in doka.lines("worker_started")]
    assert WORKERS + 1 == len(pids)
    assert [] == [pid for pid in pids if not ended(pid)]
    assert {None, 0, 1, 2} == {told.get("worker") for told in doka.lines()}
    verdict, bound = world.line.verdict(), AHEAD_RECORDS * SHARE
    sizes = [round(size / 1e6) for size in memory.values()]
    print(f"{verdict}; bound of duplicates {bound}; killed at {before}; resident MB {sizes}")  # noqa: T201
    verdict.assert_kept(at_least=RECORDS * 11 // 10, duplicates_max=bound)
    assert [] == world.line.aws.violations()


def test_one_stop_amid_the_work_repeats_nothing(world: World) -> None:
    """Three members that leave at once, with puts under way: exit 0, and what landed is what is committed."""
    world.wait_for_work()
    assert 0 == world.doka.stop()
    landed = world.line.landed()
    assert 0 < landed < RECORDS, "it was stopped before or after the work: this proves nothing"
    assert landed == sum(max(offset, 0) for offset in world.line.committed().values())
    world.line.aws.withdraw()
    world.doka.start()
    world.line.wait_until_all_is_committed()
    assert 0 == world.doka.stop()
    world.line.verdict().assert_kept(at_least=RECORDS)


@pytest.fixture
def image(container_engine: None) -> str:
    """Give the image of this checkout; its layers are cached."""
    command = ["docker", "build", "--quiet", "--tag", IMAGE, str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    assert 0 == built.returncode, built.stderr[-3000:]
    return IMAGE


@pytest.mark.timeout(600)
def test_the_supervisor_is_process_1_of_a_container_without_a_writable_path(
    image: str, kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path
) -> None:
    """Read-only root, no capability, nobody's user: workers share, one is killed and replaced, `stop` ends with 0."""
    quiet = line(kafka_broker, fake_aws_process, 0, partitions=PARTITIONS, answers=None, limits={})
    config = tmp_path / "doka.yaml"
    config.write_text(yaml.safe_dump(dict(quiet.given)), encoding="utf-8")
    config.chmod(0o644)  # read by the image's own user
    doka = (
        DockerContainer(image)
        .with_command(f"run --config /etc/doka/doka.yaml --workers {WORKERS}")
        .with_volume_mapping(str(config), "/etc/doka/doka.yaml", "ro")
        .with_env("AWS_ACCESS_KEY_ID", SOURCE_KEYS.access_key)
        .with_env("AWS_SECRET_ACCESS_KEY", SOURCE_KEYS.secret_key)
        .with_env("AWS_EC2_METADATA_DISABLED", "true")
        .with_kwargs(network_mode="host", read_only=True, cap_drop=["ALL"], security_opt=["no-new-privileges:true"])
    )
    with doka:
        container = doka.get_wrapped_container()

        def lines(event: str) -> list[dict[str, Any]]:
            told = container.logs(stdout=True, stderr=False).rpartition(b"\n")[0]
            return [said for said in map(orjson.loads, told.splitlines()) if said["event"] == event]

        port = eventually(lambda: lines("started"), within=60, what="its port", every=0.2)[0]["port"]
        shares = [f'doka_partitions_owned{{worker="{number}"}} {SHARE}.0' for number in range(WORKERS)]

        def shared() -> bool:
            return set(shares) <= set(page(f"127.0.0.1:{port}", "/metrics")[1].splitlines())

        eventually(shared, within=90, what="a third of the partitions for each worker", every=0.2)
        quiet.feeder.feed(6_000, Keys(100))
        victim = lines("worker_started")[1]["pid"]
        program = f"import os; os.kill({victim}, 9); print(open('/proc/1/cmdline').read())"
        code, said = container.exec_run(["python3", "-c", program])
        assert (0, True) == (code, b"--workers" in said), said
        eventually(lambda: WORKERS + 1 == len(lines("worker_started")), within=30, what="a new worker", every=0.2)
        eventually(shared, within=90, what="a third of the partitions for each worker again", every=0.2)
        eventually(lambda: status(f"127.0.0.1:{port}", "/readyz") == 200, within=30, what="all to be ready")
        quiet.wait_until_all_is_committed()
        container.stop(timeout=40)
        assert 0 == container.wait()["StatusCode"]
        assert "stopped by SIGTERM" == lines("ended")[-1]["reason"]
        assert b"" == container.logs(stdout=False, stderr=True)
    quiet.verdict().assert_kept(at_least=6_000, duplicates_max=6_000 // WORKERS)
