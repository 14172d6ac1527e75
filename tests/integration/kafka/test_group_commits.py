"""What a group has committed, asked by no member of it: against a mock cluster."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka import skip_orders
from doka.adapters.kafka.client_errors import COORDINATOR_MOVES
from doka.adapters.kafka.group_commits import committed_by
from doka.adapters.kafka.not_told import NotToldError
from doka.adapters.system.clock import SystemClock
from doka.domain.partitions.start_positions import Birth, Committed
from doka.domain.records import TopicPartition
from tests.integration.kafka.group import settings_for
from tests.integration.kafka.test_skip_writing import commit

P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)
CLOCK = SystemClock()
OFFSET_FETCH = 9


def test_what_a_group_has_committed_is_told_with_what_stands_beside_it(cluster: KafkaCluster) -> None:
    """The birth and the topic's id of each commit, also of another group than the service's; nothing where there is none."""
    settings = settings_for(cluster.bootstrap_servers, "orders")
    commit(cluster, "another", KafkaPartition(*P0, 3, metadata="doka:born=5:partitions=2:topic=abc"))
    assert {P0: Committed(3, Birth(5, 2), "abc")} == committed_by("another", [P0, P1], settings, CLOCK)
    assert {} == committed_by(settings.group_id, [P0, P1], settings, CLOCK)
    assert {} == committed_by("another", [], settings, CLOCK)


def test_a_refusal_is_a_sentence(cluster: KafkaCluster) -> None:
    """With the group, and the right that is missing."""
    settings = settings_for(cluster.bootstrap_servers, "orders")
    commit(cluster, settings.group_id, KafkaPartition(*P0, 3))
    cluster.push_errors(OFFSET_FETCH, [KafkaError.GROUP_AUTHORIZATION_FAILED])
    with pytest.raises(NotToldError, match=f"may not see group {settings.group_id}: grant DESCRIBE on it"):
        committed_by(settings.group_id, [P0], settings, CLOCK)


@pytest.mark.parametrize("code", sorted(COORDINATOR_MOVES))
def test_a_coordinator_that_moves_is_asked_again(cluster: KafkaCluster, code: int) -> None:
    """The first question of a new cluster, or of one whose coordinator has just moved, has its answer a moment later."""
    settings = settings_for(cluster.bootstrap_servers, "orders")
    commit(cluster, settings.group_id, KafkaPartition(*P0, 3))
    cluster.push_errors(OFFSET_FETCH, [code] * 3)
    assert {P0: Committed(3)} == committed_by(settings.group_id, [P0, P1], settings, CLOCK)


def test_one_that_does_not_come_to_rest_is_a_sentence(cluster: KafkaCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time of one question."""
    monkeypatch.setattr(skip_orders, "ANSWER_SECONDS", 0.5)
    settings = settings_for(cluster.bootstrap_servers, "orders")
    cluster.push_errors(OFFSET_FETCH, [KafkaError.COORDINATOR_LOAD_IN_PROGRESS] * 1_000)
    with pytest.raises(NotToldError, match=r"Kafka did not answer as it should: "):
        committed_by(settings.group_id, [P0], settings, CLOCK)
