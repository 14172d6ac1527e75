"""Topics by pattern: what appears while a member runs is read from its first record, by either group protocol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka.client_settings import connection_settings
from doka.adapters.kafka.discovery import Listed, Wanted, find_topics
from doka.adapters.kafka.settings import GroupProtocol, MemberSettings
from doka.adapters.system.clock import SystemClock
from doka.domain.commands import CommitOffsets
from doka.domain.events import CommitAnswered, TopicsMatched, TopicsMissing
from doka.domain.partitions.start_positions import LogEdge
from doka.domain.records import TopicPartition
from doka.domain.rules import RouteRules
from tests.integration.kafka.group import Member, member, numbered, produce, settings_for
from tests.integration.kafka.test_skip_writing import commit

EU, US = TopicPartition("orders.eu", 0), TopicPartition("orders.us", 0)
PROTOCOLS: list[GroupProtocol] = ["classic", "consumer"]


def by_pattern(cluster: KafkaCluster, *patterns: str, topics_max: int = 100, **changes: object) -> MemberSettings:
    """Give settings of a member whose only route has these patterns, and looks for topics each 0.2 s."""
    route = RouteRules("orders", frozenset(), "r", patterns=frozenset(patterns), topics_max=topics_max)
    return settings_for(cluster.bootstrap_servers, routes=(route,), discovery_seconds=0.2, **changes)


def taken(m: Member) -> list[set[str]]:
    """Give what patterns had brought, each time that it was told."""
    return [set(event.taken["orders"]) for event in m.events if isinstance(event, TopicsMatched)]


@pytest.fixture
def cluster() -> Iterator[KafkaCluster]:
    """Give a cluster with one topic of one partition that the pattern of these tests matches."""
    with KafkaCluster() as running:
        running.create_topic("orders.eu", 1)
        yield running


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_topic_that_appears_is_read_from_its_first_record(cluster: KafkaCluster, protocol: GroupProtocol) -> None:
    """Whatever `start_from` says: what stood in a topic before it was found was written after the group's first look."""
    produce(cluster, "orders.eu", {0: numbered(10)})
    settings = by_pattern(cluster, "orders.*", start_from=LogEdge.LATEST, group_protocol=protocol)

    with member(settings) as m:
        m.until(lambda: EU in m.listener.owned)
        cluster.create_topic("orders.us", 1)
        cluster.create_topic("payments.us", 1)
        produce(cluster, "orders.us", {0: numbered(5)})
        m.until(lambda: m.offsets(US) == [*range(5)], within=60)
        produce(cluster, "orders.eu", {0: numbered(3, 10)})
        m.until(lambda: m.offsets(EU) == [10, 11, 12], within=60)

    assert [{"orders.eu"}, {"orders.eu", "orders.us"}] == taken(m)
    assert not any(event for event in m.events if isinstance(event, TopicsMissing))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_appeared_while_nobody_looked_is_read_from_its_first_record(
    cluster: KafkaCluster, protocol: GroupProtocol
) -> None:
    """A group that has commits on other topics of the pattern had looked before the topic was there."""
    produce(cluster, "orders.eu", {0: numbered(10)})
    settings = by_pattern(cluster, "orders.*", start_from=LogEdge.LATEST, group_protocol=protocol)
    with member(settings) as m:
        m.until(lambda: EU in m.listener.owned)
        m.source.commit(CommitOffsets(1, {EU: 10}))
        m.until(lambda: CommitAnswered(1) in m.events)
    cluster.create_topic("orders.us", 1)
    produce(cluster, "orders.us", {0: numbered(5)})

    with member(settings) as m:
        m.until(lambda: m.offsets(US) == [*range(5)], within=60)

    assert {EU: 10, US: 0} == {p: at for assigned in m.listener.assigned for p, at in assigned.items()}


def test_a_first_start_goes_by_start_from(cluster: KafkaCluster) -> None:
    """What is there when a group first looks begins where it was told."""
    produce(cluster, "orders.eu", {0: numbered(10)})

    with member(by_pattern(cluster, "orders.*", start_from=LogEdge.LATEST)) as m:
        m.until(lambda: EU in m.listener.owned)

    assert [{EU: 10}] == m.listener.assigned


def test_two_members_that_start_together_begin_where_they_were_told(cluster: KafkaCluster) -> None:
    """Neither takes the first commits of the other for a history, and so reads a whole topic again."""
    cluster.create_topic("orders.us", 1)
    produce(cluster, "orders.eu", {0: numbered(10)})
    produce(cluster, "orders.us", {0: numbered(10)})
    settings = by_pattern(cluster, "orders.*", start_from=LogEdge.LATEST)

    with member(settings) as one, member(settings) as other:
        one.until(lambda: [other.turn(), len(one.listener.owned | other.listener.owned) == 2][1], within=60)
        one.until(lambda: [other.turn(), one.listener.owned and other.listener.owned][1], within=60)

    begun = {(p, at) for m in (one, other) for assigned in m.listener.assigned for p, at in assigned.items()}
    assert {(EU, 10), (US, 10)} == begun


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_topic_that_vanishes_is_given_up_and_the_others_go_on(cluster: KafkaCluster, protocol: GroupProtocol) -> None:
    """It is told as gone at the second look that does not list it, and read from its beginning when it is made again."""
    cluster.create_topic("orders.us", 1)
    produce(cluster, "orders.us", {0: numbered(4)})
    settings = by_pattern(cluster, "orders.*", start_from=LogEdge.LATEST, group_protocol=protocol)

    with member(settings) as m:
        m.until(lambda: m.listener.owned == {EU, US}, within=60)
        cluster.delete_topic("orders.us")
        m.until(lambda: m.listener.owned == {EU}, within=60)
        m.until(lambda: taken(m)[-1] == {"orders.eu"}, within=60)
        produce(cluster, "orders.eu", {0: numbered(3)})
        m.until(lambda: m.offsets(EU) == [0, 1, 2], within=60)

    assert [{"orders.eu", "orders.us"}, {"orders.eu"}] == taken(m)


def test_more_topics_than_the_bound_are_left_and_told(cluster: KafkaCluster) -> None:
    """What is read already goes on; what would be too much is not read, not committed, and told with the cure."""
    settings = by_pattern(cluster, "orders.*", topics_max=1)

    with member(settings) as m:
        m.until(lambda: EU in m.listener.owned)
        cluster.create_topic("orders.us", 1)
        produce(cluster, "orders.us", {0: numbered(5)})
        m.until(lambda: len(taken(m)) == 2)
        produce(cluster, "orders.eu", {0: numbered(3)})
        m.until(lambda: m.offsets(EU) == [0, 1, 2])

    told = [event for event in m.events if isinstance(event, TopicsMatched)][-1]
    assert ({"orders.eu"}, ["orders.us"]) == (set(told.taken["orders"]), list(told.left))
    assert "topics_max is 1; orders.us is not read: raise routes[].topics_max" in told.left["orders.us"]
    assert [{EU: 0}] == m.listener.assigned


def test_a_pattern_that_matches_nothing_waits_for_its_first_topic(cluster: KafkaCluster) -> None:
    """Nothing is subscribed to; the first topic that appears is read from its first record."""
    settings = by_pattern(cluster, "returns.*", start_from=LogEdge.LATEST)
    first = TopicPartition("returns.eu", 0)

    with member(settings) as m:
        m.until(lambda: taken(m) == [set()])
        waits = m.source.status().group
        cluster.create_topic("returns.eu", 1)
        produce(cluster, "returns.eu", {0: numbered(5)})
        m.until(lambda: m.offsets(first) == [*range(5)], within=60)

    assert (False, None, "there is no topic to subscribe to") == (waits.joined, waits.lost_since, waits.why)


def test_a_named_topic_stands_beside_a_pattern(cluster: KafkaCluster) -> None:
    """A name goes before another route's pattern that matches it, and is read by its own route."""
    cluster.create_topic("orders.us", 1)
    named = RouteRules("us", frozenset({"orders.us"}), "r")
    settings = by_pattern(cluster, "orders.*")
    settings = replace(settings, topics=named.topics, routes=(*settings.routes, named))

    with member(settings) as m:
        m.until(lambda: m.listener.owned == {EU, US}, within=60)

    assert [{"orders.eu"}] == taken(m)


def test_an_appearing_named_topic_is_read_from_its_first_record(cluster: KafkaCluster) -> None:
    """A topic that was not there when this process first looked is as new as one that a pattern brings."""
    settings = settings_for(cluster.bootstrap_servers, "orders.us", start_from=LogEdge.LATEST)

    with member(settings) as m:
        m.until(lambda: TopicsMissing(frozenset({"orders.us"})) in m.events)
        cluster.create_topic("orders.us", 1)
        produce(cluster, "orders.us", {0: numbered(5)})
        m.until(lambda: m.offsets(US) == [*range(5)], within=60)

    assert [{US: 0}] == m.listener.assigned


def test_topics_are_listed_by_pattern(cluster: KafkaCluster) -> None:
    """A dot is a dot, only what matches as a whole is listed, and of a group it is told on which topics it has commits."""
    for topic in ("ordersXeu", "my.orders.eu", "payments"):
        cluster.create_topic(topic, 2)
    connection, clock = connection_settings(settings_for(cluster.bootstrap_servers)), SystemClock()
    commit(cluster, "begun", KafkaPartition("my.orders.eu", 1, 3))

    assert Listed(frozenset({"orders.eu"})) == find_topics(connection, clock, Wanted(("orders.*",), None))
    both = frozenset({"orders.eu", "my.orders.eu"})
    assert Listed(both, frozenset({"my.orders.eu"})) == find_topics(connection, clock, Wanted(("*.eu",), "begun"))
    assert Listed(both) == find_topics(connection, clock, Wanted(("*.eu",), "another"))
