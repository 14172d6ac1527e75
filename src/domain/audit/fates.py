"""What became of a record, as far as an audit can know: the rules, and what is told of a whole window.

Each record of Kafka's window has one fate of those below, the first whose rule holds. *Found* means that a landing of its
identity is its own: the first landing of the first of several equal records, the second of the second, and so on.

| fate | rule |
|---|---|
| `in_stream` | found |
| `dead_letter` | not found, and it stands in the topic of dead letters |
| `skipped` | not found, and a person ordered to skip it |
| `filtered` | not found, and today's settings of the route leave it out |
| `poison` | not found, and it can never land by today's mapping; whether a policy dropped it, nobody can know |
| `not_yet` | not found, at or above the group's committed offset, or of a partition of which nothing was committed |
| `not_judged` | not found, and it may lie where the stream was not read, see below |
| `lost` | not found, below the committed offset, and nowhere |

Beside it a record that was found may be

| also | rule |
|---|---|
| `repeated` | more landings of its identity than there are equal records in Kafka; the last of these is named |
| `overtaken` | a later record of its partition and key was in the stream before its first landing |

A loss is told only where it is known. A record lands after its timestamp, but for clocks that are apart, and one below the
committed offset landed before that offset was asked for. So it is not judged where

- it has no timestamp, or one so early that it may have landed before the stream was read or held anything, or
- the stream was not read up to the moment when the commits were asked for.

Of equal records as many are lost as there are too few landings, and no record is called lost while one that cannot be
judged could be the one that is missing.

Order is told only where it is known which landing is whose: where a record has no equal, or all its equals are of its own
partition and key and landed exactly as often as they stand in Kafka; and where its landings lie in one shard, or in shards
that came out of each other, so that it is known which was first. Two landings are compared within one shard, and from a
shard to those that came out of it by splits and merges; elsewhere a stream has no order.

A landing that no record of the window explains is *foreign*; it is *outside* where it arrived before the window, or so close
to its end that a record from beyond would explain it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from doka.domain.audit.identity import Match
from doka.domain.records import TopicPartition


class Fate(Enum):
    """What became of a record; REPEATED and OVERTAKEN come beside IN_STREAM, the others alone."""

    IN_STREAM = "in_stream"
    REPEATED = "repeated"
    OVERTAKEN = "overtaken"
    LOST = "lost"
    NOT_YET = "not_yet"
    DEAD_LETTER = "dead_letter"
    SKIPPED = "skipped"
    FILTERED = "filtered"
    POISON = "poison"
    NOT_JUDGED = "not_judged"


CLOCKS_APART_MS = 60_000
"""How far a producer's clock and that of Kinesis may be apart, unless somebody says otherwise."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is compared with what, and what is taken for granted; times in ms since the epoch."""

    route: str
    stream: str
    """Its ARN; its name where nobody knows the ARN."""
    group: str
    """Whose committed offsets say what should have landed."""
    match: Match
    mapping: str
    """The rules by which records were mapped, in words that are the same for the same rules."""
    since_ms: int
    until_ms: int
    """Of Kafka's window, by Kafka's timestamps; the end is not part of it."""
    clocks_apart_ms: int = CLOCKS_APART_MS
    record_bytes_max: int = 0
    """What the stream took as one record when the window began, in bytes; 0: that was not noted. It may change between two."""


@dataclass(frozen=True, slots=True)
class PlannedPartition:
    """What of one partition belongs to the window, and how far its group is."""

    partition: TopicPartition
    first: int
    end: int
    """One above the last offset of the window."""
    committed: int | None
    """None where the group has committed nothing of it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is read of both sides; found out once, before anything is read. Times in ms since the epoch, by Kinesis' clock."""

    partitions: tuple[PlannedPartition, ...]
    committed_at_ms: int
    """When the commits were asked for, at the latest."""
    stream_from_ms: int
    """From when on the stream is read, and holds all that arrived."""
    stream_until_ms: int
    looked_at_ms: int
    """When the shards were listed; what is split or merged later has children that are not known yet."""
    parents: Mapping[str, tuple[str, ...]]
    """Each shard that was listed, with the shards that it came out of as far as these were listed too."""


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """Offsets of one partition, each of which is a record of Kafka: from `first` to `last`."""

    partition: TopicPartition
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class TimeBucket:
    """How many records of a part of the window have which fate, by Kafka's timestamps.

    What lies outside the window counts in the first or the last bucket.
    """

    start_ms: int
    in_kafka: int
    in_stream: int
    lost: int
    repeated: int
    overtaken: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """What can be said of a window."""

    records: int
    """Of Kafka that were read."""
    landings: int
    """Of the stream that were read, aggregates taken apart."""
    counts: Mapping[Fate, int]
    """How many records have each fate; REPEATED and OVERTAKEN are among IN_STREAM."""
    repeats: int
    """Landings above one for each record."""
    order_unknown: int
    """Records that were found and have a key, and of which nobody can know whether they were overtaken."""
    poison_codes: Mapping[str, int]
    foreign: int
    outside: int
    judged_from_ms: int
    judged_until_ms: int
    """Records from one time to below the other could be judged; none where these are the same."""
    kafka_read: bool
    """Whether all of Kafka's window was read; else there are records of which nothing is said here."""
    longest_wait_ms: int | None
    """The longest time between a record's timestamp and its first landing; None where nothing was found."""
    buckets: tuple[TimeBucket, ...]
    bucket_ms: int

    @property
    def whole(self) -> bool:
        """Whether every record of the window was read and could be judged."""
        return self.kafka_read and not self.counts[Fate.NOT_JUDGED]
