"""docker-compose.test.yml, as a person would use it: up, feed, read the stream back, stop, down."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from doka.adapters.embedded.streams import read_stream
from tests.checking import judge
from tests.containers.feeding import Feeder, Keys, committed, log_ends
from tests.containers.kafka_broker import free_port
from tests.containers.pages import status
from tests.fake_aws import WRITER_ROLE
from tests.waiting import eventually

FILE = Path(__file__).parents[2] / "docker-compose.test.yml"
NAME, GROUP, PARTITIONS = "orders", "doka-compose", 4  # as in compose/prepare.py and compose/doka.yaml
RECORDS = 2_000
UP_SECONDS = 240.0  # the image is built anew where its layers are not cached


class Compose:
    """One project of the compose file, under a name and on ports of its own."""

    def __init__(self, command: list[str]) -> None:
        self.project = f"doka-{uuid.uuid4().hex[:8]}"
        self.kafka = ""  # not known before it is up
        self._command = [*command, "-p", self.project, "-f", str(FILE)]
        self._environ = os.environ | {"DOKA_TEST_AWS_PORT": "0", "DOKA_TEST_HTTP_PORT": "0"}

    def up(self) -> None:
        """Build what is to be built, then start; the broker's port is taken between: a build takes minutes."""
        self.run("build", within=UP_SECONDS)
        port = free_port()  # the broker advertises it, so it must be known before
        self.kafka = f"127.0.0.1:{port}"
        self._environ["DOKA_TEST_KAFKA_PORT"] = str(port)
        self.run("up", "--detach", within=UP_SECONDS)

    def run(self, *words: str, within: float = 60.0) -> str:
        """Run one command of compose and give what it said on stdout; fails with what it said on stderr."""
        done = subprocess.run(
            [*self._command, *words],
            env=self._environ,
            cwd=FILE.parent,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )
        assert done.returncode == 0, f"{words} ended with {done.returncode}: {done.stderr[-3000:]}{self._logs(words)}"
        return done.stdout.strip()

    def address(self, service: str, port: int) -> str:
        """Give host:port under which a service's port is reached from here."""
        return self.run("port", service, str(port))

    def state(self, service: str) -> str:
        """Give a service's container state and exit code, as `exited 0`."""
        container = self.run("ps", "--all", "--quiet", service)
        words = ["docker", "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", container]
        return subprocess.run(words, capture_output=True, text=True, timeout=30, check=True).stdout.strip()

    def _logs(self, words: tuple[str, ...]) -> str:
        return "" if words[0] == "logs" else f"\n{self.run('logs', '--tail=20')}"


@pytest.fixture
def compose(container_engine: None) -> Iterator[Compose]:
    """Give the project, up; whatever happens it is taken down with its volumes and networks."""
    made = Compose(_compose_command())
    try:
        made.up()
        yield made
    finally:
        made.run("down", "--volumes", "--remove-orphans", "--timeout", "5", within=120)


def test_what_is_fed_comes_out_and_the_container_stops_cleanly(compose: Compose) -> None:
    """Records fed to Kafka are read back from the stream, exactly once, and `stop` ends doka with exit code 0."""
    eventually(
        lambda: status(compose.address("doka", 9400), "/readyz") == 200, within=60, what="doka to be ready", every=0.2
    )
    assert "exited 0" == compose.state("prepare")
    feeder = Feeder(compose.kafka, NAME, PARTITIONS)
    feeder.feed(RECORDS, Keys(50))
    topics = {NAME: PARTITIONS}
    ends = log_ends(compose.kafka, topics)
    assert RECORDS == sum(ends.values())
    eventually(lambda: ends == committed(compose.kafka, GROUP, topics), within=60, what="all commits", every=0.5)

    compose.run("stop", "doka")

    assert "exited 0" == compose.state("doka")
    assert "stopped by SIGTERM" in compose.run("logs", "--no-color", "doka")
    landed = [record.data for record in read_stream(f"http://{compose.address('moto', 5000)}", WRITER_ROLE, NAME)]
    judge(feeder.production, landed).assert_kept(at_least=RECORDS)


def _compose_command() -> list[str]:
    """Give the words that run compose here: the plugin of the docker command, else the older program."""
    plugin = ["docker", "compose"]
    if (
        shutil.which("docker")
        and subprocess.run([*plugin, "version"], capture_output=True, check=False).returncode == 0
    ):
        return plugin
    older = shutil.which("docker-compose")
    if older is None:
        reason = "neither `docker compose` nor docker-compose is installed"
        if os.environ.get("DOKA_CONTAINERS") == "required":
            pytest.fail(f"{reason} (and DOKA_CONTAINERS=required)", pytrace=False)
        pytest.skip(reason)
    return [older]
