from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from doka.app.version import version
from tests.checking import judge
from tests.collector import Collector, Series, collector, metrics_of, resource_of, series_of
from tests.containers.feeding import Keys
from tests.integration.app.workers.conftest import PARTITIONS, STREAM, WORKERS, MakeWorld
from tests.integration.app.workers.processes import ended
from tests.waiting import eventually
from tests.warm import DOKA

CLIENTS = ("boto3", "botocore", "confluent_kafka", "pycurl", "dependency_injector")

pytestmark = pytest.mark.slow


def test_workers_share_the_work_and_one_of_them_may_die(make_world: MakeWorld) -> None:
    """One page for all, a killed worker back at work, one stop for all, exit 0; none lost, none out of order."""
    world = make_world({"limits": {"ahead_records": 200}})
    with world.doka as doka:
        world.wait_for_shares()
        eventually(lambda: (True, []) == doka.readiness(), within=30, what="all to be ready")
        assert 200 == doka.page("/healthz")[0]
        world.feeder.feed(4_000, Keys(50))
        world.wait_for_all()
        world.wait_for_metric("doka_records_settled_total", lambda settled: 4_000 == sum(settled) and all(settled))

        before = world.pids()
        os.kill(before[1], signal.SIGKILL)
        eventually(lambda: world.pids()[1] != before[1], within=30, what="a new worker")
        world.wait_for_shares()
        eventually(lambda: doka.readiness()[0], within=30, what="all to be ready")
        world.feeder.feed(2_000, Keys(50))
        world.wait_for_all()
        world.wait_for_metric("doka_worker_restarts_total", lambda restarts: [0, 1] == restarts)
        assert before[0] == world.pids()[0]
        assert 0 == doka.stop()
    assert doka.told("ended", code=0, reason="stopped by SIGTERM")
    assert doka.told("worker_died", worker=1, how="was killed by SIGKILL")
    assert {None, 0, 1} == {line.get("worker") for line in doka.lines()}
    assert "" == doka.stderr.read_text()
    world.assert_nobody_is_left()
    bound = 200 * PARTITIONS // WORKERS
    judge(world.feeder.production, world.aws.payloads(STREAM)).assert_kept(at_least=6_000, duplicates_max=bound)


def test_each_worker_sends_its_own_figures_to_a_collector(make_world: MakeWorld) -> None:
    """Under an instance and a label of its own, so that no two write one series; together they are the page of all."""
    with collector() as far:
        world = make_world({"otlp": {"endpoint": far.url, "interval_seconds": 1.0, "resource": {"k": "v"}}})
        with world.doka as doka:
            world.wait_for_shares()
            world.feeder.feed(400, Keys(50))
            world.wait_for_all()
            eventually(lambda: len(_by_instance(far)) == WORKERS + 1, within=30, what="figures of all")
            assert 0 == doka.stop()
        sent = _by_instance(far)
    host = socket.gethostname()
    assert {f"{host}-0", f"{host}-1", f"{host}-supervisor"} == sent.keys()
    for name in ("0", "1", "supervisor"):
        own = {labels for (metric, labels) in sent[f"{host}-{name}"] if metric == "doka_process_cpu_seconds_total"}
        assert {(("worker", name),)} == own
    settled = [
        value
        for series in sent.values()
        for (metric, _labels), value in series.items()
        if metric == "doka_records_settled_total"
    ]
    assert (2, 400) == (len(settled), sum(settled))
    up = {labels for (metric, labels) in sent[f"{host}-supervisor"] if metric == "doka_worker_up"}
    assert {(("worker", "0"),), (("worker", "1"),)} == up


def _by_instance(far: Collector) -> dict[str, Series]:
    """Give what each process has sent last."""
    requests = [metrics_of(request.data) for request in far.taken()]
    return {resource_of(request)["service.instance.id"]: series_of(request) for request in requests}


def test_a_killed_supervisor_leaves_nobody_behind(make_world: MakeWorld) -> None:
    """Nobody is told, and still each worker drains, commits, and says why it ends at the service's own stdout."""
    world = make_world({})
    with world.doka as doka:
        world.wait_for_shares()  # the mock cluster stores no offsets amid a rebalance, so what moves then lands twice
        world.feeder.feed(1_000, Keys(50))
        world.wait_for_all()
        doka.kill()
        world.assert_nobody_is_left()
    last = [line for line in doka.lines("ended") if line["reason"] == "stopped by the end of its supervisor"]
    assert [(0, 0), (0, 1)] == sorted((line["code"], line["worker"]) for line in last)
    judge(world.feeder.production, world.aws.payloads(STREAM)).assert_kept(at_least=1_000)


def test_ctrl_c_stops_all_in_order(make_world: MakeWorld) -> None:
    """A terminal sends SIGINT to the supervisor and to every worker at once: exit 0, and nobody complains."""
    world = make_world({})
    with world.doka as doka:
        doka.wait_until_ready()
        os.killpg(doka.child.pid, signal.SIGINT)
        os.killpg(doka.child.pid, signal.SIGINT)
        assert 0 == doka.wait()
    assert doka.told("ended", code=0, reason="stopped by SIGINT")
    assert "" == doka.stderr.read_text()
    world.assert_nobody_is_left()


def test_a_configuration_that_no_worker_can_use_ends_all_with_2(make_world: MakeWorld, tmp_path: Path) -> None:
    """It is told, not tried again, and the exit code is the one of bad configurations."""
    missing = {"protocol": "sasl_plaintext", "mechanism": "plain", "username": "u", "allow_plaintext": True}
    world = make_world({"kafka": {"security": {**missing, "password_file": str(tmp_path / "none")}}})
    with world.doka as doka:
        assert 2 == doka.wait()
    assert [] == doka.lines("worker_died")
    assert WORKERS == len(doka.lines("worker_started"))
    assert "kafka.security.password_file names a file that cannot be read" in doka.stderr.read_text()
    (told,) = (line for line in doka.lines("ended") if line.get("worker") is None)
    assert "so a new one would end the same way" in told["reason"]
    world.assert_nobody_is_left()


def test_a_port_that_is_taken_starts_nobody(make_world: MakeWorld) -> None:
    """The supervisor owns the port: one line that names the setting, exit 2, and no worker was started."""
    world = make_world({})
    with world.doka as doka:
        other = make_world({"http": {"port": doka.port}}, "other").doka
        with other:
            assert 2 == other.wait()
        pids = world.pids().values()
        assert 0 == doka.stop()
    assert "http.port" in other.stderr.read_text()
    assert [] == other.lines()
    assert all(ended(pid) for pid in pids)


def test_the_supervisor_imports_no_client() -> None:
    """It forwards nothing, so it must not carry what forwards."""
    program = f"import sys; import doka.app.workers.service, doka.app.cli.main; print([name for name in {CLIENTS!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert "[]\n" == done.stdout


def test_a_person_at_a_terminal_gets_sentences(make_world: MakeWorld, tmp_path: Path) -> None:
    """What is running and how to stop it, in one readable line; then each worker's lines with its number."""
    ours, theirs = pty.openpty()
    make_world({})
    said = bytearray()

    def read() -> bytes:
        with contextlib.suppress(OSError):  # a terminal that nobody writes to any more
            while select.select([ours], [], [], 0)[0]:
                said.extend(os.read(ours, 65_536))
        return bytes(said)

    command = [str(DOKA), "run", "--config", str(tmp_path / "doka.yaml"), "--workers", str(WORKERS)]
    environ = os.environ | {"AWS_EC2_METADATA_DISABLED": "true"}
    child = subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environ, start_new_session=True)
    os.close(theirs)
    try:
        eventually(lambda: f"worker 1: doka {version()} started".encode() in read(), within=60, what="a worker's line")
        child.send_signal(signal.SIGINT)
        eventually(lambda: (read(), child.poll())[1] is not None, within=60, what="its end")
        text = read().decode()
    finally:
        child.kill()
        child.wait()
        os.close(ours)
    assert 0 == child.returncode, text
    assert (
        f"doka {version()} started with 2 workers, each a process and a member of the group doka-workers; limits are per"
        in text
    )
    assert "SIGTERM or Ctrl-C stops all of them" in text
    assert "{" not in text
