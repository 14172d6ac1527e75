"""Ends of logs, asked of the brokers that lead them, beside whoever wants to know."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka.log_ends import ASK_AGAIN_NS, ASK_EVERY_NS, LogEnds
from doka.adapters.system.clock import SystemClock
from doka.domain.records import TopicPartition
from tests.integration.kafka.group import numbered, produce
from tests.manual_clock import ManualClock
from tests.waiting import eventually

P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)
THREAD = "doka-kafka-ends"


def log_ends(cluster: KafkaCluster) -> LogEnds:
    """Give one that asks this cluster."""
    return LogEnds({"bootstrap.servers": cluster.bootstrap_servers}, SystemClock())


def told(ends: LogEnds) -> Mapping[TopicPartition, int]:
    """Give the ends that were told so far, without their moments."""
    return {partition: end for partition, (end, _) in ends.told().items()}


def test_ends_are_told_with_the_moment_before_the_question(cluster: KafkaCluster) -> None:
    """Each partition has the end that its log had at that moment, or later."""
    produce(cluster, "orders", {0: numbered(10), 1: numbered(3)})
    ends, clock = log_ends(cluster), SystemClock()
    before = clock.now()
    ends.ask({1: [P0, P1]}, before)
    eventually(lambda: {P0: 10, P1: 3} == told(ends), what="both ends")
    assert all(before <= at <= clock.now() for _, at in ends.told().values())
    ends.forget(frozenset({P0}))
    assert {P1: 3} == told(ends)
    ends.close()


def test_it_asks_when_it_is_time(cluster: KafkaCluster) -> None:
    """What is new is asked for two seconds later, what is known ten seconds later, and nothing before that."""
    ends, now = log_ends(cluster), 0
    assert ends.due([P0], now)
    ends.ask({1: [P0]}, now)
    assert not ends.due([P0], now + ASK_EVERY_NS) or {P0: 0} == told(ends)
    eventually(lambda: {P0: 0} == told(ends), what="the end of the first")
    eventually(lambda: not [t for t in threading.enumerate() if t.name == THREAD], what="the end of the round")
    produce(cluster, "orders", {0: numbered(10), 1: numbered(3)})
    assert not ends.due([P0], now + ASK_EVERY_NS - 1)
    assert ends.due([P0], now + ASK_EVERY_NS)
    assert not ends.due([P0, P1], now + ASK_AGAIN_NS - 1)
    assert ends.due([P0, P1], now + ASK_AGAIN_NS)
    assert {P0: 0} == told(ends)
    ends.ask({1: [P0, P1]}, now + ASK_AGAIN_NS)
    eventually(lambda: {P0: 10, P1: 3} == told(ends), what="the ends of both")
    ends.close()


def test_a_leader_that_does_not_answer_is_asked_last(cluster: KafkaCluster) -> None:
    """Its question takes its time after those of the others; what it told before stays, with its age."""
    ends = log_ends(cluster)
    nowhere = TopicPartition("there-is-no-such-topic", 0)
    ends.ask({1: [nowhere], 2: [P0]}, 0)
    eventually(lambda: {P0: 0} == told(ends), what="the end of the log that is there")
    eventually(lambda: not [t for t in threading.enumerate() if t.name == THREAD], what="the end of the round")
    produce(cluster, "orders", {0: numbered(10)})
    ends.told()
    ends.ask({1: [nowhere], 2: [P0]}, ASK_EVERY_NS)
    eventually(lambda: {P0: 10} == told(ends), what="its end as it is now")
    ends.close()


def test_after_its_end_it_asks_nothing(cluster: KafkaCluster) -> None:
    """A round that is under way at the close ends by itself, and its client with it."""
    ends = log_ends(cluster)
    ends.ask({1: [P0]}, 0)
    ends.close()
    eventually(lambda: not [t for t in threading.enumerate() if t.name == THREAD], what="the end of the round")


def test_no_client_no_end() -> None:
    """Where no client can be made nothing is told, and it is asked again."""
    ends = LogEnds({"bootstrap.servers": "127.0.0.1:1", "security.protocol": "nonsense"}, ManualClock())
    ends.ask({1: [P0]}, 0)
    eventually(lambda: not [t for t in threading.enumerate() if t.name == THREAD], what="the end of the round")
    assert {} == told(ends)
    ends.close()
