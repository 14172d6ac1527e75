"""What the source must come back to: gaps, unreadable records, missing topics, orders to skip, starts that are not stored.

Records that cannot be read are read again each second until the far side of the damage is known, and told with it
(far_side.py); from then on each half a minute, and the partition rests meanwhile, for the client by itself would fetch
the batch twice a second for ever.

Each asks the cluster something or goes back to an offset; none may be forgotten, and none is worth stopping the records
of other partitions for. So the cluster is asked beside the loop (inquirer.py), and all else is done once a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from confluent_kafka import Consumer

from doka.adapters.kafka.commits import SentCommits
from doka.adapters.kafka.far_side import Damage, FarSide
from doka.adapters.kafka.inquirer import ClusterAnswer, Inquirer
from doka.adapters.kafka.membership import Membership
from doka.adapters.kafka.question import Question
from doka.adapters.kafka.skip_orders import Orders
from doka.domain.events import Event, GapFound, RecordsUnreadable, SkipsOrdered, TopicsMissing
from doka.domain.limits import NS_PER_SECOND
from doka.domain.partitions.start_positions import gap_at
from doka.domain.records import TopicPartition

EVERY_NS: Final = NS_PER_SECOND
REST_NS: Final = 30 * NS_PER_SECOND
LOOK_AT_ORDERS_NS: Final = 15 * NS_PER_SECOND  # those that stand are found at each assignment, and then so often
LOOK_AT_TOPICS_NS: Final = 60 * NS_PER_SECOND  # while all are there; the newer group protocol tells of no missing one
LOOK_AT_IDS_NS: Final = 20 * NS_PER_SECOND  # what is read meanwhile of a topic made anew lands twice


FarSideQuestion = Question[Damage, FarSide | None]
TopicIdsQuestion = Question[tuple[str, ...], dict[str, str]]
OrdersQuestion = Question[tuple[TopicPartition, ...], dict[TopicPartition, Orders]]


class Chores:
    """The open ones, each until it is done or its partition is gone."""

    def __init__(
        self,
        topics: Iterable[str],
        inquirer: Inquirer,
        far_sides: FarSideQuestion,
        ids: TopicIdsQuestion,
        orders: OrdersQuestion,
    ) -> None:
        self.unreadable: dict[TopicPartition, int] = {}
        """The offset from which nothing of a partition may be delivered before it was read again."""
        self.topic_partitions: dict[str, int] = {}
        """How many partitions each topic had when the cluster told it last; a topic that is not there is left out."""
        self.seen_missing: set[str] = set()
        """Topics that were not there at some time since this process began."""
        self._far_sides = far_sides
        self._damages: dict[TopicPartition, Damage] = {}  # whose far side is not known
        self._rests: dict[TopicPartition, int] = {}  # of what was told: when it is read again
        self._resting: set[TopicPartition] = set()  # those of them that the client rests
        self._ids = ids
        self._ids_asked_for: set[TopicPartition] = set()  # owned when the open question was asked, and ever since
        self._look_at_ids = 0
        self._anew: set[TopicPartition] = set()  # of another topic than before; how its log stands is not known
        self._anew_told: set[TopicPartition] = set()
        self._orders = orders
        self._look_at_orders: int | None = None  # None: nothing was owned yet
        self._topics = tuple(sorted(topics))
        self._inquirer = inquirer
        self._out_of_log: set[TopicPartition] = set()
        self._refused: set[str] = set()
        self._absent: set[str] = set()
        self._unseen: frozenset[str] = frozenset()  # that may not even be asked about; each answer tells anew
        self._told = TopicsMissing(frozenset())
        self._asked: tuple[str, ...] = ()  # the topics of the last question
        self._urgent = True  # nobody has looked at the topics yet
        self._look_at = 0
        self._done_at = 0

    def subscribed(self, topics: Iterable[str]) -> None:
        """Note what is subscribed to from now on; what was wrong with other topics is over."""
        kept = frozenset(topics)
        self._topics = tuple(sorted(kept))
        self._refused &= kept
        self._absent &= kept
        self._unseen &= kept
        self.topic_partitions = {topic: size for topic, size in self.topic_partitions.items() if topic in kept}
        self._urgent, self._look_at = True, 0

    def out_of_log(self, partition: TopicPartition) -> None:
        """Note that the next offset of a partition is not in its log."""
        self._out_of_log.add(partition)
        self._urgent, self._look_at_ids = True, 0

    def cannot_read(self, partition: TopicPartition, offset: int, expected: int, why: str) -> bool:
        """Note that the client could not read something at `offset`, when `expected` should have been read next.

        All between the two was delivered before, for the client tells it in its place. Says whether that is news.
        """
        news = partition not in self._rests and partition not in self._damages
        if offset < self.unreadable.get(partition, offset + 1):
            self.unreadable[partition] = offset
            if partition not in self._rests:
                self._damages[partition] = Damage(partition, offset, max(offset, expected), why)
        return news

    def moved(self, partitions: Iterable[TopicPartition]) -> None:
        """Note that partitions are read elsewhere, or belong to another ownership: what was wrong with them is over."""
        for partition in partitions:
            for found in (self.unreadable, self._damages, self._rests):
                found.pop(partition, None)
            for those in (self._anew, self._anew_told, self._ids_asked_for):
                those.discard(partition)
            self._look_at_ids = 0

    def absent(self, topic: str) -> None:
        """Note that the client found no such topic."""
        self.seen_missing.add(topic)
        if topic not in self._absent:
            self._urgent, self._look_at, self._look_at_ids = True, 0, 0

    def refused(self, topic: str) -> None:
        """Note that a topic is there and may not be read; only its records show that the right was given."""
        self._refused.add(topic)

    def delivered(self, partition: TopicPartition) -> None:
        """Note that something of a partition arrived."""
        if self._refused:
            self._refused.discard(partition.topic)
        if self._rests:
            self._rests.pop(partition, None)

    def do(self, consumer: Consumer, members: Membership, commits: SentCommits, now: int) -> list[Event]:
        """Do what is due and give what was found; raises KafkaException where going back to an offset fails."""
        events: list[Event] = []
        answer = self._inquirer.answer()
        if answer is not None:
            self._learn(answer, consumer, members, commits, events)
        if self._urgent or now - self._done_at >= EVERY_NS:
            self._done_at = now
            self._look_for_far_sides(members, now, events)
            self._look_at_topic_ids(members, commits, now)
            self._look_for_orders(members, commits, now, events)
            self._read_again(consumer, members, now)
            self._urgent = not self._ask(members, now)
            commits.send_starts(consumer)
        missing = TopicsMissing(frozenset(self._absent - self._unseen), frozenset(self._refused | self._unseen))
        if self._told != missing:
            self._told = missing
            events.append(missing)
        return events

    def _read_again(self, consumer: Consumer, members: Membership, now: int) -> None:
        for partition in self._resting - self._rests.keys():
            self._resting.discard(partition)
            members.wake(consumer, partition)
        for partition in tuple(self.unreadable):
            due = self._rests.get(partition)
            if due is not None and now < due:
                if partition not in self._resting:
                    self._resting.add(partition)
                    members.rest(consumer, partition)
                continue
            del self.unreadable[partition]
            if due is not None:
                self._rests[partition] = now + REST_NS
                self._resting.discard(partition)
                members.wake(consumer, partition)
            if partition in members.next_offsets:
                members.seek(consumer, partition, members.next_offsets[partition])

    def _look_for_far_sides(self, members: Membership, now: int, events: list[Event]) -> None:
        found = self._far_sides.answer()
        damage = None if found is None else self._damages.get(found.damage.partition)
        if found is not None and damage == found.damage:
            del self._damages[damage.partition]
            if found.offset > damage.first >= members.next_offsets.get(damage.partition, found.offset):
                self._rests[damage.partition] = now + REST_NS
                events.append(RecordsUnreadable(damage.partition, damage.first, found.offset, damage.why))
        for damage in self._damages.values():
            if self._far_sides.ask(damage):
                break

    def _look_at_topic_ids(self, members: Membership, commits: SentCommits, now: int) -> None:
        """Compare the id of each topic with that of the one that was read; what was never told is taken as it is."""
        for topic, topic_id in (self._ids.answer() or {}).items():
            for partition in self._ids_asked_for:
                if partition.topic != topic:
                    continue
                if commits.topic_ids.setdefault(partition, topic_id) != topic_id and partition not in self._anew_told:
                    self._anew.add(partition)
        if now >= self._look_at_ids and members.next_offsets:
            topics = tuple(sorted({partition.topic for partition in members.next_offsets}))
            if self._ids.ask(topics):
                self._ids_asked_for = set(members.next_offsets)
                self._look_at_ids = now + LOOK_AT_IDS_NS

    def _look_for_orders(self, members: Membership, commits: SentCommits, now: int, events: list[Event]) -> None:
        """Tell which orders to skip stand for what is owned; those that were told are told again."""
        for partition, orders in (self._orders.answer() or {}).items():
            skips = orders.of_topic(commits.topic_ids.get(partition))
            if skips and partition in members.next_offsets:
                events.append(SkipsOrdered(partition, skips))
        if not members.next_offsets:
            return
        due = self._look_at_orders
        if due is None or (now >= due and self._orders.ask(tuple(members.next_offsets))):
            self._look_at_orders = now + LOOK_AT_ORDERS_NS

    def _ask(self, members: Membership, now: int) -> bool:
        """Ask what is open; False where it has to wait for the answer to another question."""
        self._out_of_log &= members.next_offsets.keys()
        self._anew &= members.next_offsets.keys()
        topics = self._topics if now >= self._look_at else ()
        logs = self._out_of_log | self._anew
        if not logs and not topics:
            return True
        if not self._inquirer.ask(sorted(logs), topics):
            return False
        self._asked = topics
        if topics:
            self._look_at = now + LOOK_AT_TOPICS_NS
        return True

    def _learn(
        self,
        answer: ClusterAnswer,
        consumer: Consumer,
        members: Membership,
        commits: SentCommits,
        events: list[Event],
    ) -> None:
        for partition, (start, end) in answer.logs.items():
            expected = members.next_offsets.get(partition)
            if partition in self._anew and expected is not None:
                self._anew.discard(partition)
                if expected == start:  # nothing was read of the former one
                    commits.topic_ids.pop(partition, None)
                    self._look_at_ids = 0
                else:
                    self._anew_told.add(partition)
                    events.append(GapFound(partition, expected, start, end, anew=True))
            elif partition in self._out_of_log and expected is not None:
                gap = gap_at(partition, expected, start, end)
                if gap is None:
                    members.seek(consumer, partition, expected)
                else:
                    events.append(gap)
            self._out_of_log.discard(partition)
        for topic, partitions in answer.topics.items():
            if topic not in self._topics:
                continue  # it is not subscribed any more
            if not partitions:
                self._absent.add(topic)
                self.seen_missing.add(topic)
                self.topic_partitions.pop(topic, None)
            else:
                self._absent.discard(topic)
                self.topic_partitions[topic] = partitions
        if self._asked:
            self._unseen = answer.refused.intersection(self._topics)
        if self._absent or len(answer.topics) < len(self._asked):
            self._look_at = 0
