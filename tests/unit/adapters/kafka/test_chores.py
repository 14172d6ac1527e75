from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from doka.adapters.kafka.chores import EVERY_NS, LOOK_AT_IDS_NS, LOOK_AT_ORDERS_NS, LOOK_AT_TOPICS_NS, Chores
from doka.adapters.kafka.commits import SentCommits
from doka.adapters.kafka.far_side import Damage, FarSide
from doka.adapters.kafka.inquirer import ClusterAnswer
from doka.adapters.kafka.membership import Membership
from doka.adapters.kafka.skip_orders import Orders
from doka.domain.events import Event, GapFound, RecordsUnreadable, SkipsOrdered, TopicsMissing
from doka.domain.records import TopicPartition
from doka.domain.skip import Skip
from tests.integration.kafka.group import Listener
from tests.unit.adapters.kafka.scripted import P0, P1, ScriptedConsumer

NOW = 1000 * EVERY_NS
ALL_THERE = ClusterAnswer(topics={"orders": 2})


class Cluster:
    """Answers when the test says so; keeps what it was asked, and refuses a question while one is open."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[TopicPartition], list[str]]] = []
        self.ready: ClusterAnswer | None = None
        self.busy = False

    def ask(self, logs: Iterable[TopicPartition], topics: Iterable[str]) -> bool:
        if self.busy:
            return False
        self.busy = True
        self.asked.append((list(logs), list(topics)))
        return True

    def answer(self) -> ClusterAnswer | None:
        ready, self.ready = self.ready, None
        self.busy = self.busy and ready is None
        return ready


@dataclass
class Ids:
    """Takes a question about topic ids, and answers when the test says so."""

    asked: list[tuple[str, ...]] = field(default_factory=list)
    ready: dict[str, str] | None = None

    def ask(self, topics: tuple[str, ...]) -> bool:
        """Take the question."""
        self.asked.append(topics)
        return True

    def answer(self) -> dict[str, str] | None:
        """Give the answer once."""
        ready, self.ready = self.ready, None
        return ready


@dataclass
class Skips:
    """Takes a question about orders to skip, and answers when the test says so."""

    asked: list[tuple[TopicPartition, ...]] = field(default_factory=list)
    ready: dict[TopicPartition, Orders] | None = None

    def ask(self, partitions: tuple[TopicPartition, ...]) -> bool:
        """Take the question."""
        self.asked.append(partitions)
        return True

    def answer(self) -> dict[TopicPartition, Orders] | None:
        """Give the answer once."""
        ready, self.ready = self.ready, None
        return ready


class Rig:
    """Chores over a cluster that is played by hand, with two partitions owned, at offsets 5 and 7."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.consumer = ScriptedConsumer()
        self.commits = SentCommits(note=lambda _: None)
        nobody: Any = None
        self.members = Membership(Listener(), nobody, self.commits)
        self.members.next_offsets.update({P0: 5, P1: 7})
        stand_in: Any = self.cluster
        self.searched: list[Damage] = []
        self.far: FarSide | None = None
        far_sides: Any = self
        self.ids = Ids()
        ids: Any = self.ids
        self.skips = Skips()
        orders: Any = self.skips
        self.chores = Chores({"orders"}, stand_in, far_sides, ids, orders)

    def ask(self, damage: Damage) -> bool:
        """Take a question about a far side; as the real one, one at a time."""
        self.searched.append(damage)
        return True

    def answer(self) -> FarSide | None:
        """Give the far side that the test has written down, once."""
        far, self.far = self.far, None
        return far

    def logs_asked(self) -> list[list[TopicPartition]]:
        """Give the logs of every question that asked for some."""
        return [logs for logs, _topics in self.cluster.asked if logs]

    def do(self, at: int = NOW, answer: ClusterAnswer | None = None) -> list[Event]:
        """Do the chores at a time, with an answer that has arrived."""
        self.cluster.ready = answer
        client: Any = self.consumer
        return self.chores.do(client, self.members, self.commits, at)

    def settle(self) -> int:
        """Let the first look at the topics find all of them; give the time of the next turn."""
        self.do()
        self.do(answer=ALL_THERE)
        return NOW + EVERY_NS


def test_topics_are_looked_at_from_the_beginning_and_then_once_a_minute() -> None:
    """The first turn asks at once; while all are there, the next question comes a minute later."""
    rig = Rig()
    later = rig.settle()
    rig.do(later)
    rig.do(NOW + LOOK_AT_TOPICS_NS - 1)
    before = len(rig.cluster.asked)
    rig.do(NOW + LOOK_AT_TOPICS_NS + EVERY_NS)

    assert (1, [([], ["orders"])] * 2) == (before, rig.cluster.asked)


def test_a_missing_topic_is_told_once_and_looked_at_each_second_until_it_is_there() -> None:
    """Its absence and its coming are one event each, however often it was asked for between."""
    rig = Rig()
    rig.do()
    absent = ClusterAnswer(topics={"orders": 0})
    told = [rig.do(NOW + second * EVERY_NS, absent) for second in (1, 2, 3)]
    back = rig.do(NOW + 4 * EVERY_NS, ALL_THERE)

    assert [[TopicsMissing(frozenset({"orders"}))], [], []] == told
    assert 4 == len(rig.cluster.asked)
    assert [TopicsMissing(frozenset())] == back


def test_a_topic_that_nothing_was_told_about_is_asked_for_again() -> None:
    """An answer without the topic says nothing of it, and is no minute's peace either."""
    rig = Rig()
    rig.do()

    assert [] == rig.do(NOW + EVERY_NS, ClusterAnswer())
    assert [([], ["orders"])] * 2 == rig.cluster.asked


def test_an_answer_about_logs_alone_asks_for_no_topic_again() -> None:
    """Nothing was asked about topics, so that nothing was told of them is no reason to look at them again."""
    rig = Rig()
    rig.settle()
    rig.chores.out_of_log(P0)
    rig.do(NOW + 1)
    rig.do(NOW + EVERY_NS, ClusterAnswer({P0: (0, 100)}))
    rig.do(NOW + 2 * EVERY_NS)

    assert [([], ["orders"]), ([P0], [])] == rig.cluster.asked


def test_a_hint_that_a_topic_is_gone_is_looked_into_at_once() -> None:
    """The client's own word does not wait for the minute, and tells nothing before the cluster has said so."""
    rig = Rig()
    rig.settle()
    rig.chores.absent("orders")

    assert [] == rig.do(NOW + 1)
    assert [([], ["orders"])] * 2 == rig.cluster.asked


def test_a_refused_topic_is_missing_until_something_of_it_arrives() -> None:
    """That it is there says nothing about the right to read it; a record of another topic neither."""
    rig = Rig()
    rig.settle()
    rig.chores.refused("orders")
    refused = rig.do(NOW + 1)
    rig.chores.delivered(TopicPartition("payments", 0))
    still = rig.do(NOW + 2, ALL_THERE)
    rig.chores.delivered(P0)

    assert ([TopicsMissing(frozenset(), refused=frozenset({"orders"}))], []) == (refused, still)
    assert [TopicsMissing(frozenset())] == rig.do(NOW + 3)


def test_a_topic_that_may_not_be_seen_is_refused_until_it_may() -> None:
    """Nobody knows whether it is there: it is asked for again each second, and is told as refused, not as missing."""
    rig = Rig()
    rig.do()
    told = rig.do(NOW + 1, ClusterAnswer(refused=frozenset({"orders"})))
    rig.do(NOW + EVERY_NS)

    assert [TopicsMissing(frozenset(), refused=frozenset({"orders"}))] == told
    assert [TopicsMissing(frozenset())] == rig.do(NOW + EVERY_NS + 1, ALL_THERE)


def test_an_offset_that_left_the_log_is_a_gap() -> None:
    """The log is asked for at once, and what it holds is told with the offset that was expected."""
    rig = Rig()
    rig.settle()
    rig.chores.out_of_log(P0)

    assert [] == rig.do(NOW + 1)
    assert [GapFound(P0, 5, 20, 30)] == rig.do(NOW + 2, ClusterAnswer({P0: (20, 30)}))
    assert [] == rig.do(NOW + 2 + EVERY_NS)
    assert [[P0]] == rig.logs_asked()


def test_an_offset_that_is_in_the_log_after_all_is_read_on_from() -> None:
    """No gap where there is none: the partition goes back to its own next offset, not to an end of the log."""
    rig = Rig()
    rig.settle()
    rig.chores.out_of_log(P0)
    rig.do(NOW + 1)

    assert [] == rig.do(NOW + 2, ClusterAnswer({P0: (0, 30)}))
    assert [(0, 5)] == rig.consumer.seeks()


def test_a_question_that_was_not_answered_is_asked_again() -> None:
    """An answer without the log leaves the partition open, and the other questions do not forget it."""
    rig = Rig()
    rig.settle()
    rig.chores.out_of_log(P0)
    rig.do(NOW + 1)
    rig.do(NOW + 1 + EVERY_NS, ClusterAnswer())

    assert [[P0], [P0]] == rig.logs_asked()


def test_what_cannot_be_asked_now_is_asked_as_soon_as_it_can() -> None:
    """While another question is open the chore waits, not for the next second but for its answer."""
    rig = Rig()
    rig.do()
    rig.chores.out_of_log(P0)
    rig.do(NOW + 1)
    rig.do(NOW + 2, ALL_THERE)

    assert [([], ["orders"]), ([P0], [])] == rig.cluster.asked


def test_a_partition_that_is_gone_has_no_gap() -> None:
    """What is not owned any more when the answer comes is neither told nor sought nor asked for."""
    rig = Rig()
    rig.settle()
    rig.chores.out_of_log(P0)
    rig.do(NOW + 1)
    del rig.members.next_offsets[P0]

    assert [] == rig.do(NOW + 2, ClusterAnswer({P0: (20, 30)}))
    assert [] == rig.consumer.seeks()
    rig.chores.out_of_log(P0)
    rig.do(NOW + 3)
    assert [[P0]] == rig.logs_asked()


def test_the_earliest_unreadable_offset_is_kept() -> None:
    """Nothing behind the first hole may be delivered, whatever the client skipped later."""
    rig = Rig()
    for offset in (9, 5, 7):
        rig.chores.cannot_read(P0, offset, 5, "torn")

    assert {P0: 5} == rig.chores.unreadable


def test_the_unreadable_is_read_again_once_a_second_where_it_is_owned() -> None:
    """Not at every turn: the same bytes would be fetched without an end. A revoked partition is left alone."""
    rig = Rig()
    later = rig.settle()
    rig.chores.cannot_read(P0, 5, 5, "torn")
    rig.chores.cannot_read(TopicPartition("orders", 2), 1, 1, "torn")
    rig.do(later - 1)
    early = rig.consumer.seeks()
    rig.do(later)

    assert ([], [(0, 5)], {}) == (early, rig.consumer.seeks(), rig.chores.unreadable)


def torn(rig: Rig) -> int:
    """Let P0 be torn at 5, to 8, and be told so; give the time of the next turn."""
    later = rig.settle()
    assert rig.chores.cannot_read(P0, 5, 5, "torn")
    rig.do(later)
    rig.chores.cannot_read(P0, 5, 5, "torn")
    rig.far = FarSide(Damage(P0, 5, 5, "torn"), 8)
    assert [RecordsUnreadable(P0, 5, 8, "torn")] == rig.do(later + EVERY_NS)
    return later + 2 * EVERY_NS


def test_what_cannot_be_read_is_told_once_with_its_far_side() -> None:
    """Then its partition rests, and is read again each half a minute without a further word."""
    rig = Rig()
    later = torn(rig)
    rig.consumer.deeds.clear()
    for seconds in range(30):
        assert [] == rig.do(later + seconds * EVERY_NS)
    rested = rig.consumer.deeds.copy()
    assert not rig.chores.cannot_read(P0, 5, 5, "torn")
    assert [] == rig.do(later + 40 * EVERY_NS)

    assert [("resume", [0]), ("seek", (0, 5))] == rested
    assert [("pause", [0])] == rig.consumer.deeds[len(rested) :]
    assert [Damage(P0, 5, 5, "torn")] == rig.searched[:1]


def test_what_can_be_read_by_now_is_no_damage() -> None:
    """A batch that was torn on the wire is read by the next try; nothing is told."""
    rig = Rig()
    later = rig.settle()
    rig.chores.cannot_read(P0, 5, 5, "torn")
    rig.do(later)
    rig.far = FarSide(Damage(P0, 5, 5, "torn"), 5)

    assert [] == rig.do(later + EVERY_NS)


def test_a_partition_that_moved_is_looked_at_anew() -> None:
    """What was found out about a partition belongs to its ownership; the next one is told of it again."""
    rig = Rig()
    later = torn(rig)
    rig.chores.moved([P0])
    rig.do(later)

    assert ("resume", [0]) == rig.consumer.deeds[-1]
    assert rig.chores.cannot_read(P0, 5, 5, "torn")


def looked(rig: Rig, at: int, topic_id: str) -> None:
    """Let a look at the ids find this one for orders, and be told of it in the turn after."""
    rig.do(at)
    rig.ids.ready = {"orders": topic_id}
    assert [] == rig.do(at + EVERY_NS, ALL_THERE)


def test_another_topic_of_the_same_name_is_a_gap_though_the_offset_fits() -> None:
    """Its id tells: each partition that was read of the former one is told once, with what the new log holds."""
    rig = Rig()
    later = rig.settle()
    looked(rig, later, "first")
    assert {P0: "first", P1: "first"} == rig.commits.topic_ids
    later += LOOK_AT_IDS_NS
    looked(rig, later, "second")
    told = rig.do(later + 2 * EVERY_NS, ClusterAnswer({P0: (0, 90), P1: (7, 80)}))
    asked = rig.logs_asked()
    looked(rig, later + LOOK_AT_IDS_NS + 2 * EVERY_NS, "second")

    assert [GapFound(P0, 5, 0, 90, anew=True)] == told, "of P1 nothing had been read"
    assert {P0: "first", P1: "second"} == rig.commits.topic_ids, "until the loop goes on, offsets are of the former one"
    assert [[P0, P1]] == asked == rig.logs_asked()


def test_a_commit_of_another_topic_is_known_by_its_id() -> None:
    """What was committed on a topic that is gone does not say where to begin in the one that has its name now."""
    rig = Rig()
    rig.commits.owned({}, {}, {P0: "first"})
    later = rig.settle()
    looked(rig, later, "second")

    assert [GapFound(P0, 5, 0, 90, anew=True)] == rig.do(later + 2 * EVERY_NS, ClusterAnswer({P0: (0, 90)}))


def test_an_id_that_was_asked_for_before_a_partition_came_says_nothing_of_it() -> None:
    """The topic may have been made anew in between: the next answer counts."""
    rig = Rig()
    later = rig.settle()
    rig.do(later)
    rig.chores.moved([P0])
    rig.ids.ready = {"orders": "old"}
    rig.do(later + EVERY_NS)
    assert {P1: "old"} == rig.commits.topic_ids
    looked(rig, later + 2 * EVERY_NS, "old")

    assert {P0: "old", P1: "old"} == rig.commits.topic_ids


def test_orders_to_skip_are_looked_for_now_and_then() -> None:
    """They are told each time, for what is owned, and not for another topic than they were given for."""
    rig, skip = Rig(), Skip(6, 7, "ada", "2026-11-29T20:15:00Z", "cancelled")
    rig.commits.topic_ids[P1] = "second"
    later = rig.settle()
    assert [] == rig.skips.asked
    orders = Orders("first", (skip,))
    for turn in range(2):
        rig.do(later + (turn + 1) * LOOK_AT_ORDERS_NS)
        rig.skips.ready = {P0: orders, P1: orders, TopicPartition("orders", 2): orders}
        told = rig.do(later + (turn + 1) * LOOK_AT_ORDERS_NS + EVERY_NS)
        assert [SkipsOrdered(P0, (skip,))] == [event for event in told if isinstance(event, SkipsOrdered)]
    assert [(P0, P1)] * 2 == rig.skips.asked


def test_starting_positions_that_are_not_stored_are_sent_again() -> None:
    """A start that the group refused is committed anew by the next chores."""
    rig = Rig()
    rig.commits.owned({P0: 5}, {}, {})
    rig.do()

    assert [("commit", {0: 5})] == rig.consumer.deeds


def test_what_is_not_subscribed_any_more_is_not_missing() -> None:
    """Of a topic that was given up nothing is told, and a late answer about it is passed over."""
    rig = Rig()
    rig.do()
    missing = rig.do(answer=ClusterAnswer(topics={"orders": 0}))
    rig.chores.subscribed({"returns"})
    after = rig.do(NOW + 1, ClusterAnswer(topics={"orders": 0, "returns": 3}))

    assert [[TopicsMissing(frozenset({"orders"}))], [TopicsMissing(frozenset())]] == [missing, after]
    assert {"returns": 3} == rig.chores.topic_partitions


def test_what_was_missing_once_is_remembered() -> None:
    """Whoever decides where a topic begins asks for it when it is there again."""
    rig = Rig()
    rig.do()
    rig.do(answer=ClusterAnswer(topics={"orders": 0}))
    rig.do(NOW + EVERY_NS, ALL_THERE)
    rig.chores.absent("payments")

    assert {"orders", "payments"} == rig.chores.seen_missing
