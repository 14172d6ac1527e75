"""Membership on a real coordinator: together, one after the other, and frozen."""

from __future__ import annotations

import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median

import pytest
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.kafka.settings import GroupProtocol, MemberSettings
from doka.domain.commands import CommitOffsets
from doka.domain.events import CommitAnswered
from doka.domain.partitions.start_positions import LogEdge
from doka.domain.records import TopicPartition
from tests.containers.kafka_broker import KafkaBroker
from tests.integration.kafka.group import Listener, Member, member, numbered, produce, settings_for
from tests.timing import seconds_of
from tests.waiting import eventually

PROTOCOLS: list[GroupProtocol] = ["classic", "consumer"]


def committed(broker: KafkaBroker, group: str, topic: str, partitions: int) -> dict[int, int]:
    """Read the group's offsets by a client that is no member."""
    client = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": group, "log_level": 0})
    try:
        answer = client.committed([KafkaPartition(topic, number) for number in range(partitions)], timeout=10)
        return {partition.partition: partition.offset for partition in answer if partition.offset >= 0}
    finally:
        client.close()


def commit_reached(m: Member, serial: int = 1) -> None:
    """Commit what was fed, as a drain that settled everything does."""
    reached = {p: m.offsets(p)[-1] + 1 for p in m.listener.owned if m.offsets(p)}
    if reached:
        m.source.commit(CommitOffsets(serial, reached))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_members_that_start_together_at_latest_read_no_history(
    kafka_broker: KafkaBroker,
    protocol: GroupProtocol,
) -> None:
    """No member takes the first commits of another for a history and reads its partitions from the beginning."""
    topic = kafka_broker.create_topic(partitions=12)
    produce(kafka_broker.bootstrap_servers, topic, {number: numbered(20) for number in range(12)})
    settings = settings_for(kafka_broker.bootstrap_servers, topic, start_from=LogEdge.LATEST, group_protocol=protocol)
    stop = threading.Event()
    members: list[Member] = []

    def join(_: int) -> None:
        listener = Listener()
        with member(settings, listener) as m:
            members.append(m)
            listener.on_revoked = lambda: commit_reached(m)
            while not stop.is_set():
                m.turn()

    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(join, number) for number in range(3)]
        try:
            everywhere = dict.fromkeys(range(12), 20)
            eventually(
                lambda: committed(kafka_broker, settings.group_id, topic, 12) == everywhere,
                within=60,
                what="a starting position for each partition",
                every=0.2,
            )
            produce(kafka_broker.bootstrap_servers, topic, {number: numbered(5, 20) for number in range(12)})
            eventually(lambda: sum(m.records() for m in members) >= 60, within=60, what="what is new")
        finally:
            stop.set()
        for future in running:
            future.result(timeout=60)

    for number in range(12):
        partition = TopicPartition(topic, number)
        assert list(range(20, 25)) == sorted(offset for m in members for offset in m.offsets(partition))


MOVES: dict[str, tuple[GroupProtocol, ...]] = {
    "classic": ("classic",) * 4,
    "consumer": ("consumer",) * 4,
    "to the newer protocol": ("classic", "classic", "consumer", "consumer"),
    "and back": ("consumer", "consumer", "classic", "classic"),
}
"""What each of four members speaks, that come one after the other while others go: a rolling change of the setting, too."""


@pytest.mark.parametrize("protocols", MOVES.values(), ids=MOVES)
def test_members_that_come_and_go_in_quiet_weather_read_everything_once(
    kafka_broker: KafkaBroker,
    protocols: tuple[GroupProtocol, ...],
) -> None:
    """What is committed in the revoke callback lands before the next owner begins: nothing is lost, nothing doubled.

    Also while members of both protocols are in one group, which the broker converts on the way.
    """
    topic = kafka_broker.create_topic(partitions=16)
    count = 2000
    produce(kafka_broker.bootstrap_servers, topic, {number: numbered(count) for number in range(16)})
    group = settings_for(kafka_broker.bootstrap_servers, topic).group_id
    fed: list[Member] = []

    def run(stop: threading.Event, protocol: GroupProtocol) -> None:
        listener = Listener()
        settings = settings_for(kafka_broker.bootstrap_servers, topic, group_id=group, group_protocol=protocol)
        with member(settings, listener) as m:
            fed.append(m)
            listener.on_revoked = lambda: commit_reached(m)
            while not stop.is_set():
                m.turn(limit=40, wait=10_000_000)
            # The rest of the group is told by the leave, which the last commit precedes.

    def fed_at_least(records: int) -> bool:
        return sum(m.records() for m in fed) >= records

    stops = [threading.Event() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(run, stops[0], protocols[0])]
        try:
            for number, stop in enumerate(stops[1:], start=1):
                eventually(partial(fed_at_least, number * 3000), within=60, what="progress", every=0.02)
                running.append(pool.submit(run, stop, protocols[number]))
                if number >= 2:
                    stops[number - 2].set()
            eventually(partial(fed_at_least, 16 * count), within=90, what="all records", every=0.05)
        finally:
            for stop in stops:
                stop.set()
        for future in running:
            future.result(timeout=60)

    for number in range(16):
        partition = TopicPartition(topic, number)
        assert list(range(count)) == sorted(offset for m in fed for offset in m.offsets(partition))
    assert dict.fromkeys(range(16), count) == committed(kafka_broker, group, topic, 16)


def step_back(m: Member, paused: TopicPartition, sought: TopicPartition) -> None:
    """Pause two partitions, go back in one, and resume both."""
    m.source.pause(frozenset({paused, sought}))
    m.source.seek(sought, 100)
    m.source.resume(frozenset({paused, sought}))


def test_a_frozen_coordinator_stops_nothing_but_itself(own_kafka_broker: KafkaBroker) -> None:
    """With the broker frozen each call of the source returns in time; thawed, the commit is answered and reading goes on."""
    broker = own_kafka_broker
    topic = broker.create_topic(partitions=2)
    p0, p1 = TopicPartition(topic, 0), TopicPartition(topic, 1)
    produce(broker.bootstrap_servers, topic, {0: numbered(100), 1: numbered(100)})
    took: dict[str, list[float]] = defaultdict(list)

    with member(settings_for(broker.bootstrap_servers, topic)) as m:
        m.until(lambda: m.records() == 200)

        broker.pause()
        try:
            for serial in range(1, 31):
                commit = CommitOffsets(serial, {p0: 70 + serial})
                took["commit"].append(seconds_of(partial(m.source.commit, commit)))
                took["fetch"].append(seconds_of(partial(m.turn, wait=100_000_000)))
                took["pause, seek, resume"].append(seconds_of(partial(step_back, m, p0, p1)))
                took["status"].append(seconds_of(m.source.status))
                assert {p0: 100, p1: 100} == {tp: log.end for tp, log in m.source.status().logs.items()}
        finally:
            broker.unpause()
        produce(broker.bootstrap_servers, topic, {0: numbered(10, 100), 1: numbered(10, 100)})
        m.until(lambda: len([e for e in m.events if isinstance(e, CommitAnswered)]) == 30, within=60)
        m.until(lambda: m.records() == 220, within=60)

    # What asked the broker would wait each time, for a second at least: no time-out of the client is shorter.
    assert [] == [name for name, each in took.items() if median(each) > (0.25 if name == "fetch" else 0.05)], took
    assert [] == [name for name, each in took.items() if max(each) > 1.0], took
    assert list(range(110)) == m.offsets(p0)
    assert list(range(110)) == m.offsets(p1)


def test_a_broker_that_is_killed_and_comes_back_loses_nothing(own_kafka_broker: KafkaBroker) -> None:
    """After a restart of the only broker reading and committing go on by themselves at the next offset."""
    broker = own_kafka_broker
    topic = broker.create_topic(partitions=2)
    p0, p1 = TopicPartition(topic, 0), TopicPartition(topic, 1)
    settings: MemberSettings = settings_for(broker.bootstrap_servers, topic)
    produce(broker.bootstrap_servers, topic, {0: numbered(100), 1: numbered(100)})

    listener = Listener()
    with member(settings, listener) as m:
        m.until(lambda: m.records() == 200)
        commit_reached(m)
        m.until(lambda: CommitAnswered(1) in m.events)
        broker.kill()
        for _ in range(10):
            m.turn()
        broker.start()
        produce(broker.bootstrap_servers, topic, {0: numbered(50, 100), 1: numbered(50, 100)})
        m.until(lambda: set(range(150)) <= set(m.offsets(p0)) & set(m.offsets(p1)), within=90)

    assert list(range(150)) == m.offsets(p0)
    assert list(range(150)) == m.offsets(p1)
