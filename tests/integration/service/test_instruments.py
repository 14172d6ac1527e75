"""What the pages say while records wait in Kafka: not ready without the group, and never a calm figure that is not known.

Each test asks only what an operator sees: /readyz and the page of metrics.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from tests.containers.feeding import Feeder, Keys
from tests.containers.service import DokaProcess, settings
from tests.failure_modes import Sees
from tests.fake_aws import FakeAws
from tests.integration.service.conftest import GROUP, STREAM, TOPIC, MakeWorld, World
from tests.waiting import eventually

pytest_plugins = ["tests.failure_modes.fixtures"]

JOIN_GROUP = 11  # the keys of Kafka's requests
GROUP_AUTHORIZATION_FAILED = 30
BROKERS = 3
RECORDS = 400
AN_HOUR_MS = 3_600_000


def says(doka: DokaProcess, pattern: str, within: float = 40) -> str:
    """Wait until the only reason of /readyz is one like this, and give it."""

    def told() -> str | None:
        ready, reasons = doka.readiness()
        return reasons[0] if not ready and len(reasons) == 1 and re.fullmatch(pattern, reasons[0]) else None

    return eventually(told, within=within, what=f"a reason like {pattern!r}", every=0.1) or ""


def lag(doka: DokaProcess, partition: int) -> tuple[float | None, float, float]:
    """Give records (None where that series is left out), seconds by timestamps and seconds of waiting of a partition."""
    label = {"topic": TOPIC, "partition": str(partition)}
    known = f'doka_lag_records{{partition="{partition}"' in doka.page("/metrics")[1]
    records = doka.metric("doka_lag_records", **label) if known else None
    return records, doka.metric("doka_lag_seconds", **label), doka.metric("doka_waiting_seconds", **label)


@pytest.fixture
def wide_world(tmp_path: Path) -> Iterator[World]:
    """Give a world whose topic has a partition on each of three brokers."""
    with KafkaCluster(BROKERS) as cluster, FakeAws() as aws:
        cluster.create_topic(TOPIC, BROKERS)
        aws.create_stream(STREAM, shards=2)
        servers = cluster.bootstrap_servers
        given = settings(servers, aws.url, {TOPIC: STREAM}, group_id=GROUP)
        yield World(cluster, aws, Feeder(servers, TOPIC, BROKERS), DokaProcess(given, tmp_path))


# --- the group -----------------------------------------------------------------------------------------------------


@pytest.mark.failure_mode("it never gets into the group: nobody listens, a wrong port, TLS, READ on the group missing")
def test_it_is_not_ready_where_nobody_listens(make_world: MakeWorld, sees: Sees) -> None:
    """From its start it says that it has no assignment, with the client's own words; once there is a group it is ready."""
    world = make_world({})
    world.cluster.set_down()
    with world.doka as doka:
        sees.until(doka.look)
        says(doka, r"the consumer group has given no assignment, for \d+ s: .*Connection refused.*")
        assert 0 == doka.metric("doka_ready")
        world.cluster.set_up()
        doka.wait_until_ready(within=60)
        assert 1 == doka.metric("doka_ready")


@pytest.mark.failure_mode("it never gets into the group: nobody listens, a wrong port, TLS, READ on the group missing")
def test_it_is_not_ready_while_the_group_refuses_it(make_world: MakeWorld, sees: Sees) -> None:
    """READ on the group is missing: the reason says so in the broker's words, before the process ends for it."""
    world = make_world({})
    world.cluster.push_errors(JOIN_GROUP, [GROUP_AUTHORIZATION_FAILED] * 100)
    with world.doka as doka:
        says(doka, r"the consumer group has given no assignment, for \d+ s: .*[Gg]roup authorization failed.*")
        sees(doka.look())


@pytest.mark.failure_mode("all brokers are gone")
def test_it_is_not_ready_when_the_group_is_lost(make_world: MakeWorld, sees: Sees) -> None:
    """All brokers go away: lag series of what is not known are left out, within half a minute it says why, and it heals."""
    world = make_world({})
    with world.doka as doka:
        world.feeder.feed(RECORDS, Keys(10))
        doka.wait_until_ready()
        world.wait_for_all()
        eventually(lambda: (0, 0, 0) == lag(doka, 0), what="a lag of nothing", every=0.1)
        world.cluster.set_down()
        gone_at = time.monotonic()
        sees.until(lambda: doka.look(time.monotonic() - gone_at), within=60)
        assert lag(doka, 0)[1] > 20
        world.cluster.set_up()
        doka.wait_until_ready(within=90)
        eventually(lambda: doka.lines("group_back"), within=5, what="a line that it is back", every=0.1)
        [lost], [back] = doka.lines("group_lost"), doka.lines("group_back")
        assert "Connection refused" in lost["message"]
        assert 20 <= lost["lost_seconds"] < back["lost_seconds"]
        eventually(lambda: (0, 0, 0) == lag(doka, 0), within=40, what="a lag of nothing again", every=0.1)


# --- the logs ------------------------------------------------------------------------------------------------------


def _gone(cluster: KafkaCluster) -> None:
    cluster.set_down(BROKERS)


def _silent(cluster: KafkaCluster) -> None:
    cluster.set_rtt(AN_HOUR_MS, BROKERS)


@pytest.mark.parametrize("takes_away", [_gone, _silent])
def test_a_broker_out_of_reach_is_told_by_its_partitions(
    wide_world: World, takes_away: Callable[[KafkaCluster], None]
) -> None:
    """One broker of three: its partition shows no lag in records, one in seconds that grows, and the reason; the others go on."""
    world = wide_world
    with world.doka as doka:
        world.feeder.feed(RECORDS, Keys(10))
        doka.wait_until_ready()
        eventually(lambda: RECORDS <= world.aws.landed_count(STREAM), within=30, what="all records")
        eventually(lambda: [(0, 0, 0)] * BROKERS == [lag(doka, n) for n in range(BROKERS)], what="no lag", every=0.1)
        takes_away(world.cluster)

        def stuck() -> list[float]:
            label = {"topic": TOPIC, "reason": "broker_unreachable"}
            return [doka.metric("doka_partition_stuck", partition=str(n), **label) for n in range(BROKERS)]

        eventually(lambda: sum(stuck()) == 1, within=60, what="that one partition is stuck", every=0.1)
        place = stuck().index(1)
        reasons = [reason for reason in doka.readiness()[1] if f"{TOPIC}[{place}]" in reason]
        assert 1 == len(reasons)
        assert "cannot be reached: it has told nothing of this partition for" in reasons[0]
        assert lag(doka, place)[0] is None
        assert lag(doka, place)[1] > 20
        assert [0, 0] == [lag(doka, other)[0] for other in range(BROKERS) if other != place]


def test_a_blocked_route_shows_its_true_lag(make_world: MakeWorld) -> None:
    """Blocked from the start: all that waits is in the lag, and what comes later too, though nothing is fetched."""
    world = make_world({})
    world.aws.delete_stream(STREAM)
    world.feeder.feed(RECORDS, Keys(10))
    with world.doka as doka:
        says(doka, f"route {STREAM} is blocked: ResourceNotFoundException")
        eventually(lambda: RECORDS == doka.metric("doka_lag_records"), what="the lag of all", within=30, every=0.1)
        world.feeder.feed(RECORDS, Keys(10))
        eventually(lambda: 2 * RECORDS == doka.metric("doka_lag_records"), what="the lag of more", within=30, every=0.1)
        assert lag(doka, 0)[2] > 0
