"""How far a group is behind, asked by no member of it: against a mock cluster, which knows no ids and tells no members."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka import group_lag
from doka.adapters.kafka.group_lag import GroupLag, LagReading, PartitionLag
from doka.adapters.kafka.not_told import NotToldError
from doka.adapters.kafka.settings import MemberSettings
from doka.adapters.system.clock import SystemClock
from doka.domain.records import TopicPartition
from tests.integration.kafka.group import numbered, produce, settings_for
from tests.integration.kafka.test_skip_writing import commit

P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)
CLOCK = SystemClock()
METADATA, FETCH, OFFSET_FETCH = 3, 1, 9


@pytest.fixture
def ids(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Give the ids of topics, which a mock cluster would not tell for ten seconds."""
    told: dict[str, str] = {}
    monkeypatch.setattr(group_lag, "topic_ids", lambda *_arguments: told)
    return told


@pytest.fixture
def settings(cluster: KafkaCluster, ids: dict[str, str]) -> MemberSettings:
    """Give settings of a group that has committed 30 of a hundred records of orders[0], and nothing of orders[1]."""
    assert not ids
    produce(cluster, "orders", {0: numbered(100), 1: numbered(10)})
    given = settings_for(cluster.bootstrap_servers, "orders")
    commit(cluster, given.group_id, KafkaPartition(*P0, 30, metadata="doka:topic=abc"))
    return given


def look(settings: MemberSettings, *topics: str) -> GroupLag:
    """Look at the group of the settings."""
    return LagReading(settings, CLOCK).look(settings.group_id, topics or settings.topics)


def test_the_lag_is_told_for_each_partition(settings: MemberSettings) -> None:
    """Committed, end and what lies between; since when the record at the committed offset has waited."""
    found = look(settings)
    zero, one = found.partitions
    assert (30, 0, 100, 70, 0) == (zero.committed, zero.start, zero.end, zero.lag, zero.gone)
    assert zero.waits_since_ms is not None
    assert found.at_ms - 60_000 < zero.waits_since_ms <= found.at_ms
    assert PartitionLag(P1, None, 0, 10) == one
    assert (None, True, settings.group_id) == (one.lag, found.committed_anything, found.group)


def test_nothing_waits_at_the_end(cluster: KafkaCluster, settings: MemberSettings) -> None:
    """Then there is no time either, and no reason for that."""
    commit(cluster, settings.group_id, KafkaPartition(*P0, 100))
    assert PartitionLag(P0, 100, 0, 100) == look(settings).partitions[0]


def test_what_left_the_log_before_it_was_read_is_counted(cluster: KafkaCluster, settings: MemberSettings) -> None:
    """A commit below the log's start: so many are gone, and the first that is left is the oldest that waits."""
    cluster.delete_records("orders", 0, 50)
    zero = look(settings).partitions[0]
    assert (50, 20, "20 offsets are gone: the log begins at 50") == (zero.lag, zero.gone, zero.trouble)
    assert zero.waits_since_ms is not None


def test_a_commit_of_another_log_says_nothing_of_this_one(
    cluster: KafkaCluster, settings: MemberSettings, ids: dict[str, str]
) -> None:
    """Above the end, or made on a topic with another id: no lag is made up."""
    ids["orders"] = "abc"
    assert look(settings).partitions[0].lag == 70
    ids["orders"] = "xyz"
    zero = look(settings).partitions[0]
    assert (None, "the commit was made on another topic of the same name") == (zero.lag, zero.trouble)
    commit(cluster, settings.group_id, KafkaPartition(*P0, 120))
    zero = look(settings).partitions[0]
    assert (None, None) == (zero.lag, zero.waits_since_ms)
    assert zero.trouble == "the log ends at 100, below the commit: it is not the log that was read"


def test_a_topic_that_is_not_there_hides_nothing_of_the_others(settings: MemberSettings) -> None:
    """It is named, and the rest is told."""
    found = look(settings, "orders", "returns")
    assert (("returns",), [P0, P1]) == (found.missing_topics, [each.partition for each in found.partitions])
    assert ("returns",) == look(settings, "returns").missing_topics


def test_a_time_that_nobody_tells_has_a_reason(
    cluster: KafkaCluster, settings: MemberSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lag stands all the same."""
    monkeypatch.setattr(group_lag, "ANSWER_SECONDS", 1.0)
    cluster.push_errors(FETCH, [KafkaError.NOT_LEADER_FOR_PARTITION] * 100)
    zero = look(settings).partitions[0]
    assert (70, None) == (zero.lag, zero.waits_since_ms)
    assert zero.why_no_time == "its broker did not give the record within 1 s"


def test_who_may_not_read_the_topic_is_told_so(cluster: KafkaCluster, settings: MemberSettings) -> None:
    """The lag needs no right to read records; their time does."""
    cluster.push_errors(FETCH, [KafkaError.TOPIC_AUTHORIZATION_FAILED] * 100)
    zero = look(settings).partitions[0]
    assert (70, "this login may not read the topic: grant READ on it") == (zero.lag, zero.why_no_time)


def test_members_that_are_not_told_have_a_reason(settings: MemberSettings) -> None:
    """Rather than none: nobody would be a member then."""
    found = look(settings)
    assert found.members is None
    assert found.why_no_members == "Local: Required feature not supported by broker"


def test_without_commits_or_a_cluster_it_is_a_sentence(
    cluster: KafkaCluster, settings: MemberSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the coordinator refuses, and what nobody answers."""
    cluster.push_errors(OFFSET_FETCH, [KafkaError.GROUP_AUTHORIZATION_FAILED])
    with pytest.raises(NotToldError, match=f"may not see group {settings.group_id}: grant DESCRIBE on it"):
        look(settings)
    cluster.set_down()
    monkeypatch.setattr(group_lag, "ANSWER_SECONDS", 2.0)
    with pytest.raises(NotToldError, match="Kafka did not answer as it should"):
        look(settings)


def test_a_broker_that_is_away_hides_nothing_of_the_others(
    monkeypatch: pytest.MonkeyPatch, ids: dict[str, str]
) -> None:
    """Of its partitions nothing is known, and it is named."""
    monkeypatch.setattr(group_lag, "ANSWER_SECONDS", 2.0)
    monkeypatch.setattr("doka.adapters.kafka.log_ranges.ANSWER_SECONDS", 2.0)
    assert not ids
    with KafkaCluster(brokers=2) as cluster:
        cluster.create_topic("orders", 2)
        produce(cluster, "orders", {0: numbered(5), 1: numbered(5)})
        settings = settings_for(cluster.bootstrap_servers, "orders")
        cluster.set_coordinator(settings.group_id, 1)
        for partition in (P0, P1):
            commit(cluster, settings.group_id, KafkaPartition(*partition, 2))
        cluster.set_down(2)
        found = look(settings)
    known = [each for each in found.partitions if each.lag == 3]
    (away,) = [each for each in found.partitions if each.lag is None]
    assert len(known) == 1
    assert (away.trouble or "").startswith("broker 2 did not answer: ")
