"""Reads the dead-letter topic beside everybody: each letter with its route, and whether it has been resent already."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final

from doka.adapters.kafka.client_settings import connection_settings
from doka.adapters.kafka.group_commits import committed_by
from doka.adapters.kafka.letter_headers import letter_in
from doka.adapters.kafka.log_ranges import LogRange, LogRanges
from doka.adapters.kafka.not_told import NotToldError
from doka.adapters.kafka.range_source import RangeSource
from doka.adapters.kafka.settings import MemberSettings
from doka.adapters.kafka.topic_ids import topic_ids
from doka.app.container import Container
from doka.app.reading import read
from doka.domain.errors import UsageError
from doka.domain.events import Event, GapFound, RecordsFetched, RecordsUnreadable
from doka.domain.letters.letter import Choice, Letter, LetterRecord, records_of
from doka.domain.letters.resent import Resent
from doka.domain.limits import FETCH_RECORDS_MAX
from doka.domain.partitions.start_positions import LogEdge
from doka.domain.records import Chunk, TopicPartition
from doka.domain.rules import RouteRules
from doka.domain.skip import offsets_shown

AT_ONCE: Final = min(500, FETCH_RECORDS_MAX)  # letters, which may be large


@dataclass(frozen=True, slots=True)
class FoundLetter:
    """One letter where it stands."""

    partition: TopicPartition
    offset: int
    route: str | None
    """Its route by today's configuration; None where none reads its record's topic, or several do and it names none of them."""
    done: bool
    """Whether it has been resent, or passed, already."""
    key: bytes | None
    size: int
    """Bytes of the record's key and value."""
    letter: Letter
    record: LetterRecord = field(repr=False)
    """As it came from its own topic."""
    chunk: Chunk = field(repr=False)
    """The record alone."""


@dataclass(slots=True)
class Letters:
    """The topic of letters as it stands, and what was met in it beside letters."""

    topic: str
    member: MemberSettings
    """Who resends: a member of a group of its own, that reads the topic whole."""
    ranges: Sequence[LogRange]
    resent: Mapping[TopicPartition, Resent]
    """How far each partition has been resent; nothing of those that nobody has resent."""
    foreign: int = 0
    """Records that are no letters."""
    unreadable: list[tuple[TopicPartition, int, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What stood in the way, a sentence each."""

    def is_done(self, partition: TopicPartition, offset: int) -> bool:
        """Say whether a letter was resent, or passed, already."""
        return partition in self.resent and self.resent[partition].is_done(offset)


def letters_group(group_id: str) -> str:
    """Name the group whose commits say how far the letters of another group's service have been resent."""
    return f"{group_id}-letters"


def topic_of(container: Container) -> str:
    """Give the topic of letters; raises UsageError where there is none."""
    topic: str | None = container.settings().dead_letters.topic
    if topic is None:
        raise UsageError("dead_letters.topic is not set: this service writes no letters")
    return topic


def who_resends(member: MemberSettings, topic: str) -> MemberSettings:
    """Give the member that resends: of a group of its own, from the first letter on, and never as a static one."""
    topics = frozenset((topic,))
    return replace(
        member,
        topics=topics,
        routes=(),
        topics_with_originals=topics,
        group_id=letters_group(member.group_id),
        group_instance_id=None,  # two resends of one host must be two members
        start_from=LogEdge.EARLIEST,
    )


def look_at(container: Container, places: Collection[tuple[TopicPartition, int, int]] = ()) -> Letters:
    """Find out what there is to read, all of it or these places, and how far it has been resent.

    Raises:
        NotToldError: Kafka does not say, or the topic does not exist.
        UsageError: there is no topic of letters.
    """
    topic = topic_of(container)
    member, clock, oauth = who_resends(container.member(), topic), container.clock(), container.oauth()
    ranges = LogRanges(member, clock, oauth)
    found = ranges.of_offsets(sorted(places)) if places else ranges.whole((topic,))
    commits = committed_by(member.group_id, [each.partition for each in found], member, clock, oauth)
    if any(each.topic_id for each in commits.values()):
        topic_id = topic_ids(connection_settings(member, oauth), clock, (topic,)).get(topic)
        if any(None not in (each.topic_id, topic_id) and each.topic_id != topic_id for each in commits.values()):
            raise NotToldError(
                f"topic {topic} was made anew since letters were resent the last time, so the commits of group "
                f"{member.group_id} mean other letters: delete that group"
            )
    resent = {partition: Resent.parse(each.offset, each.note) for partition, each in commits.items()}
    return Letters(topic, member, found, resent)


def read_letters(
    container: Container, letters: Letters, choice: Choice, take: Callable[[FoundLetter, bool], None]
) -> None:
    """Give each letter, and whether it is chosen; what is met beside letters is noted in `letters`.

    Raises NotToldError: nothing comes any more.
    """
    routes_for = cache(container.rules().routes_for)

    def heard(event: Event) -> None:
        match event:
            case RecordsFetched(chunk):
                for found in _found(chunk, letters, routes_for):
                    letter = found.letter
                    take(found, choice.takes(letter, found.key, found.partition, found.offset))
            case RecordsUnreadable(partition, first, far, why):
                letters.unreadable.append((partition, first, far))
                letters.notes.append(f"{partition} at {offsets_shown(first, far)} cannot be read: {why}")
            case GapFound(partition, expected, log_start):
                letters.notes.append(f"{partition} from {expected} to {log_start - 1} has just left the log")
            case _:
                pass  # ends, which the source counts itself

    clock = container.clock()
    source = RangeSource(letters.member, letters.ranges, clock, container.oauth())
    read(source, clock, heard, enough=lambda: False, limit=AT_ONCE)


def _found(chunk: Chunk, letters: Letters, routes_for: Callable[[str], Sequence[RouteRules]]) -> Iterator[FoundLetter]:
    for place, original in enumerate(chunk.originals):
        record = letter_in(original)
        if record is None:
            letters.foreign += 1
            continue
        alone = records_of(chunk, [(place, record)])
        offset, letter = chunk.offsets[place], record.letter
        yield FoundLetter(
            chunk.partition,
            offset,
            route=letter.route_among([rules.name for rules in routes_for(letter.source.topic)]),
            done=letters.is_done(chunk.partition, offset),
            key=chunk.keys[place],
            size=alone.payload_bytes,
            letter=letter,
            record=record,
            chunk=alone,
        )
