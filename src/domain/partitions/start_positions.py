"""Where a partition is read from when the group gives it to this member.

Every position is explicit and is committed at once, so that a second start goes on at the same place.
The client's own reset rules are never used: they jump in silence.

    committed?  the group and the topic                                         position
    yes         -                                                               the committed offset
    no          the group has no commit on the topic                            start_from
    no          it has, and the partition existed when the group was born there the group's birth on the topic
    no          it has, and the partition is newer                              the beginning of the log

A topic on which the group has no commit may be newer than the group's first look. One that was not there when this process
first looked is, and so is one that a pattern brought to a group which had begun with the pattern's other topics before:

    the topic appeared while this process ran                                   the beginning of the log
    a pattern brought it, the group has commits on others of the pattern, and
      had some when this process first looked                                   the beginning of the log
      had none then: it was born since, as members do that start together       the group's birth there

Clocks decide none of this: that of a host may be wrong by more than a topic is old.

The last two lines of the first table guard two ends: members that start together must not take each other's first commits for a history
(with `latest` one of them would read the whole topic), and a partition that was added later must not lose what was
written before somebody owned it.
So the birth (a time, and how many partitions there were) travels in the metadata of every commit, and with it the id of
the topic that was read: an offset says nothing of another topic of the same name. An id is compared, never taken apart,
so any letter of either alphabet of Base64 (RFC 4648, sections 4 and 5) may stand in it.
A group that began at `earliest` needs no birth: the beginning of the log is right for both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from doka.domain.events import GapFound
from doka.domain.records import TopicPartition

_METADATA: Final = re.compile(
    r"doka(?::born=(\d{1,18}):partitions=(\d{1,9}))?(?::topic=([\w+/=-]{1,64}))?(?::left=([\w-]*))?", re.ASCII
)


class LogEdge(Enum):
    """An end of a partition's log, as a place to start from."""

    EARLIEST = "earliest"
    LATEST = "latest"


StartFrom = LogEdge | int
"""A place to start from; a number is a time in ms since the epoch: the first record at or after it, else the end."""


@dataclass(frozen=True, slots=True)
class Birth:
    """When (ms since the epoch) a group first read a topic, and how many partitions the topic had then."""

    at_ms: int
    partitions: int

    def __str__(self) -> str:
        return f"doka:born={self.at_ms}:partitions={self.partitions}"

    @classmethod
    def parse(cls, metadata: str | None) -> Birth | None:
        """Read a commit's metadata; None where it holds no birth (another tool's commit, an older one)."""
        found = _METADATA.fullmatch(metadata or "")
        return None if found is None or found[1] is None else cls(int(found[1]), int(found[2]))


def metadata_of(birth: Birth | None, topic_id: str | None, note: str | None = None) -> str | None:
    """Give the metadata of a commit; None where there is nothing to say."""
    told = "doka" if birth is None else str(birth)
    told += "" if topic_id is None else f":topic={topic_id}"
    told += f":left={note}" if note else ""
    return None if told == "doka" else told


def topic_id_in(metadata: str | None) -> str | None:
    """Read the id of the topic that a commit was made on; None where the metadata holds none."""
    found = _METADATA.fullmatch(metadata or "")
    return None if found is None else found[3]


def note_in(metadata: str | None) -> str | None:
    """Read the note beside a commit; None where the metadata holds none."""
    found = _METADATA.fullmatch(metadata or "")
    return None if found is None else found[4]


@dataclass(frozen=True, slots=True)
class Committed:
    """What the group has stored for one partition."""

    offset: int
    birth: Birth | None = None
    topic_id: str | None = None
    note: str | None = None
    """Which letters were left out above the offset (`domain.letters.resent`)."""


def birth_of(start_from: StartFrom, wall_ms: int, partitions: int) -> Birth | None:
    """Give the birth that a group leaves on a topic that it reads for the first time; None where none is needed."""
    if start_from is LogEdge.EARLIEST:
        return None
    return Birth(start_from if isinstance(start_from, int) else wall_ms, partitions)


@dataclass(frozen=True, slots=True)
class Sight:
    """What this process has seen of a topic, beside what the group has stored."""

    newcomer: bool = False
    """Whether it was not there when this process first looked."""
    beside: frozenset[str] = frozenset()
    """The other topics that the same route's patterns have brought; none for a topic that is named."""
    unborn: bool = False
    """Whether the group had committed nothing on any of them when this process first looked, and saw them there."""


def start_of(
    partition: TopicPartition,
    group: Mapping[TopicPartition, Committed],
    start_from: StartFrom,
    sight: Sight = Sight(),
) -> StartFrom:
    """Decide where a partition without a committed offset begins.

    `group` holds every commit on its topic, and where there is none those on the topics beside it.
    """
    on_topic = [committed for other, committed in group.items() if other.topic == partition.topic]
    if not on_topic:
        return _start_of_topic(group, start_from, sight)
    born = first_birth(on_topic)
    if born is not None and partition.partition < born.partitions:
        return born.at_ms
    return LogEdge.EARLIEST


def _start_of_topic(group: Mapping[TopicPartition, Committed], start_from: StartFrom, sight: Sight) -> StartFrom:
    """Decide where a topic begins on which the group has no commit."""
    if sight.newcomer:
        return LogEdge.EARLIEST
    beside = [committed for other, committed in group.items() if other.topic in sight.beside]
    if not beside:
        return start_from
    born = first_birth(beside)
    return LogEdge.EARLIEST if born is None or not sight.unborn else born.at_ms


def first_birth(commits: Iterable[Committed]) -> Birth | None:
    """Give the first birth that any of these commits tells; None where none does."""
    births = [committed.birth for committed in commits if committed.birth is not None]
    return min(births, key=lambda birth: birth.at_ms, default=None)


def topics_to_ask(wanted: Iterable[TopicPartition], known: Mapping[TopicPartition, Committed]) -> frozenset[str]:
    """Name the topics whose other partitions' commits must be read before `start_of` can decide."""
    return frozenset(partition.topic for partition in wanted if partition not in known)


def gap_at(partition: TopicPartition, expected: int, log_start: int, log_end: int) -> GapFound | None:
    """Tell the gap between the next offset and what the log holds; None when the log still holds it.

    Below the start, records left the log before they were read. Above the end, it is not the log that was read before.
    """
    if log_start <= expected <= log_end:
        return None
    return GapFound(partition, expected=expected, log_start=log_start, log_end=log_end)
