"""Three members of one group, the moto image behind a gate whose tokens die every five seconds, and a member killed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from testcontainers.core.container import DockerContainer

from doka.adapters.embedded.gate import ExpiringGate
from doka.adapters.embedded.streams import create_stream, read_stream
from doka.adapters.system.clock import SystemClock
from tests.checking import judge
from tests.containers.feeding import Feeder, Keys, committed, log_ends
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.pages import status
from tests.containers.service import DokaProcess, settings
from tests.fake_aws import WRITER_ROLE
from tests.waiting import eventually

MOTO_IMAGE = "motoserver/moto:5.2.5"
STREAM = "orders"
PARTITIONS = 12
RECORDS, FIRST = 30_000, 6_000
TOKEN_SECONDS = 5.0
AHEAD_RECORDS = 500


@pytest.fixture
def moto_url(container_engine: None) -> Iterator[str]:
    """Run moto's image, and give where it listens."""
    with DockerContainer(MOTO_IMAGE).with_exposed_ports(5000) as moto:
        host, port = moto.get_container_host_ip(), int(moto.get_exposed_port(5000))
        eventually(
            lambda: status(f"{host}:{port}", "/moto-api/") == 200, within=60, what="an answer of moto", every=0.2
        )
        yield f"http://{host}:{port}"


@pytest.fixture
def gate(moto_url: str) -> Iterator[ExpiringGate]:
    """Give the gate in front of it."""
    with ExpiringGate(moto_url, SystemClock(), TOKEN_SECONDS) as opened:
        yield opened


def test_members_come_and_go_and_nothing_is_lost(
    kafka_broker: KafkaBroker, moto_url: str, gate: ExpiringGate, tmp_path: Path
) -> None:
    """Members join, leave and die while tokens expire: none lost, order kept, few doubled, commits true."""
    topic = kafka_broker.create_topic(PARTITIONS)
    create_stream(moto_url, WRITER_ROLE, STREAM, shards=4)
    feeder = Feeder(kafka_broker.bootstrap_servers, topic, PARTITIONS)
    feeder.feed(FIRST, Keys(100))
    given = settings(
        kafka_broker.bootstrap_servers,
        gate.url,
        {topic: STREAM},
        group_id=topic,
        kafka={"client": {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}},
        limits={"ahead_records": AHEAD_RECORDS, "requests_in_flight": 1, "request_mib": 5},
    )
    first, second, third = (DokaProcess(given, tmp_path, name) for name in ("first", "second", "third"))

    def when_passed(share: float) -> None:
        eventually(
            lambda: share * RECORDS <= gate.counts().records_passed,
            within=90,
            what=f"{share:.0%} of the records behind the gate",
            every=0.05,
        )

    with first, contextlib.ExitStack() as later:
        when_passed(0.05)
        later.enter_context(second)
        later.enter_context(third)
        share = PARTITIONS // 3
        eventually(
            lambda: [share] * 3 == [each.metric("doka_partitions_owned") for each in (first, second, third)],
            within=60,
            what="a third of the partitions for each member",
            every=0.1,
        )
        feeder.feed(
            RECORDS - FIRST, Keys(100)
        )  # not before: a busy machine shares partitions later than one member works
        when_passed(0.3)
        second.kill()
        assert gate.counts().records_passed < 0.9 * RECORDS, "it was killed after the work: this proves nothing"
        when_passed(0.6)
        assert 0 == first.stop()
        second.start()
        eventually(lambda: second.metric("doka_partitions_owned") > 0, within=60, what="the killed member's return")
        topics = {topic: PARTITIONS}
        ends = log_ends(kafka_broker.bootstrap_servers, topics)
        eventually(
            lambda: ends == committed(kafka_broker.bootstrap_servers, topic, topics),
            within=90,
            what="commits up to the log's end",
            every=0.5,
        )
        assert [0, 0] == [second.stop(), third.stop()]
        assert ends == committed(kafka_broker.bootstrap_servers, topic, topics)

    landed = [record.data for record in read_stream(moto_url, WRITER_ROLE, STREAM)]
    verdict, bound = judge(feeder.production, landed), AHEAD_RECORDS * share
    print(f"{verdict}; bound of duplicates {bound}; {gate.counts()}")  # noqa: T201
    assert RECORDS == sum(ends.values())
    verdict.assert_kept(at_least=RECORDS, duplicates_max=bound)
    assert gate.counts().leases_used >= 3
