"""Commits: sent without waiting, answered in their order, each answer given its own serial again.

librdkafka's answers carry offsets but no name, so sent commits are kept until they are answered: an answer belongs to
the oldest one with the same offsets, or, where none has them, to the oldest.
Nothing here ever waits for the coordinator: a synchronous commit has no bound in time when it is frozen.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.kafka.client_errors import is_fatal
from doka.adapters.kafka.shown import shown
from doka.domain.commands import CommitOffsets
from doka.domain.events import CommitAnswered
from doka.domain.partitions.start_positions import Birth, Committed, metadata_of, note_in, topic_id_in
from doka.domain.records import TopicPartition

_log = logging.getLogger("doka.kafka")


@dataclass(frozen=True, slots=True)
class _Sent:
    """A commit that waits for its answer; serial None: a starting position of ours."""

    serial: int | None
    offsets: Mapping[TopicPartition, int]
    notes: Mapping[TopicPartition, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """How the debug log calls it."""
        return "of starting positions" if self.serial is None else str(self.serial)


class SentCommits:
    """What was sent to the group and not yet answered, and the starting positions that it has not stored yet."""

    def __init__(self, note: Callable[[KafkaError], None]) -> None:
        """Start with nothing; `note` is given what is fatal to the client, not to the commit alone."""
        self._note = note
        self._sent: deque[_Sent] = deque()
        self._answers: list[CommitAnswered] = []
        self._births: dict[TopicPartition, Birth] = {}
        self.topic_ids: dict[TopicPartition, str] = {}
        """The id of the topic that each owned partition is read of, as far as it is known; chores.py finds it out."""
        self._unstored: dict[TopicPartition, int] = {}

    def owned(
        self,
        starts: Mapping[TopicPartition, int],
        births: Mapping[TopicPartition, Birth],
        topic_ids: Mapping[TopicPartition, str],
    ) -> None:
        """Note what was found of partitions that were assigned, and which of them still need a first commit at `starts`."""
        self.topic_ids.update(topic_ids)
        self._births.update(births)
        self._unstored.update(starts)

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Drop what is kept of partitions that are no longer owned; answers on their way still find their serial."""
        for partition in partitions:
            self._births.pop(partition, None)
            self.topic_ids.pop(partition, None)
            self._unstored.pop(partition, None)

    def send(self, consumer: Consumer, command: CommitOffsets) -> None:
        """Send the ledger's offsets; what the client itself refuses is an answer like any other."""
        for partition in command.offsets:
            self._unstored.pop(partition, None)
        self._send(consumer, _Sent(command.commit, command.offsets, command.notes))

    def send_starts(self, consumer: Consumer) -> None:
        """Send the starting positions that the group has not stored, unless they are on their way already."""
        on_their_way = {partition for sent in self._sent if sent.serial is None for partition in sent.offsets}
        due = {partition: offset for partition, offset in self._unstored.items() if partition not in on_their_way}
        if due:
            self._send(consumer, _Sent(None, due))

    def answered(self, error: KafkaError | None, partitions: Sequence[KafkaPartition]) -> None:
        """Take librdkafka's answer; called by it, inside consume."""
        for told in (error, *(p.error for p in partitions)):
            if told is not None and is_fatal(told):
                self._note(told)
        offsets = {TopicPartition(stored.topic, stored.partition): stored.offset for stored in partitions}
        sent = next((sent for sent in self._sent if sent.offsets == offsets), None)
        if sent is not None:
            self._sent.remove(sent)
        elif self._sent:
            sent = self._sent.popleft()
        else:
            return
        refusals = [f"{p.topic}[{p.partition}]: {p.error.name()}" for p in partitions if p.error is not None]
        self._settle(sent, error.name() if error is not None else "; ".join(refusals[:3]) or None)

    def take_answers(self) -> list[CommitAnswered]:
        """Give the answers that came since the last time."""
        answers, self._answers = self._answers, []
        return answers

    def _send(self, consumer: Consumer, sent: _Sent) -> None:
        offsets = [self._kafka_partition(p, offset, sent.notes.get(p)) for p, offset in sent.offsets.items()]
        self._sent.append(sent)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("commit %s sent: %s", sent.name, shown(sent.offsets))
        try:
            consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as refused:
            self._sent.remove(sent)
            reason = refused.args[0] if refused.args else None
            if isinstance(reason, KafkaError) and is_fatal(reason):
                self._note(reason)
            self._settle(sent, reason.name() if isinstance(reason, KafkaError) else str(refused))

    def _kafka_partition(self, partition: TopicPartition, offset: int, note: str | None) -> KafkaPartition:
        metadata = metadata_of(self._births.get(partition), self.topic_ids.get(partition), note)
        if metadata is None:
            return KafkaPartition(partition.topic, partition.partition, offset)
        return KafkaPartition(partition.topic, partition.partition, offset, metadata=metadata)

    def _settle(self, sent: _Sent, error: str | None) -> None:
        _log.debug("commit %s %s", sent.name, "stored" if error is None else f"refused: {error}")
        if sent.serial is not None:
            self._answers.append(CommitAnswered(sent.serial, error))
        elif error is None:
            for partition, offset in sent.offsets.items():
                if self._unstored.get(partition) == offset:
                    del self._unstored[partition]


def committed_in(stored: Mapping[TopicPartition, KafkaPartition]) -> dict[TopicPartition, Committed]:
    """Read what a group has stored of partitions; nothing of those of which it has committed nothing."""
    return {
        partition: Committed(
            place.offset, Birth.parse(place.metadata), topic_id_in(place.metadata), note_in(place.metadata)
        )
        for partition, place in stored.items()
        if place.offset >= 0
    }
