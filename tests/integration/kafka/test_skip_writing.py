"""An order to skip, as the command looks and writes it, and as a member of the group finds it: against a mock cluster."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka import chores, skip_orders, skip_writing
from doka.adapters.kafka.inquirer import NO_GROUP
from doka.adapters.kafka.settings import MemberSettings
from doka.adapters.kafka.skip_orders import (
    ANSWER_SECONDS,
    METADATA_BYTES_MAX,
    Orders,
    StoredCommits,
    skips_group,
    standing_orders,
)
from doka.adapters.kafka.skip_writing import SkipRefusedError, SkipWriting
from doka.adapters.system.clock import SystemClock
from doka.domain.events import RecordsFetched, SkipsOrdered
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.skip import Skip
from tests.integration.kafka.group import member, numbered, produce, settings_for
from tests.waiting import eventually

P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)
OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR = 8, 9, 10
CLOCK = SystemClock()
ORDER = Skip(4, 5, "ada@laptop", "2026-11-29T20:15:00Z", "the order was cancelled, «4711»")


@pytest.fixture(autouse=True)
def _without_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mock cluster knows no ids of topics, and lets whoever asks wait for ten seconds."""
    monkeypatch.setattr(skip_writing, "topic_ids", lambda *_arguments: {})


@pytest.fixture
def settings(cluster: KafkaCluster) -> MemberSettings:
    """Give settings of a group that has committed 3 of ten records of orders[0]."""
    produce(cluster, "orders", {0: numbered(10)})
    given = settings_for(cluster.bootstrap_servers, "orders")
    commit(cluster, given.group_id, KafkaPartition(*P0, 3))
    return given


def client_of(cluster: KafkaCluster, group: str) -> Consumer:
    """Make a client that asks and commits in the name of a group, and does not join it."""
    keys = {"bootstrap.servers": cluster.bootstrap_servers, "group.id": group, "enable.auto.commit": False}
    return Consumer({**keys, "log_level": 0})


def commit(cluster: KafkaCluster, group: str, place: KafkaPartition) -> None:
    """Store a commit for a group without members."""
    client = client_of(cluster, group)
    client.commit(offsets=[place], asynchronous=False)
    client.close()


def stored(cluster: KafkaCluster, group: str) -> KafkaPartition:
    """Give what a group has stored for orders[0]."""
    client = client_of(cluster, group)
    (place,) = client.committed([KafkaPartition(*P0)], timeout=10)
    client.close()
    return place


def orders_of(settings: MemberSettings, cluster: KafkaCluster) -> dict[TopicPartition, Orders]:
    """Read the orders as a member does."""
    return standing_orders({"bootstrap.servers": cluster.bootstrap_servers}, CLOCK, settings.group_id, [P0, P1])


def order(settings: MemberSettings, *skips: Skip) -> None:
    """Give these orders, one after the other, each after a look."""
    writing = SkipWriting(settings, CLOCK)
    for skip in skips:
        writing.order(P0, writing.look(P0, skip.first, skip.far), skip)


def test_a_look_says_how_the_partition_stands_and_what_is_there(settings: MemberSettings) -> None:
    """Committed offset, end and lag; the sizes of key and value, and nothing of what they hold."""
    found = SkipWriting(settings, CLOCK).look(P0, 4, 5)
    assert (3, 10, 7, settings.group_id) == (found.committed, found.end, found.lag, found.group)
    assert (len(b"key-4"), len(b"4"), None, ()) == (
        found.key_bytes,
        found.value_bytes,
        found.unreadable,
        found.standing,
    )
    assert found.timestamp_ms is not None


def test_a_look_stores_nothing(cluster: KafkaCluster, settings: MemberSettings) -> None:
    """The client wants the name of some group; who only asks leaves no offset in it."""
    SkipWriting(settings, CLOCK).look(P0, 4, 5)
    assert stored(cluster, NO_GROUP).offset < 0


@pytest.mark.parametrize(
    ("partition", "first", "far", "sentence"),
    [
        (P0, 2, 3, r"offset 2 of orders\[0\] is passed already: the group has committed 3"),
        (P0, 2, 6, r"offset 2 of orders\[0\] is passed already: the group has committed 3"),
        (P0, 10, 11, r"offset 10 of orders\[0\] is not written yet: the log ends at 10"),
        (P0, 9, 11, r"offset 10 of orders\[0\] is not written yet: the log ends at 10"),
        (P1, 0, 1, r"has committed nothing of orders\[1\] yet: start doka run first"),
        (TopicPartition("orders", 2), 0, 1, "topic orders has 2 partitions, counted from 0"),
    ],
)
def test_what_cannot_be_skipped_is_refused(
    settings: MemberSettings, partition: TopicPartition, first: int, far: int, sentence: str
) -> None:
    """What is settled, what is not written, what was never read: each in a sentence."""
    with pytest.raises(SkipRefusedError, match=sentence):
        SkipWriting(settings, CLOCK).look(partition, first, far)


def test_an_order_stands_in_a_commit_of_its_own_group(cluster: KafkaCluster, settings: MemberSettings) -> None:
    """With who, when and why, for any tool to read; the commit of the service's group is as it was."""
    order(settings, ORDER)
    assert (3, "") == (stored(cluster, settings.group_id).offset, stored(cluster, settings.group_id).metadata or "")
    said = json.loads(stored(cluster, skips_group(settings.group_id)).metadata or "")
    shown = {"first": 4, "far": 5, "by": ORDER.by, "at": ORDER.at, "reason": ORDER.reason}
    assert [shown] == said["skips"]
    assert {P0: (ORDER,)} == {partition: orders.skips for partition, orders in orders_of(settings, cluster).items()}


def test_orders_stand_beside_each_other(cluster: KafkaCluster, settings: MemberSettings) -> None:
    """A second order takes nothing from the first; a look tells both."""
    second = replace(ORDER, first=7, far=9, by="grace@laptop")
    order(settings, ORDER, second)
    assert (ORDER, second) == orders_of(settings, cluster)[P0].skips
    assert (ORDER, second) == SkipWriting(settings, CLOCK).look(P0, 5, 6).standing


def test_orders_that_are_carried_out_make_room(cluster: KafkaCluster, settings: MemberSettings) -> None:
    """A broker keeps so many bytes beside a commit; what is passed goes first, and what stands is never pushed out."""
    long = replace(ORDER, reason="x" * (METADATA_BYTES_MAX // 2))
    passed, standing = replace(long, first=3, far=4), replace(long, first=6, far=7)
    order(settings, passed)
    commit(cluster, settings.group_id, KafkaPartition(*P0, 5))
    order(settings, standing)
    assert (standing,) == orders_of(settings, cluster)[P0].skips
    with pytest.raises(SkipRefusedError, match=r"no room for this one.* shorten --reason by \d+ bytes"):
        order(settings, replace(long, first=8, far=9))
    assert (standing,) == orders_of(settings, cluster)[P0].skips


def test_what_the_broker_refuses_is_said(cluster: KafkaCluster, settings: MemberSettings) -> None:
    """A right that is missing, with who needs it; a smaller limit of the broker; nothing is left behind."""
    writing = SkipWriting(settings, CLOCK)
    found = writing.look(P0, 4, 5)
    for code, sentence in (
        (KafkaError.GROUP_AUTHORIZATION_FAILED, f"{settings.group_id}-skips: grant READ on both"),
        (KafkaError.OFFSET_METADATA_TOO_LARGE, "shorten --reason"),
        (KafkaError.INVALID_COMMIT_OFFSET_SIZE, "Kafka did not answer as it should"),
    ):
        cluster.push_errors(OFFSET_COMMIT, [code])
        with pytest.raises(SkipRefusedError, match=sentence):
            writing.order(P0, found, ORDER)
    assert {} == orders_of(settings, cluster)


def test_another_tools_commit_is_no_order(cluster: KafkaCluster, settings: MemberSettings) -> None:
    """Whatever stands there is passed over."""
    for metadata in ("", "doka:born=1:partitions=2", "[1]", '{"skips":[{"first":"4"}],"topic_id":null}'):
        commit(cluster, skips_group(settings.group_id), KafkaPartition(*P0, 4, metadata=metadata))
        assert {} == orders_of(settings, cluster)


def test_where_the_group_may_not_be_read_there_are_none(cluster: KafkaCluster) -> None:
    """A login that may use its own group alone forwards as before: nobody can have given an order by it."""
    settings = settings_for(cluster.bootstrap_servers, "orders")
    place = KafkaPartition(*P0, 4, metadata=str(Orders(None, (ORDER,))))
    StoredCommits({"bootstrap.servers": cluster.bootstrap_servers}, CLOCK).write(skips_group(settings.group_id), place)
    for asked in (FIND_COORDINATOR, OFFSET_FETCH):
        cluster.push_errors(asked, [KafkaError.GROUP_AUTHORIZATION_FAILED] * 9)  # other clients ask, too
        began = time.monotonic()
        assert {} == orders_of(settings, cluster)
        assert time.monotonic() - began < ANSWER_SECONDS, "a right that is missing must hold nobody up"
        cluster.clear_errors(asked)
    assert [P0] == list(orders_of(settings, cluster))


def test_where_it_may_not_be_read_a_person_is_told(cluster: KafkaCluster, settings: MemberSettings) -> None:
    """Before anything is ordered that nobody would hear of."""
    cluster.push_errors(FIND_COORDINATOR, [KafkaError.GROUP_AUTHORIZATION_FAILED] * 9)  # other clients ask, too
    with pytest.raises(SkipRefusedError, match=f"{settings.group_id}-skips: grant READ on both"):
        SkipWriting(settings, CLOCK).look(P0, 4, 5)


def test_a_member_hears_of_it_before_the_first_record(settings: MemberSettings) -> None:
    """At its assignment, so that what shall be skipped is not sent first."""
    order(settings, ORDER)
    with member(settings) as running:
        running.until(lambda: running.records() == 7, what="the records above the committed offset")
        kinds = [event for event in running.events if isinstance(event, SkipsOrdered | RecordsFetched)]
        assert SkipsOrdered(P0, (ORDER,)) == kinds[0]


def test_a_member_that_runs_hears_of_it(monkeypatch: pytest.MonkeyPatch, settings: MemberSettings) -> None:
    """It looks now and then, and is told again as long as the order stands."""
    monkeypatch.setattr(chores, "LOOK_AT_ORDERS_NS", NS_PER_SECOND)
    with member(settings) as running:
        running.until(lambda: running.records() == 7, what="the records above the committed offset")
        assert [] == [event for event in running.events if isinstance(event, SkipsOrdered)]
        order(settings, ORDER)
        running.until(lambda: running.events.count(SkipsOrdered(P0, (ORDER,))) >= 2, what="the order, twice")


def test_no_client_outlives_a_question_that_nobody_answers(
    cluster: KafkaCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its threads are gone with it: one that went on looking for the coordinator could end the process when that is back."""
    monkeypatch.setattr(skip_orders, "ANSWER_SECONDS", 0.5)
    cluster.set_down()

    def threads() -> int:
        return len(list(Path("/proc/self/task").iterdir()))

    before = threads()
    with pytest.raises(KafkaException) as unanswered:  # whose traceback holds whatever was on the way
        standing_orders({"bootstrap.servers": cluster.bootstrap_servers}, CLOCK, "doka", [P0])
    assert unanswered.value.args
    eventually(lambda: threads() <= before, within=10, what="the end of the client's threads")
