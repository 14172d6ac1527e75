from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka.client import ClientUnusableError
from doka.adapters.kafka.skip_orders import Orders
from doka.adapters.kafka.starting import DEADLINE_NS, NotNeededError, Starting, StartUnknownError
from doka.adapters.kafka.starting import _log as starting_log
from doka.domain.partitions.start_positions import Birth, LogEdge, StartFrom
from doka.domain.records import TopicPartition
from doka.domain.skip import Skip
from tests.integration.kafka.group import numbered, produce
from tests.manual_clock import ManualClock

P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)
OFFSET_FETCH = 9
BORN_MS = 1_600_000_000_000


class HurryingClock(ManualClock):
    """Each look at the time takes a third of the deadline."""

    def now(self) -> int:
        """Let time pass, and give it."""
        self.ns += DEADLINE_NS // 3
        return self.ns


@pytest.fixture
def member(cluster: KafkaCluster) -> Iterator[Consumer]:
    """A client of the group that owns nothing yet."""
    keys = {"bootstrap.servers": cluster.bootstrap_servers, "group.id": "doka", "enable.auto.commit": False}
    client = Consumer({**keys, "log_level": 0})
    yield client
    client.close()


def starting(cluster: KafkaCluster, start_from: StartFrom, clock: ManualClock | None = None) -> Starting:
    """Give what finds the starts of the group."""
    return Starting(
        "doka",
        start_from,
        {"bootstrap.servers": cluster.bootstrap_servers},
        clock or ManualClock(),
        asked_to_stop=never,
        orders=no_orders,
    )


def never() -> bool:
    """Ask for no stop."""
    return False


def no_orders(_partitions: object) -> dict[TopicPartition, Orders]:
    """Say that nothing shall be skipped."""
    return {}


def commit(client: Consumer, partition: TopicPartition, offset: int, birth: Birth | None = None) -> None:
    """Store an offset for the group."""
    metadata = "" if birth is None else str(birth)
    place = KafkaPartition(partition.topic, partition.partition, offset, metadata=metadata)
    client.commit(offsets=[place], asynchronous=False)


def test_a_committed_offset_is_where_it_goes_on(cluster: KafkaCluster, member: Consumer) -> None:
    """Whatever the settings say about new groups, and with the birth that stands beside the commit."""
    produce(cluster, "orders", {0: numbered(10)})
    commit(member, P0, 4, Birth(BORN_MS, 2))
    starts = starting(cluster, LogEdge.LATEST).find(member, [P0])

    assert ({P0: 4}, frozenset(), {P0: Birth(BORN_MS, 2)}) == (starts.positions, starts.fresh, starts.births)


@pytest.mark.parametrize(("edge", "position"), [(LogEdge.EARLIEST, 6), (LogEdge.LATEST, 10)])
def test_a_new_group_begins_where_it_was_told(
    cluster: KafkaCluster, member: Consumer, edge: LogEdge, position: int
) -> None:
    """At an end of the log as it is, in numbers; a group that began at the end leaves its birth, the other needs none."""
    produce(cluster, "orders", {0: numbered(10)})
    cluster.delete_records("orders", 0, before=6)
    clock = ManualClock()
    starts = starting(cluster, edge, clock).find(member, [P0, P1])

    born = {} if edge is LogEdge.EARLIEST else dict.fromkeys((P0, P1), Birth(int(clock.wall() * 1000), 2))
    assert ({P0: position, P1: 0}, frozenset({P0, P1}), born) == (starts.positions, starts.fresh, starts.births)


def test_a_time_later_than_all_records_is_the_end(cluster: KafkaCluster, member: Consumer) -> None:
    """The next record to be written will be the first, not the first one of the log."""
    produce(cluster, "orders", {0: numbered(10)})
    starts = starting(cluster, 4_000_000_000_000).find(member, [P0])

    assert {P0: 10} == starts.positions


def test_a_partition_that_was_added_is_read_from_its_beginning(cluster: KafkaCluster, member: Consumer) -> None:
    """The other partition's commit says that the group was born when there was only one."""
    produce(cluster, "orders", {0: numbered(3), 1: numbered(5)})
    commit(member, P0, 2, Birth(BORN_MS, 1))
    starts = starting(cluster, LogEdge.LATEST).find(member, [P1])

    assert ({P1: 0}, frozenset({P1}), {P1: Birth(BORN_MS, 1)}) == (starts.positions, starts.fresh, starts.births)


def test_known_and_new_partitions_are_found_together(cluster: KafkaCluster, member: Consumer) -> None:
    """Each has its own position, and only the new one is to be committed at once."""
    produce(cluster, "orders", {0: numbered(3), 1: numbered(5)})
    commit(member, P0, 2)
    starts = starting(cluster, LogEdge.EARLIEST).find(member, [P0, P1])

    assert ({P0: 2, P1: 0}, frozenset({P1}), {}) == (starts.positions, starts.fresh, starts.births)


def test_a_question_that_fails_is_asked_again(
    cluster: KafkaCluster, member: Consumer, caplog: pytest.LogCaptureFixture
) -> None:
    """A refusal is told in the log and never taken for «no committed offset», which would read a topic anew."""
    commit(member, P0, 4)
    cluster.push_errors(OFFSET_FETCH, [KafkaError.GROUP_AUTHORIZATION_FAILED])
    with caplog.at_level("WARNING", starting_log.name):
        starts = starting(cluster, LogEdge.EARLIEST).find(member, [P0])

    assert {P0: 4} == starts.positions
    assert ["asking again for the committed offsets of group doka"] == [
        record.getMessage().partition(":")[0] for record in caplog.records
    ]


class Refusing:
    """A group that never has a coordinator; `asked` counts the questions."""

    asked = 0

    def committed(self, _partitions: object, timeout: float) -> None:
        """Refuse."""
        self.asked += 1
        raise KafkaException(KafkaError(KafkaError.COORDINATOR_NOT_AVAILABLE))


def test_without_an_answer_nothing_is_assumed() -> None:
    """When the deadline has passed, the error names the group that could not be asked about."""
    refusing: Any = Refusing()
    with pytest.raises(StartUnknownError, match="the committed offsets of group doka within 30 s"):
        Starting("doka", LogEdge.EARLIEST, {}, HurryingClock(), asked_to_stop=never, orders=no_orders).find(
            refusing, [P0]
        )

    assert 3 == refusing.asked


def test_a_stop_ends_the_asking() -> None:
    """A question that failed is not asked again once a stop was asked for: nobody needs its answer."""
    refusing: Any = Refusing()
    with pytest.raises(NotNeededError):
        Starting(
            "doka", LogEdge.EARLIEST, {}, ManualClock(), asked_to_stop=lambda: refusing.asked == 2, orders=no_orders
        ).find(refusing, [P0])

    assert 2 == refusing.asked


def test_what_shall_be_skipped_is_found_with_the_position(cluster: KafkaCluster, member: Consumer) -> None:
    """Of the topic that the orders were given for, and never guessed: a question that fails is asked again."""
    skip = Skip(5, 6, "ada", "2026-11-29T20:15:00Z", "cancelled")
    member.commit(offsets=[KafkaPartition(*P0, 4, metadata="doka:topic=here")], asynchronous=False)
    answers: list[dict[TopicPartition, Orders] | Exception] = [
        KafkaException(KafkaError(KafkaError._TIMED_OUT)),
        ClientUnusableError("no token for Kafka"),
        {P0: Orders("here", (skip,))},
        {P0: Orders("gone", (skip,))},
    ]

    def orders(_partitions: object) -> dict[TopicPartition, Orders]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    finder = Starting(
        "doka",
        LogEdge.EARLIEST,
        {"bootstrap.servers": cluster.bootstrap_servers},
        ManualClock(),
        asked_to_stop=never,
        orders=orders,
    )
    assert [{P0: (skip,)}, {P0: ()}] == [finder.find(member, [P0]).skips for _ in range(2)]


def test_an_error_of_one_partition_is_no_answer_for_any() -> None:
    """An answer that names an error beside a partition is asked for again, not read in part."""

    class Half:
        asked = 0

        def committed(self, partitions: list[Any], timeout: float) -> list[Any]:
            self.asked += 1
            refused = type("Refused", (), {"error": KafkaError(KafkaError.UNSTABLE_OFFSET_COMMIT)})()
            stored = [KafkaPartition(p.topic, p.partition, 3) for p in partitions]
            return [*stored[:-1], refused] if self.asked == 1 else stored

    half: Any = Half()
    starts = Starting("doka", LogEdge.EARLIEST, {}, ManualClock(), asked_to_stop=never, orders=no_orders).find(
        half, [P0, P1]
    )

    assert (2, {P0: 3, P1: 3}) == (half.asked, starts.positions)
