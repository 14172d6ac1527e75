"""Kafka without a group, behind `domain.ports.Source`: reads ranges of offsets to their ends, and stores nothing.

Theory of operation. It is the member's own reader (source.py) with three differences. The partitions are not asked for but
taken, at the first offset of their first range, as if a group had given them. Whatever comes from above a range's end is cut
off: an end is reached when a record at or above it comes, or when the log was read up to it, for the offsets below it may
have no record. And a commit is answered as stored, though nothing is sent: who reads beside a group must not move it.

A partition may have several ranges. Behind the end of one it goes on at the next, by a seek where that is far, and rests
behind the last. `PartitionEnded` tells each end, and below it an end of the log that was read up to, as a broker that
follows behind the leader may tell it for a while.

It must never join a group, never commit, and never give a record outside its ranges.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Final, Protocol
from uuid import uuid4

from confluent_kafka import Consumer, KafkaError
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.kafka.client_settings import Oauth
from doka.adapters.kafka.columns import AnyMessage
from doka.adapters.kafka.membership import Membership
from doka.adapters.kafka.settings import MemberSettings
from doka.adapters.kafka.source import KafkaSource
from doka.adapters.kafka.starting import Starts
from doka.adapters.kafka.topic_ids import topic_ids
from doka.domain.commands import CommitOffsets
from doka.domain.events import CommitAnswered, Event, GapFound, PartitionEnded, RecordsFetched, RecordsUnreadable
from doka.domain.ports import Clock, RebalanceListener
from doka.domain.records import Chunk, TopicPartition
from doka.domain.status import GroupStatus, SourceStatus

FAR_OFFSETS: Final = 5_000
"""From here on the next range is sought. What is nearer is read over: a seek throws away what was prefetched."""


class Range(Protocol):
    """Offsets of one partition, from `first` to below `end`."""

    @property
    def partition(self) -> TopicPartition:
        """Whose they are."""
        ...

    @property
    def first(self) -> int:
        """The first one."""
        ...

    @property
    def end(self) -> int:
        """One above the last."""
        ...


class RangeSource(KafkaSource):
    """Reads its ranges from `open` to `close`; not for more than one thread."""

    def __init__(
        self, settings: MemberSettings, ranges: Iterable[Range], clock: Clock, oauth: Oauth | None = None
    ) -> None:
        """Take what is to be read. `settings` name the service's group: orders to skip that stand for it hold here too."""
        self._ranges: dict[TopicPartition, list[tuple[int, int]]] = _by_partition(ranges)
        topics = frozenset(partition.topic for partition in self._ranges)
        alone = replace(
            settings,
            topics=topics,
            topics_with_originals=settings.topics_with_originals & topics,
            group_id=f"doka-reads-{uuid4().hex[:12]}",  # the client wants one; nobody joins it, nothing is stored for it
            group_instance_id=None,
            group_protocol="classic",
        )
        super().__init__(alone, clock, oauth, orders_for=settings.group_id)
        self._place: dict[TopicPartition, int] = dict.fromkeys(self._ranges, 0)  # which range each partition is in
        self._rests: set[TopicPartition] = set()  # paused from above
        self._told: list[Event] = []  # answers of our own, not yet given

    @property
    def finished(self) -> bool:
        """Whether every range was read to its end, and that was told."""
        return not self._told and all(self._is_done(partition) for partition in self._ranges)

    def open(self, listener: RebalanceListener) -> None:
        """Take all partitions, each at the first offset of its first range, and tell the listener in here.

        What goes wrong is told by the next `fetch`, as is what the listener raises.
        """
        self._members = Membership(listener, self, self._commits)
        self._opened_at = self._clock.now()
        self._join(self._members)

    def find(self, _consumer: Consumer, partitions: Sequence[TopicPartition]) -> Starts:
        """Give where the partitions begin, and what shall be skipped of them."""
        orders = self._orders(partitions)
        topics = {partition.topic for partition in orders}
        ids = topic_ids(self._connection, self._clock, tuple(sorted(topics))) if topics else {}
        skips = {partition: found.of_topic(ids.get(partition.topic)) for partition, found in orders.items()}
        return Starts({p: self._ranges[p][0][0] for p in partitions}, frozenset(), skips=skips)

    def fetch(self, limit: int, wait: int) -> Sequence[Event]:
        """Give what has arrived, as the member's reader does, and nothing from outside the ranges."""
        found: list[Event] = []
        for event in super().fetch(limit, 0 if self._told else wait):
            self._take(event, found)
        told, self._told = self._told, []
        return [*told, *found]

    def commit(self, command: CommitOffsets) -> None:
        """Store nothing, and answer as if it were stored."""
        self._told.append(CommitAnswered(command.commit))

    def pause(self, partitions: frozenset[TopicPartition]) -> None:
        """Stop delivery; records that were prefetched are fetched again after `resume`."""
        self._rests |= partitions
        super().pause(partitions)

    def resume(self, partitions: frozenset[TopicPartition]) -> None:
        """Deliver again what is not at its end."""
        self._rests -= partitions
        super().resume(frozenset(partition for partition in partitions if not self._is_done(partition)))

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on reading at `offset`, or at the next one above it that is in a range."""
        ranges = self._ranges.get(partition)
        if ranges is None:
            return
        was_done = self._is_done(partition)
        self._place[partition] = place = bisect_right(ranges, offset, key=itemgetter(1))
        if place == len(ranges):
            self._told.append(PartitionEnded(partition, offset))
            super().pause(frozenset((partition,)))
            return
        super().seek(partition, max(offset, ranges[place][0]))
        if was_done and partition not in self._rests:
            super().resume(frozenset((partition,)))

    def status(self) -> SourceStatus:
        """Say what is known of the logs, each as if it ended where the last of its ranges does."""
        known = super().status()
        logs = {
            partition: log if log.end is None else replace(log, end=min(log.end, self._ranges[partition][-1][1]))
            for partition, log in known.logs.items()
        }
        group = known.group if self._consumer is None else GroupStatus(joined=True)
        return SourceStatus(group, logs, known.throttled)

    def close(self) -> None:
        """Give the partitions back, of which the listener is told in here, and drop the connections."""
        if self._consumer is not None and self._members is not None:
            self._members.revoked(self._consumer, [KafkaPartition(*partition) for partition in self._ranges])
        super().close()

    # --- what differs from a member --------------------------------------------------------------------------------

    def _take_part(self, consumer: Consumer, members: Membership) -> None:
        members.assigned(consumer, [KafkaPartition(*partition) for partition in self._ranges])
        for partition in self._ranges.keys() & members.next_offsets.keys():  # none, where that failed
            self._pass(partition, members.next_offsets[partition], self._told)  # a range may be empty

    def _read_errors(self, messages: Iterable[AnyMessage], members: Membership) -> dict[TopicPartition, int]:
        return super()._read_errors((message for message in messages if not _of_the_group(message.error())), members)

    def _note(self, error: KafkaError) -> None:
        if not _of_the_group(error):
            super()._note(error)

    # --- ends ------------------------------------------------------------------------------------------------------

    def _is_done(self, partition: TopicPartition) -> bool:
        return self._place[partition] == len(self._ranges[partition])

    def _take(self, event: Event, found: list[Event]) -> None:
        """Add what is left of an event, and the ends that it reaches."""
        match event:
            case RecordsFetched(chunk):
                self._pass(chunk.partition, chunk.end, found, chunk)
            case PartitionEnded(partition, offset):
                if not self._is_done(partition) and not self._pass(partition, offset, found):
                    found.append(event)
            case RecordsUnreadable(partition, first, far):
                self._pass(partition, first, found)
                if (begin := self._hindered(partition, first, far)) is not None:
                    found.append(replace(event, first=begin))
            case GapFound(partition, expected, log_start, _, anew):
                begin = expected if anew or log_start < expected else self._hindered(partition, expected, log_start)
                if begin is not None:
                    found.append(replace(event, expected=begin))
            case _:
                found.append(event)

    def _pass(self, partition: TopicPartition, reached: int, found: list[Event], chunk: Chunk | None = None) -> bool:
        """Add what a chunk holds of the ranges, and each end up to `reached`, and go on behind it; say whether there was one."""
        ranges, before = self._ranges[partition], self._place[partition]
        while not self._is_done(partition):
            first, end = ranges[self._place[partition]]
            if chunk is not None:
                begin, far = bisect_left(chunk.offsets, first), bisect_left(chunk.offsets, end)
                if begin < far:
                    found.append(RecordsFetched(chunk.part(begin, far) if far - begin < chunk.count else chunk))
            if reached < end:
                break
            found.append(PartitionEnded(partition, end))
            self._place[partition] += 1
        if self._place[partition] == before:
            return False
        if self._is_done(partition):
            super().pause(frozenset((partition,)))
        elif ranges[self._place[partition]][0] - reached >= FAR_OFFSETS:
            self._go_to(partition, ranges[self._place[partition]][0])
        return True

    def _hindered(self, partition: TopicPartition, first: int, far: int) -> int | None:
        """Give the first offset of the ranges that is among those from `first` to below `far`, which cannot be read.

        Where none is, it goes on at the next range, and gives None.
        """
        if self._is_done(partition):
            return None
        begin = self._ranges[partition][self._place[partition]][0]
        if begin < far:
            return max(first, begin)
        self._go_to(partition, begin)
        return None

    def _go_to(self, partition: TopicPartition, offset: int) -> None:
        """Read on at another offset, of the topic that was read so far: one made anew is found out all the same."""
        topic_id = self._commits.topic_ids.get(partition)
        super().seek(partition, offset)
        if topic_id is not None:
            self._commits.topic_ids[partition] = topic_id


def _of_the_group(error: KafkaError | None) -> bool:
    """Say whether an error is about the group, in whose name nothing is asked for here."""
    return error is not None and error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED


def _by_partition(ranges: Iterable[Range]) -> dict[TopicPartition, list[tuple[int, int]]]:
    """Give the ranges of each partition in their order; those that touch are one, and an empty one stands alone only."""
    found: defaultdict[TopicPartition, list[tuple[int, int]]] = defaultdict(list)
    for each in sorted(ranges, key=lambda each: (each.partition, each.first, each.end)):
        of_partition = found[each.partition]
        if of_partition and each.first <= of_partition[-1][1]:
            first, end = of_partition.pop()
            of_partition.append((first, max(end, each.end)))
        elif not of_partition or each.first < each.end:
            of_partition.append((each.first, each.end))
    return dict(found)
