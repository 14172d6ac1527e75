"""Which offsets of the logs a window of time, or a person's own ranges, mean: asked once, and fixed from then on.

It joins no group and reads no record. A place is where the broker says it is at this moment: times are those that the
producers gave, unless the topic says otherwise (`message.timestamp.type`), and the end is where a reader of committed
records could read to, below a transaction that is open. Offsets in a range may have no record (compaction, the markers of
transactions, what was aborted), so the number of offsets is a bound of the number of records and never the number itself.

What retention took is said where it can be known, and where it can only be feared that is said, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.kafka.client import checked
from doka.adapters.kafka.client_settings import Oauth, connection_settings
from doka.adapters.kafka.inquirer import beside, size_of
from doka.adapters.kafka.not_told import NotToldError, in_words
from doka.adapters.kafka.settings import MemberSettings
from doka.domain.ports import Clock
from doka.domain.records import TopicPartition

ANSWER_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class LogRange:
    """Offsets of one partition, from `first` to below `end`, and how its log stood when they were looked for."""

    partition: TopicPartition
    first: int
    end: int
    log_start: int
    log_end: int
    """Where a reader of committed records could read to."""
    gone: int = 0
    """Offsets that were asked for and are below the log's start: retention took them, or somebody deleted them."""
    unwritten: int = 0
    """Offsets that were asked for and are not below the log's end: not written yet, or above an open transaction."""
    cut: bool = False
    """Whether the window reaches back to where the log begins now, and the log began earlier once: what is gone of the
    window, if anything is, nobody can know."""

    @property
    def offsets(self) -> int:
        """How many offsets there are; no more records than these."""
        return self.end - self.first

    @property
    def missing(self) -> str | None:
        """Say, as a clause for a person, what is not in the log any more, or may not be; None where nothing is missing."""
        if self.gone:
            return f"{self.gone:,} offsets of {self.partition} below {self.log_start} are no longer in the log"
        if self.cut:
            return (
                f"the log of {self.partition} begins inside the window, at {self.log_start}: older records may be gone"
            )
        return None


class LogRanges:
    """Asks the cluster where things are; each question waits ten seconds for its answer at most."""

    def __init__(self, settings: MemberSettings, clock: Clock, oauth: Oauth | None = None) -> None:
        """Take who is asked; nothing is opened yet."""
        self._connection = {**connection_settings(settings, oauth), "isolation.level": "read_committed"}
        self._clock = clock

    def whole(self, topics: Iterable[str]) -> tuple[LogRange, ...]:
        """Give all that the log of every partition holds now.

        Raises:
            NotToldError: the cluster does not say, or a topic does not exist.
        """
        with in_words(), beside(self._connection, self._clock) as client:
            starts, ends = edges(client, partitions_of(client, topics))
        return tuple(LogRange(p, start, ends[p], start, ends[p]) for p, start in starts.items())

    def of_window(self, topics: Iterable[str], since_ms: int, until_ms: int | None = None) -> tuple[LogRange, ...]:
        """Give the range of every partition: from the first record at or after one time to that of the other.

        Times in ms since the epoch; without `until_ms` it ends where the log ends now.

        Raises:
            NotToldError: the cluster does not say, or a topic does not exist.
        """
        with in_words(), beside(self._connection, self._clock) as client:
            partitions = partitions_of(client, topics)
            starts, ends = edges(client, partitions)
            firsts = _at(client, dict.fromkeys(partitions, since_ms))
            lasts = {} if until_ms is None else _at(client, dict.fromkeys(partitions, until_ms))
        return tuple(_window(p, starts[p], ends[p], firsts.get(p), lasts.get(p)) for p in partitions)

    def of_offsets(self, asked: Sequence[tuple[TopicPartition, int, int]]) -> tuple[LogRange, ...]:
        """Give what the logs hold of ranges that somebody named: partition, first offset, and one above the last.

        Raises:
            NotToldError: the cluster does not say, or a topic or a partition does not exist.
        """
        with in_words(), beside(self._connection, self._clock) as client:
            named = sorted({partition for partition, _, _ in asked})
            there = partitions_of(client, {partition.topic for partition in named})
            for partition in named:
                if partition not in there:
                    size = sum(other.topic == partition.topic for other in there)
                    raise NotToldError(f"topic {partition.topic} has {size} partitions, counted from 0")
            starts, ends = edges(client, named)
        return tuple(_named(p, starts[p], ends[p], first, end) for p, first, end in sorted(asked))


def partitions_of(client: Consumer, topics: Iterable[str]) -> list[TopicPartition]:
    """Name all partitions of topics, in their order.

    Raises:
        KafkaException: the cluster does not say.
        NotToldError: a topic does not exist.
    """
    found: list[TopicPartition] = []
    for topic in sorted(topics):
        size = size_of(client, topic, ANSWER_SECONDS)
        if not size:
            raise NotToldError(f"topic {topic} does not exist")
        found += [TopicPartition(topic, number) for number in range(size)]
    return found


def edges(
    client: Consumer, partitions: Iterable[TopicPartition]
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    """Give where logs begin, and where they end for this client's level of isolation; raises KafkaException.

    The beginning is asked for first, so that it is not above the end.
    """
    asked = tuple(partitions)
    return _at(client, dict.fromkeys(asked, OFFSET_BEGINNING)), _at(client, dict.fromkeys(asked, OFFSET_END))


def _at(client: Consumer, places: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
    """Give the offset of each place, a time or an edge; none where no record is as late. One request for each broker."""
    asked = [KafkaPartition(*partition, place) for partition, place in places.items()]
    answer = client.offsets_for_times(asked, timeout=ANSWER_SECONDS) if asked else []
    return {partition: place.offset for partition, place in checked(answer).items() if place.offset >= 0}


def _window(partition: TopicPartition, start: int, log_end: int, first: int | None, last: int | None) -> LogRange:
    first = log_end if first is None else max(first, start)
    end = log_end if last is None else max(first, min(last, log_end))
    return LogRange(partition, first, end, start, log_end, cut=first == start > 0)


def _named(partition: TopicPartition, start: int, log_end: int, first: int, end: int) -> LogRange:
    return LogRange(
        partition,
        first=min(max(first, start), log_end),
        end=min(max(end, start), log_end),
        log_start=start,
        log_end=log_end,
        gone=max(0, min(end, start) - first),
        unwritten=max(0, end - max(first, log_end)),
    )
