"""What the source must come back to, about once a second: gaps, unreadable records, missing topics, unstored starts.

Each asks the cluster something or goes back to an offset; none may be forgotten, and none is worth stopping records of
other partitions for: a question waits a tenth of a second at most, and after one without an answer the rest waits for
the next round.
"""

from __future__ import annotations

from typing import Final

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from adapters.kafka.commits import Commits
from adapters.kafka.membership import Membership
from domain.events import Event, TopicsMissing
from domain.limits import NS_PER_SECOND
from domain.records import TopicPartition
from domain.start_positions import gap_at

EVERY_NS: Final = NS_PER_SECOND
QUESTION_SECONDS: Final = 0.1


class Chores:
    """The open ones, each until it is done or its partition is gone."""

    def __init__(self) -> None:
        self.unreadable: dict[TopicPartition, int] = {}
        """The offset from which nothing of a partition may be delivered before it was read again."""
        self._out_of_log: set[TopicPartition] = set()
        self._missing: dict[str, bool] = {}  # True: the topic is there, but reading it was refused
        self._told: frozenset[str] = frozenset()
        self._urgent = False
        self._done_at: int | None = None

    def out_of_log(self, partition: TopicPartition) -> None:
        """Note that the next offset of a partition is not in its log."""
        self._out_of_log.add(partition)
        self._urgent = True

    def cannot_read(self, partition: TopicPartition, offset: int) -> None:
        """Note that the client skipped something at `offset` that it could not read."""
        self.unreadable[partition] = min(offset, self.unreadable.get(partition, offset))

    def missing(self, topic: str, *, refused: bool) -> None:
        """Note that a topic is not there, or may not be read."""
        self._missing[topic] = refused
        self._urgent = True

    def delivered(self, topic: str) -> None:
        """Note that something of a topic arrived: it may be read."""
        if self._missing.get(topic):
            del self._missing[topic]
            self._urgent = True

    def do(self, consumer: Consumer, members: Membership, commits: Commits, now: int) -> list[Event]:
        """Do what is due and give what it found; raises KafkaException where going back to an offset fails."""
        if not self._urgent and self._done_at is not None and now - self._done_at < EVERY_NS:
            return []
        self._urgent, self._done_at = False, now
        events: list[Event] = []
        self._read_again(consumer, members)
        try:
            self._measure_gaps(consumer, members, events)
            self._look_for_topics(consumer)
        except _UnansweredError:
            pass
        if self._told != self._missing.keys():
            self._told = frozenset(self._missing)
            events.append(TopicsMissing(self._told))
        commits.send_starts(consumer)
        return events

    def _read_again(self, consumer: Consumer, members: Membership) -> None:
        again, self.unreadable = self.unreadable, {}
        for partition in again:
            if partition in members.next_offsets:
                members.seek(consumer, partition, members.next_offsets[partition])

    def _measure_gaps(self, consumer: Consumer, members: Membership, events: list[Event]) -> None:
        for partition in sorted(self._out_of_log):
            expected = members.next_offsets.get(partition)
            if expected is not None:
                try:
                    start, end = consumer.get_watermark_offsets(KafkaPartition(*partition), timeout=QUESTION_SECONDS)
                except KafkaException as error:
                    raise _UnansweredError from error
                gap = gap_at(partition, expected, start, end)
                if gap is None:
                    members.seek(consumer, partition, expected)
                else:
                    events.append(gap)
            self._out_of_log.discard(partition)

    def _look_for_topics(self, consumer: Consumer) -> None:
        # A refused topic is visible all the while; only its records show that the right was given.
        for topic in [topic for topic, refused in self._missing.items() if not refused]:
            try:
                answer = consumer.list_topics(topic, timeout=QUESTION_SECONDS).topics[topic]
            except KafkaException as error:
                raise _UnansweredError from error
            if answer.error is None and answer.partitions:
                del self._missing[topic]


class _UnansweredError(Exception):
    """The cluster did not answer in time: no further question in this round."""
