"""Rows of docs/failure-modes.md that end the process, but for those that only a broker of flesh and blood can play."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest
from confluent_kafka import KafkaError

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.system.clock import SystemClock
from doka.adapters.system.signals import ONE_PRESS_NS
from doka.app.service import build, serve
from doka.app.settings.load import settings_from
from doka.domain.limits import NS_PER_SECOND
from tests.containers.service import settings
from tests.failure_modes import Seen, Sees
from tests.fake_aws import SOURCE_KEYS, FakeAws, Hold
from tests.integration.service.conftest import MakeWorld, World
from tests.waiting import eventually

pytest_plugins = ["tests.failure_modes.fixtures"]

OFFSET_FETCH, JOIN_GROUP = 9, 11  # the keys of Kafka's requests
HURRY = 30


class HurryingClock(SystemClock):
    """A minute of its steady time takes two seconds; the date is the true one."""

    def __init__(self) -> None:
        super().__init__()
        self._began = super().now()

    def now(self) -> int:
        """Give the steady time."""
        return self._began + (super().now() - self._began) * HURRY


@pytest.mark.parametrize(
    ("refuses", "errors"),
    [
        pytest.param(
            JOIN_GROUP,
            [KafkaError.GROUP_AUTHORIZATION_FAILED] * 1_000,
            marks=pytest.mark.failure_mode("the login or the group is refused for a minute"),
            id="the group",
        ),
        pytest.param(
            OFFSET_FETCH,
            [KafkaError.COORDINATOR_NOT_AVAILABLE] * 1_000,
            marks=pytest.mark.failure_mode("starting positions cannot be had for 30 s"),
            id="the group's offsets",
        ),
    ],
)
def test_what_kafka_refuses_for_too_long_ends_the_process(
    sees: Sees, refuses: int, errors: Sequence[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real service in this process, whose clock hurries, beside a cluster that answers with one error for ever."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SOURCE_KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SOURCE_KEYS.secret_key)
    with KafkaCluster() as cluster, FakeAws() as aws, (tmp_path / "stdout").open("wb") as stdout:
        cluster.create_topic("orders", 1)
        aws.create_stream("orders")
        given = settings(cluster.bootstrap_servers, aws.url, {"orders": "orders"}, group_id="doka")
        cluster.push_errors(refuses, errors)
        container = build(settings_from(given, hostname="host"), "host")
        container.clock.override(HurryingClock())
        container.log_fd.override(stdout.fileno())
        ending = serve(container)
    lines = [orjson.loads(line) for line in (tmp_path / "stdout").read_bytes().splitlines()]
    sees(Seen(log=lines, exit_code=ending.code))


@pytest.mark.failure_mode("a second SIGTERM")
def test_a_second_sigterm_changes_nothing(make_world: MakeWorld, sees: Sees) -> None:
    """The put that is under way is waited for, as before it."""
    world = make_world({})
    with world.doka as doka:
        _drain(world, signal.SIGTERM)
        doka.signal(signal.SIGTERM)
        turns = doka.metric("doka_process_cpu_seconds_total")
        eventually(lambda: doka.metric("doka_process_cpu_seconds_total") > turns, what="a loop that goes on")
        draining = doka.look()
        world.aws.release()
        doka.wait()
        sees(draining, doka.look())


@pytest.mark.failure_mode("a second Ctrl-C")
def test_a_second_ctrl_c_ends_it_at_once(make_world: MakeWorld, sees: Sees) -> None:
    """Nobody waits for the put that is under way."""
    world = make_world({})
    with world.doka as doka:
        _drain(world, signal.SIGINT)
        pressed = time.monotonic()
        eventually(lambda: time.monotonic() - pressed > ONE_PRESS_NS / NS_PER_SECOND, what="another press of the key")
        doka.signal(signal.SIGINT)
        doka.wait(5)
        sees(doka.look())
        world.aws.release()


def _drain(world: World, number: signal.Signals) -> None:
    """Ask a service to stop that has a put under way which is not answered."""
    world.aws.inject(Hold("slow"), times=1)
    world.feeder.feed(100)
    eventually(lambda: world.aws.held("slow"), what="a put that is not answered")
    world.doka.signal(number)
    eventually(lambda: world.doka.metric("doka_draining"), what="the drain", every=0.05)
