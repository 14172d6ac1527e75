"""Rows of docs/failure-modes.md that end the process, but for those that only a broker of flesh and blood can play."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest
from confluent_kafka import KafkaError

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.system.clock import SystemClock
from doka.app.service import build, serve
from doka.app.settings.load import settings_from
from tests.containers.service import settings
from tests.failure_modes import Seen, Sees
from tests.fake_aws import SOURCE_KEYS, FakeAws, Hold
from tests.integration.service.conftest import MakeWorld
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
@pytest.mark.failure_mode("a second Ctrl-C")
def test_who_wishes_twice_to_stop(make_world: MakeWorld, sees: Sees) -> None:
    """A second SIGTERM changes nothing of the drain, which waits for a put; a second press of Ctrl-C ends it at once."""
    world = make_world({})
    with world.doka as doka:
        world.aws.inject(Hold("slow"), times=1)
        world.feeder.feed(100)
        eventually(lambda: world.aws.held("slow"), what="a put that is not answered")
        doka.signal(signal.SIGTERM)
        eventually(lambda: doka.metric("doka_draining"), what="the drain", every=0.05)
        doka.signal(signal.SIGTERM)
        sees(doka.look(), row="a second SIGTERM")

        def gone() -> bool:
            doka.signal(signal.SIGINT)  # again and again: within half a second of the first it is the same press
            return not doka.runs

        eventually(gone, within=5, what="an end by impatience", every=0.2)
        sees(doka.look(), row="a second Ctrl-C")
        world.aws.release()
