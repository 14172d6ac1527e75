"""Which partitions this member owns, and what the next offset of each is: librdkafka's callbacks end here.

Theory of operation. The callbacks run inside `consume`, on the loop's thread, while librdkafka holds records of this very
call in its hand. Therefore

- nothing in here may raise: an exception out of `consume` destroys those records and the next call goes on behind them.
  What is raised in a callback is kept in `error`, and the source raises it once every position is safe;
- nothing in here may call `consume`, `poll`, `close` or `list_topics` of the same consumer: these forget the call that the
  callback is part of, and the process aborts;
- what the call brings of a partition that was revoked, assigned or sought meanwhile (`moved`) belongs to another
  ownership: the source drops it and goes back to the next offset of this one;
- the pause flag of a partition survives its unassignment, so every assignment is followed by an explicit resume;
- an assignment that was under way when this process was to stop is not taken over: a client that leaves is told nothing of
  the group's offsets any more, and would ask for them until long after the stop's time.

A revoke is not answered (`incremental_unassign`) before the listener has drained and committed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Protocol

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.kafka.commits import SentCommits
from doka.adapters.kafka.shown import shown
from doka.adapters.kafka.starting import NotNeededError, Starts
from doka.domain.events import SkipsOrdered
from doka.domain.ports import RebalanceListener
from doka.domain.records import TopicPartition

_log = logging.getLogger("doka.kafka")


class Beginnings(Protocol):
    """Who knows where partitions begin."""

    def find(self, consumer: Consumer, partitions: Sequence[TopicPartition], /) -> Starts:
        """Give a position for every partition; raises NotNeededError where nobody needs it any more."""
        ...


class Membership:
    """Owned partitions with their next offsets; a partition is owned exactly while it has one."""

    def __init__(self, listener: RebalanceListener, starting: Beginnings, commits: SentCommits) -> None:
        self.next_offsets: dict[TopicPartition, int] = {}
        self.paused: set[TopicPartition] = set()
        self.moved: set[TopicPartition] = set()
        self.error: BaseException | None = None
        self.inside = False
        """Whether a callback is on the stack: then nobody may fetch."""
        self.answered = False
        """Whether the group has given an assignment, be it an empty one, since the source last looked."""
        self.joined = False
        """Whether the group has ever given an assignment, be it an empty one."""
        self.expelled = False
        """Whether the group has declared this member dead, and has not taken it in again."""
        self.leaving = False
        """Whether the client leaves the group: it then serves what is left of its callbacks."""
        self._ordered: list[SkipsOrdered] = []  # found with an assignment, and not yet taken
        self._listener = listener
        self._starting = starting
        self._commits = commits

    def assigned(self, consumer: Consumer, partitions: Sequence[KafkaPartition]) -> None:
        """Begin each partition at an explicit offset, commit where that is new, and tell the listener."""
        self.answered = self.joined = True
        self.expelled = False
        self._guarded(lambda: self._assign(consumer, _named(partitions)))

    def revoked(self, consumer: Consumer, partitions: Sequence[KafkaPartition]) -> None:
        """Let the listener drain and commit, then give the partitions back."""
        owned = frozenset(_named(partitions)).intersection(self.next_offsets)
        if owned:
            self._guarded(lambda: self._listener.partitions_revoked(owned))
            # A start that the next owner cannot read would be decided anew there, maybe further on.
            self._guarded(lambda: self._commits.send_starts(consumer))
        self._guarded(lambda: self._give_back(consumer, owned))

    def lost(self, consumer: Consumer, partitions: Sequence[KafkaPartition]) -> None:
        """Forget partitions that somebody else owns already."""
        self.expelled = True
        owned = frozenset(_named(partitions)).intersection(self.next_offsets)
        if owned:
            self._guarded(lambda: self._listener.partitions_lost(owned))
        self._guarded(lambda: self._give_back(consumer, owned))

    def take_ordered(self) -> list[SkipsOrdered]:
        """Give what shall be skipped of partitions that were assigned since the last time."""
        ordered, self._ordered = self._ordered, []
        return ordered

    def seek(self, consumer: Consumer, partition: TopicPartition, offset: int) -> None:
        """Read an owned partition from `offset` on; one that is not owned any more is left alone."""
        if partition not in self.next_offsets:
            return
        self.next_offsets[partition] = offset
        _log.debug("sought: %s[%d] from %d on", partition.topic, partition.partition, offset)
        if self.inside:
            self.moved.add(partition)
        place = KafkaPartition(partition.topic, partition.partition, offset)
        try:
            consumer.seek(place)
        except KafkaException:
            # A partition whose fetching has not begun, or was ended by an error, takes no seek but a new beginning.
            consumer.incremental_unassign([place])
            consumer.incremental_assign([place])
            (consumer.pause if partition in self.paused else consumer.resume)([place])

    def pause(self, consumer: Consumer, partitions: Iterable[TopicPartition]) -> None:
        """Stop delivery of those that are owned."""
        owned = [partition for partition in partitions if partition in self.next_offsets]
        self.paused.update(owned)
        self._tell("paused", owned)
        consumer.pause([KafkaPartition(*partition) for partition in owned])

    def resume(self, consumer: Consumer, partitions: Iterable[TopicPartition]) -> None:
        """Deliver those that are owned again."""
        owned = [partition for partition in partitions if partition in self.next_offsets]
        self.paused.difference_update(owned)
        self._tell("resumed", owned)
        consumer.resume([KafkaPartition(*partition) for partition in owned])

    def rest(self, consumer: Consumer, partition: TopicPartition) -> None:
        """Let the client fetch nothing of a partition for a while, whatever the loop has paused."""
        if partition in self.next_offsets:
            consumer.pause([KafkaPartition(*partition)])

    def wake(self, consumer: Consumer, partition: TopicPartition) -> None:
        """Let the client fetch a partition again that rested, unless the loop has paused it."""
        if partition in self.next_offsets and partition not in self.paused:
            consumer.resume([KafkaPartition(*partition)])

    def _assign(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        starts = self._starts(consumer, partitions)
        if starts is None:
            consumer.incremental_assign([])
            return
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("assigned: %s", shown(starts.positions, "from "))
        places = [KafkaPartition(p.topic, p.partition, starts.positions[p]) for p in partitions]
        self._commits.owned({p: starts.positions[p] for p in starts.fresh}, starts.births, starts.topic_ids)
        self._commits.send_starts(consumer)
        consumer.incremental_assign(places)
        consumer.resume(places)
        self.paused.difference_update(partitions)
        self.moved.update(partitions)
        self.next_offsets.update(starts.positions)
        self._ordered += [SkipsOrdered(partition, skips) for partition, skips in starts.skips.items() if skips]
        self._listener.partitions_assigned(starts.positions)

    def _starts(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> Starts | None:
        """Find where to begin; None where nothing is to be taken over."""
        if not partitions:
            return None
        if not self.leaving:
            with suppress(NotNeededError):
                return self._starting.find(consumer, partitions)
        self._tell("not taken over, for a stop", partitions)
        return None

    def _give_back(self, consumer: Consumer, owned: frozenset[TopicPartition]) -> None:
        for partition in owned:
            del self.next_offsets[partition]
        self.paused -= owned
        self.moved |= owned
        self._commits.forget(owned)
        self._tell("given back", owned)
        consumer.incremental_unassign([KafkaPartition(*partition) for partition in owned])

    @staticmethod
    def _tell(what: str, partitions: Iterable[TopicPartition]) -> None:
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s: %s", what, shown(partitions))

    def _guarded(self, action: Callable[[], None]) -> None:
        self.inside = True
        try:
            action()
        except BaseException as error:  # noqa: BLE001 - even an exit must not destroy the records in consume's hand
            self.error = self.error or error
        finally:
            self.inside = False


def _named(partitions: Iterable[KafkaPartition]) -> list[TopicPartition]:
    return [TopicPartition(partition.topic, partition.partition) for partition in partitions]
