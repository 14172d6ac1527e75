from __future__ import annotations

import threading

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka.far_side import ONE_READ
from doka.adapters.kafka.inquirer import ClusterAnswer, Inquirer, beside, next_message, size_of
from doka.adapters.system.clock import SystemClock
from doka.domain.records import TopicPartition
from tests.integration.kafka.group import numbered, produce
from tests.waiting import eventually

P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)
FIND_COORDINATOR = 10
THREAD = "doka-kafka-inquiry"


def connection(cluster: KafkaCluster) -> dict[str, object]:
    """Give the keys by which a client reaches the cluster."""
    return {"bootstrap.servers": cluster.bootstrap_servers}


def answered(inquirer: Inquirer) -> ClusterAnswer:
    """Wait for the answer."""
    return eventually(inquirer.answer, what="the answer of the cluster") or ClusterAnswer()


def test_the_ends_of_logs_and_the_topics_are_told(cluster: KafkaCluster) -> None:
    """Each log with its first offset, after retention too, and its end; each topic with whether it is there."""
    produce(cluster, "orders", {0: numbered(10), 1: numbered(3)})
    cluster.delete_records("orders", 0, before=6)
    inquirer = Inquirer(connection(cluster), SystemClock())

    assert None is inquirer.answer()
    assert inquirer.ask([P0, P1], ["orders"])
    assert ClusterAnswer({P0: (6, 10), P1: (0, 3)}, {"orders": 2}) == answered(inquirer)


def test_a_topic_that_is_gone_is_not_there(cluster: KafkaCluster) -> None:
    """Its absence is an answer, not the want of one."""
    cluster.delete_topic("orders")
    inquirer = Inquirer(connection(cluster), SystemClock())
    inquirer.ask([], ["orders"])

    assert ClusterAnswer({}, {"orders": 0}) == answered(inquirer)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, ClusterAnswer(refused=frozenset({"orders"}))),
        (KafkaError.BROKER_NOT_AVAILABLE, ClusterAnswer()),
    ],
)
def test_an_error_is_no_absence(cluster: KafkaCluster, error: int, told: ClusterAnswer) -> None:
    """A topic that may not be seen is said to be so; a cluster in trouble says nothing about it."""
    cluster.fail_topic("orders", error)
    inquirer = Inquirer(connection(cluster), SystemClock())
    inquirer.ask([], ["orders"])

    assert told == answered(inquirer)


def test_one_question_at_a_time(cluster: KafkaCluster) -> None:
    """The next is refused until the answer was taken, each answer is given once, and no thread is left."""
    inquirer = Inquirer(connection(cluster), SystemClock())
    assert inquirer.ask([], ["orders"])
    eventually(lambda: not [t for t in threading.enumerate() if t.name == THREAD], what="the end of the question")

    assert not inquirer.ask([P0], [])
    assert (ClusterAnswer({}, {"orders": 2}), None) == (inquirer.answer(), inquirer.answer())
    assert inquirer.ask([P0], [])
    assert ClusterAnswer({P0: (0, 0)}) == answered(inquirer)


def test_a_client_that_cannot_be_made_leaves_the_way_free() -> None:
    """The answer is empty, and the question can be asked again."""
    inquirer = Inquirer({"bootstrap.servers": "127.0.0.1:1", "no.such.key": 1}, SystemClock())
    inquirer.ask([P0], ["orders"])

    assert ClusterAnswer() == answered(inquirer)
    assert inquirer.ask([P0], ["orders"])
    assert ClusterAnswer() == answered(inquirer)


def test_a_topic_has_a_size(cluster: KafkaCluster) -> None:
    """As many as its partitions; none where there is no such topic, and an error where the cluster is in trouble."""
    with beside(connection(cluster), SystemClock()) as client:
        there = size_of(client, "orders", 5)
        cluster.fail_topic("orders", KafkaError.BROKER_NOT_AVAILABLE)
        with pytest.raises(KafkaException):
            size_of(client, "orders", 5)
        cluster.fail_topic("orders", 0)
        cluster.delete_topic("orders")

        assert (2, 0) == (there, size_of(client, "orders", 5))


def test_a_record_is_read_though_the_name_of_a_group_is_allowed_nothing(cluster: KafkaCluster) -> None:
    """As by ACLs that name each group that is used: the client is told so before the record comes; an end is told, too."""
    produce(cluster, "orders", {0: numbered(2)})
    cluster.push_errors(FIND_COORDINATOR, [KafkaError.GROUP_AUTHORIZATION_FAILED] * 50)
    with beside({**connection(cluster), **ONE_READ}, SystemClock()) as client:
        client.assign([KafkaPartition(*P0, 2)])  # nothing comes there but the end, so the refusal is what is told first
        told = [client.consume(1, 10)[0].error() for _ in range(2)]
        assert KafkaError.GROUP_AUTHORIZATION_FAILED in {each and each.code() for each in told}
    with beside({**connection(cluster), **ONE_READ}, SystemClock()) as client:
        client.assign([KafkaPartition(*P0, 1)])
        found = [next_message(client, 10) for _ in range(2)]
    last, end = (None if each is None else (each.offset(), each.error()) for each in found)
    assert (1, None) == last
    assert end is not None
    assert end[1] is not None
    assert end[1].code() == KafkaError._PARTITION_EOF


def test_a_client_beside_the_group_is_closed_however_it_ends(cluster: KafkaCluster) -> None:
    """An error of whoever asks leaves no client behind."""
    kept: list[Consumer] = []

    def fail() -> None:
        with beside(connection(cluster), SystemClock()) as client:
            kept.append(client)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with pytest.raises(RuntimeError, match="closed"):
        kept[0].assignment()
