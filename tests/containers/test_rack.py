"""Two real brokers in two racks: a member reads from the replica in its own (KIP-392)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from testcontainers.core.container import DockerContainer

from doka.adapters.kafka.preflight import look
from doka.adapters.kafka.settings import MemberSettings
from doka.adapters.system.clock import SystemClock
from tests.containers.kafka_broker import IMAGE, READY_SECONDS, free_port
from tests.integration.kafka.group import member, numbered, produce, settings_for
from tests.waiting import eventually

RACKS = {1: "euw1-az1", 2: "euw1-az2"}
SELECTOR = "org.apache.kafka.common.replica.RackAwareReplicaSelector"


@contextmanager
def two_brokers() -> Iterator[str]:
    """Run them on this host's own network, where both reach each other as clients reach them."""
    controller = free_port()
    ports = {node: free_port() for node in RACKS}
    with ExitStack() as stack:
        for node, port in ports.items():
            roles = "broker,controller" if node == 1 else "broker"
            own = f",CONTROLLER://127.0.0.1:{controller}" if node == 1 else ""
            environment = {
                "KAFKA_NODE_ID": str(node),
                "KAFKA_PROCESS_ROLES": roles,
                "KAFKA_CONTROLLER_QUORUM_VOTERS": f"1@127.0.0.1:{controller}",
                "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
                "KAFKA_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}{own}",
                "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
                "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
                "KAFKA_INTER_BROKER_LISTENER_NAME": "PLAINTEXT",
                "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
                "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "1",
                "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
                "KAFKA_BROKER_RACK": RACKS[node],
                "KAFKA_REPLICA_SELECTOR_CLASS": SELECTOR,
                "KAFKA_HEAP_OPTS": "-Xms128m -Xmx384m -XX:TieredStopAtLevel=1",
            }
            container = DockerContainer(IMAGE, env=environment).with_kwargs(network_mode="host")
            stack.callback(container.stop)
            container.start()
        servers = f"127.0.0.1:{ports[1]}"

        def both_there() -> bool:
            return len(
                AdminClient({"bootstrap.servers": servers, "log_level": 0}).list_topics(timeout=2).brokers
            ) == len(RACKS)

        eventually(lambda: _without_error(both_there), within=READY_SECONDS, what="two brokers", every=0.3)
        yield servers


def _without_error(ask: Any) -> bool:
    try:
        return bool(ask())
    except Exception:  # noqa: BLE001 - a broker that is not there yet
        return False


@pytest.fixture(scope="module")
def servers() -> Iterator[str]:
    """Give two brokers in two racks."""
    with two_brokers() as running:
        yield running


def read_from(settings: MemberSettings, records: int) -> tuple[int, int]:
    """Read so many records; give who leads the partition, and from whom it is fetched, as the client tells."""
    (topic,) = settings.topics
    seen: list[tuple[int, int]] = []

    def told() -> bool:
        document = m.source._overview._document  # what the client says of itself each few seconds
        partition = (
            {} if document is None else json.loads(document)["topics"].get(topic, {}).get("partitions", {}).get("0", {})
        )
        if partition.get("broker", -1) >= 0:
            seen.append((partition["leader"], partition["broker"]))
        return bool(seen)

    with member(settings) as m:
        m.until(lambda: m.records() == records, within=60)
        m.until(told, within=60)
    return seen[-1]


def test_records_are_read_from_the_replica_in_the_members_rack(servers: str) -> None:
    """And from the leader without a rack, or where no replica is in it, which the check warns of."""
    topic = f"topic-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    admin.create_topics([NewTopic(topic, num_partitions=1, replica_assignment=[[1, 2]])])[topic].result(timeout=30)
    produce(servers, topic, {0: numbered(50)})
    here = settings_for(servers, topic, rack="euw1-az2")

    assert (1, 2) == read_from(here, 50)
    assert (1, 2) == read_from(replace(here, group_id=f"{here.group_id}-2", group_protocol="consumer", client={}), 50)
    assert (1, 1) == read_from(settings_for(servers, topic), 50)
    assert () == look(here, SystemClock()).doubts
    (doubt,) = look(replace(here, rack="eu-west-1b"), SystemClock()).doubts
    assert (
        "no broker is in rack eu-west-1b: they are in euw1-az1, euw1-az2, so all records are read from leaders"
        == doubt.told
    )
