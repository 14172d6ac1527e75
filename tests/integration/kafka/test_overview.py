"""What a member knows of its group and of the logs, beside the records."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka import log_ends, overview
from doka.adapters.kafka.client_stats import STATS_EVERY_MS
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.status import GroupStatus
from tests.integration.kafka.group import Member, member, numbered, produce, settings_for

P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)
TELLS_AFTER_NS = 5 * NS_PER_SECOND
"""Later than a broker that answers tells an end again, by what `_often` sets: a question a second, which waits for three."""
BOTH = pytest.mark.parametrize("group_protocol", ["classic", "consumer"])


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let figures come, and ends be asked for, ten times as often as in production: what is known is the same, and sooner."""
    monkeypatch.setattr(overview, "STATS_EVERY_MS", STATS_EVERY_MS // 10)
    monkeypatch.setattr(overview, "QUIET_NS", overview.QUIET_NS // 10)
    monkeypatch.setattr(log_ends, "ASK_EVERY_NS", log_ends.ASK_EVERY_NS // 10)
    monkeypatch.setattr(log_ends, "ASK_AGAIN_NS", log_ends.ASK_AGAIN_NS // 10)


def ends(m: Member) -> dict[TopicPartition, int | None]:
    """Give the ends that are known."""
    return {partition: log.end for partition, log in m.source.status().logs.items()}


@BOTH
def test_an_empty_assignment_is_one(cluster: KafkaCluster, group_protocol: str) -> None:
    """More members than partitions: who owns nothing is in the group like the others."""
    settings = settings_for(cluster.bootstrap_servers, "orders", group_protocol=group_protocol)
    with ExitStack() as stack:
        members = [stack.enter_context(member(settings)) for _ in range(3)]
        assert [False] * 3 == [m.source.status().group.joined for m in members]

        def settled() -> bool:
            for other in members[1:]:
                other.turn()
            statuses = [m.source.status() for m in members]
            owned = sorted(len(status.logs) for status in statuses)
            return [0, 1, 1] == owned and [GroupStatus(joined=True)] * 3 == [status.group for status in statuses]

        members[0].until(settled, what="that all three are in the group")


@BOTH
def test_a_group_that_is_lost_is_told_and_found_again(cluster: KafkaCluster, group_protocol: str) -> None:
    """With the brokers gone it is lost since then, with the client's words; and it is well again without a new assignment."""
    settings = settings_for(cluster.bootstrap_servers, "orders", group_protocol=group_protocol, client={})
    with member(settings) as m:
        m.until(lambda: m.source.status().group == GroupStatus(joined=True), what="the assignment")
        cluster.set_down()
        m.until(lambda: m.source.status().group.lost_since is not None, what="that the group is lost")
        lost = m.source.status().group
        cluster.set_up()
        m.until(lambda: m.source.status().group == GroupStatus(joined=True), what="that it was found")
    assert "Connection refused" in lost.why


def test_ends_are_asked_for_where_nothing_is_fetched(cluster: KafkaCluster) -> None:
    """The end of a paused partition is told, and grows with what is written."""
    produce(cluster, "orders", {0: numbered(10)})
    with member(settings_for(cluster.bootstrap_servers, "orders")) as m:
        m.listener.on_assigned = lambda: m.source.pause(frozenset({P0, P1}))
        m.until(lambda: {P0: 10, P1: 0} == ends(m), what="the ends of both")
        produce(cluster, "orders", {0: numbered(5), 1: numbered(7)})
        m.until(lambda: {P0: 15, P1: 7} == ends(m), what="the ends as they are now")
        assert 0 == m.records()


def test_one_broker_out_of_reach_hides_the_ends_of_no_other() -> None:
    """Of three brokers one does not answer: when it told an end last stands still, and that of the others goes on."""
    with KafkaCluster(3) as cluster:
        cluster.create_topic("orders", 3)
        settings = settings_for(cluster.bootstrap_servers, "orders")
        cluster.set_coordinator(settings.group_id, 1)  # the group stays: it is about a broker of records
        with member(settings) as m:
            m.until(lambda: list(ends(m).values()) == [0, 0, 0], what="the ends of all")
            # From the statistics on the leader of each partition is known.
            m.until(lambda: all(log.broker != "its broker" for log in m.source.status().logs.values()))
            cluster.set_rtt(3_600_000, 3)
            since = m.source.status().logs
            bound = max(log.told_at or 0 for log in since.values()) + TELLS_AFTER_NS

            def later() -> list[TopicPartition]:
                logs = m.source.status().logs
                return sorted(p for p, log in logs.items() if (log.told_at or 0) >= bound)

            m.until(lambda: len(later()) == 2, what="later ends of two of them")
            (behind,) = m.source.status().logs.keys() - set(later())
            assert m.source.status().logs[behind].broker.startswith("broker 3 (127.0.0.1:")
