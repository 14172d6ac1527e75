"""What a person is told before the start; logins and rights are tried on a real broker (tests/containers)."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, TopicPartition

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka.preflight import NO_PARTITION, Obstacle, Preflight, look
from doka.adapters.kafka.rights import Right, action_of, cure_of
from doka.adapters.kafka.settings import KafkaSecurity, MemberSettings
from doka.adapters.system.clock import SystemClock
from doka.domain.rules import RouteRules
from tests.integration.kafka.group import settings_for

OFFSET_COMMIT, OFFSET_FETCH = 8, 9  # the keys of Kafka's requests


def test_topics_that_are_there_are_counted(cluster: KafkaCluster) -> None:
    """Each topic comes with its number of partitions, and nothing is wrong."""
    cluster.create_topic("payments", 5)

    found = look(settings_for(cluster.bootstrap_servers, "orders", "payments"), SystemClock())

    assert Preflight({"orders": 2, "payments": 5}) == found


@pytest.mark.parametrize(
    "moves",
    [KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS],
)
def test_a_coordinator_that_is_on_its_way_is_asked_again(cluster: KafkaCluster, moves: int) -> None:
    """What a broker says for a moment is no obstacle; what it goes on saying is, in its words, when the time is over."""
    settings = settings_for(cluster.bootstrap_servers, "orders")
    cluster.push_errors(OFFSET_FETCH, [moves] * 3)
    assert Preflight({"orders": 2}) == look(settings, SystemClock())

    cluster.push_errors(OFFSET_FETCH, [moves] * 1_000)
    (obstacle,) = look(settings, SystemClock(), timeout=1).obstacles
    assert obstacle.told.startswith(f"Kafka did not tell the offsets of consumer group {settings.group_id}: ")


def test_a_missing_topic_is_named_and_not_made(cluster: KafkaCluster) -> None:
    """A topic that does not exist is told with what to do, the others are still counted, and asking creates nothing."""
    settings = settings_for(cluster.bootstrap_servers, "orders", "paymnets")
    missing = Obstacle("topic paymnets does not exist", "create it, or correct the name in routes", "paymnets")
    wanted = Preflight({"orders": 2}, (missing,))

    assert wanted == look(settings, SystemClock())
    assert wanted == look(settings, SystemClock())


@pytest.mark.parametrize(
    ("servers", "wanted"),
    [
        ("127.0.0.1:1", "no broker answers at 127.0.0.1:1: "),
        ("no-such-host.invalid:9092", "no broker found: "),
    ],
)
def test_nobody_there_is_told_in_time(servers: str, wanted: str) -> None:
    """Within its time-out the preflight says who did not answer and which setting to look at."""
    began = time.monotonic()
    (obstacle,) = look(settings_for(servers, "orders"), SystemClock(), timeout=1).obstacles

    assert time.monotonic() - began < 4
    assert obstacle.told.startswith(wanted)
    assert "kafka.bootstrap_servers" in (obstacle.cure or "")


def test_a_login_that_the_broker_does_not_know_is_told(cluster: KafkaCluster) -> None:
    """The mock speaks no SASL; that is a refused login, told at once."""
    security = KafkaSecurity("sasl_plaintext", "PLAIN", username="u", password="p")
    settings = replace(settings_for(cluster.bootstrap_servers, "orders"), security=security)
    (obstacle,) = look(settings, SystemClock()).obstacles

    assert obstacle.told.startswith("Kafka refuses the login: ")


@pytest.mark.parametrize(
    ("request_key", "error", "told", "action"),
    [
        (OFFSET_FETCH, KafkaError.GROUP_AUTHORIZATION_FAILED, "use consumer group", "kafka-cluster:DescribeGroup"),
        (OFFSET_COMMIT, KafkaError.GROUP_AUTHORIZATION_FAILED, "commit as consumer group", "kafka-cluster:AlterGroup"),
        (OFFSET_COMMIT, KafkaError.TOPIC_AUTHORIZATION_FAILED, "read topic orders", "kafka-cluster:ReadData"),
    ],
)
def test_a_right_that_is_missing_is_named_as_the_login_knows_it(
    cluster: KafkaCluster, request_key: int, error: int, told: str, action: str
) -> None:
    """The ACL; and where IAM decides, its action."""
    settings = settings_for(cluster.bootstrap_servers, "orders")
    cluster.push_errors(request_key, [error])
    (obstacle,) = look(settings, SystemClock()).obstacles
    assert told in obstacle.told
    assert ("grant this process READ on it", None) == (obstacle.cure, obstacle.action)
    assert f"allow {action} on it (doka policy --for msk prints it)" == cure_of(Right(action), "READ", by_iam(settings))
    assert action == action_of(Right(action), by_iam(settings))


def by_iam(settings: MemberSettings) -> MemberSettings:
    """Give the same settings with a login by IAM, which the mock cluster does not know."""
    return replace(settings, security=KafkaSecurity("sasl_ssl", "aws_msk_iam"))


def test_nothing_is_stored_by_asking_whether_it_might_be(cluster: KafkaCluster) -> None:
    """There is no such partition, and the broker says so after it has looked at the rights."""
    settings = settings_for(cluster.bootstrap_servers, "orders")
    assert Preflight({"orders": 2}) == look(settings, SystemClock())
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap_servers, "group.id": settings.group_id})
    try:
        (stored,) = consumer.committed([TopicPartition("orders", NO_PARTITION)], timeout=10)
    finally:
        consumer.close()
    assert OFFSET_INVALID == stored.offset


def test_topics_of_patterns_are_looked_at_as_those_that_are_named(cluster: KafkaCluster) -> None:
    """What patterns bring is told with what is left, for the check to tell."""
    cluster.create_topic("returns.eu", 3)
    cluster.create_topic("returns.us", 1)
    routes = (
        RouteRules("orders", frozenset({"orders"}), "r"),
        RouteRules("returns", frozenset(), "r", patterns=frozenset({"returns.*"})),
        RouteRules("eu", frozenset(), "r", patterns=frozenset({"*.eu"})),
    )
    found = look(settings_for(cluster.bootstrap_servers, "orders", routes=routes), SystemClock())

    assert {"orders": 2, "returns.us": 1} == found.partitions
    assert found.matched is not None
    assert {"returns": {"returns.us"}, "eu": set()} == found.matched.taken
    assert ["returns.eu"] == list(found.matched.left)
