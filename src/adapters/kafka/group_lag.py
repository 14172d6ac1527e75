"""How far a group is behind, asked by no member of it: so it can be told while the whole service is down.

Theory of operation. Committed offsets come from the group's coordinator, the beginnings and ends of the logs from their
leaders, each asked by itself, so that one that is away hides nothing of the others; and for how long the oldest record has
waited is read from the record itself: the first one that can be read at or above the committed offset. Its time is its
producer's unless the topic says otherwise, and where it cannot be known that is said, and why.

Offsets are counted, and some of them may have no record (compaction, transactions): the lag is what a group is behind at
most. It joins no group, commits nothing, and gives nothing of what a record holds but its time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.kafka.client import ClientLog, answer_of, new_admin_client
from doka.adapters.kafka.client_errors import UNREADABLE
from doka.adapters.kafka.client_settings import Oauth, connection_settings
from doka.adapters.kafka.columns import AnyMessage
from doka.adapters.kafka.far_side import ONE_READ
from doka.adapters.kafka.group_commits import committed_by
from doka.adapters.kafka.inquirer import beside
from doka.adapters.kafka.log_ranges import edges
from doka.adapters.kafka.not_told import in_words
from doka.adapters.kafka.settings import MemberSettings
from doka.adapters.kafka.topic_ids import topic_ids
from doka.domain.limits import NS_PER_SECOND
from doka.domain.partitions.start_positions import Committed
from doka.domain.ports import Clock
from doka.domain.records import TopicPartition

ANSWER_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 0.1  # signals wait for it
FIRST_RECORDS: Final[Mapping[str, Any]] = {
    **ONE_READ,
    "queued.min.messages": 1,
    "max.partition.fetch.bytes": 64 * 1024,  # of each only the first record counts; a larger one comes all the same
}

NO_RECORD: Final = "no record stands there: it was aborted, or compacted away"

_NOT_THERE: Final = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})  # noqa: SLF001 - public codes


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """How far a group is behind in one partition; None is what nobody told."""

    partition: TopicPartition
    committed: int | None = None
    """None: the group has committed nothing of it."""
    start: int | None = None
    """Where the log begins."""
    end: int | None = None
    """Where the log ends, above transactions that are open."""
    waits_since_ms: int | None = None
    """The time in the oldest record that waits, in ms since the epoch; None where nothing waits, or it is not known."""
    why_no_time: str | None = None
    """Why it is not known though something waits, as a clause."""
    trouble: str | None = None
    """Why the group cannot go on here as if nothing were wrong, or why nothing is known, as a clause."""
    another_log: bool = False
    """Whether the commit is of another log than the one that is there: its offset says nothing of this one."""
    owner: str | None = None
    """The member that reads it, as client@host."""

    @property
    def gone(self) -> int:
        """How many offsets above the committed one are no longer in the log."""
        return 0 if self.committed is None or self.start is None else max(0, self.start - self.committed)

    @property
    def lag(self) -> int | None:
        """How many records wait in the log, at most; None where that is not known."""
        if self.committed is None or self.start is None or self.end is None or self.another_log:
            return None
        return self.end - max(self.committed, self.start)


@dataclass(frozen=True, slots=True)
class GroupLag:
    """One look at a group and the logs of its topics."""

    group: str
    at_ms: int
    """When it was looked, in ms since the epoch."""
    partitions: tuple[PartitionLag, ...]
    members: int | None
    """How many members it has; None where that may not be seen."""
    why_no_members: str | None = None
    missing_topics: tuple[str, ...] = ()

    @property
    def committed_anything(self) -> bool:
        """Whether the group has committed an offset of any of these partitions."""
        return any(each.committed is not None for each in self.partitions)


class LagReading:
    """Looks at one group at a time; each question waits ten seconds for its answer at most."""

    def __init__(self, settings: MemberSettings, clock: Clock, oauth: Oauth | None = None) -> None:
        """Take who is asked; nothing is opened yet."""
        self._settings = settings
        self._clock = clock
        self._oauth = oauth
        self._connection = connection_settings(settings, oauth)

    def look(self, group: str, topics: Iterable[str]) -> GroupLag:
        """Say how far a group is behind in these topics.

        Raises:
            NotToldError: nobody says which partitions there are, or what the group has committed.
        """
        with in_words(f"group {group}"):
            leaders, missing = self._leaders(topics)
            partitions = [partition for led in leaders.values() for partition in led]
            committed = committed_by(group, partitions, self._settings, self._clock, self._oauth)
            logs = self._logs(leaders)
            ids = topic_ids(self._connection, self._clock, tuple(sorted({p.topic for p in committed})))
            found = {p: _standing(p, committed.get(p), logs[p], ids.get(p.topic)) for p in partitions}
            found |= self._with_times(found, {p: log.readable for p, log in logs.items() if log.readable is not None})
            owners, members, why = self._owners(group)
        told = tuple(replace(found[partition], owner=owners.get(partition)) for partition in sorted(found))
        return GroupLag(group, int(self._clock.wall() * 1000), told, members, why, missing)

    def _leaders(self, topics: Iterable[str]) -> tuple[dict[int, list[TopicPartition]], tuple[str, ...]]:
        """Give all partitions by who leads them, and the topics that are not there."""
        leaders: defaultdict[int, list[TopicPartition]] = defaultdict(list)
        missing: list[str] = []
        with beside(self._connection, self._clock) as client:
            for topic in sorted(topics):
                told = client.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic]
                if told.error is not None and told.error.code() in _NOT_THERE:
                    missing.append(topic)
                elif told.error is not None:
                    raise KafkaException(told.error)
                for number, partition in told.partitions.items():
                    leaders[partition.leader].append(TopicPartition(topic, number))
        return leaders, tuple(missing)

    def _logs(self, leaders: Mapping[int, list[TopicPartition]]) -> dict[TopicPartition, _Log]:
        """Ask each leader for the logs that it leads."""
        reader = {**self._connection, "isolation.level": "read_committed"}
        writer = {**self._connection, "isolation.level": "read_uncommitted"}
        found: dict[TopicPartition, _Log] = {}
        with beside(reader, self._clock) as readers, beside(writer, self._clock) as writers:
            for leader, partitions in leaders.items():
                try:
                    starts, readable = edges(readers, partitions)
                    _, ends = edges(writers, partitions)
                except KafkaException as error:
                    who = f"broker {leader}" if leader >= 0 else "nobody leads it:"
                    found |= dict.fromkeys(partitions, _Log(why=f"{who} did not answer: {error.args[0].str()}"))
                    continue
                found |= {p: _Log(starts.get(p), readable.get(p), ends.get(p)) for p in partitions}
        return found

    def _owners(self, group: str) -> tuple[dict[TopicPartition, str], int | None, str | None]:
        """Say who reads what, how many members there are, or why that is not told."""
        client = new_admin_client({**self._connection, "logger": ClientLog(self._clock, quiet=True)})
        (asked,) = client.describe_consumer_groups([group], request_timeout=ANSWER_SECONDS).values()
        try:
            told = answer_of(asked, 2 * ANSWER_SECONDS)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return {}, 0, None
            return {}, None, error.args[0].str()
        owners = {
            TopicPartition(owned.topic, owned.partition): f"{member.client_id}@{member.host.lstrip('/')}"
            for member in told.members
            for owned in member.assignment.topic_partitions
        }
        return owners, len(told.members), None

    # --- times -------------------------------------------------------------------------------------------------------

    def _with_times(
        self, found: Mapping[TopicPartition, PartitionLag], readable: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, PartitionLag]:
        """Add since when the oldest record has waited, wherever something waits."""
        wanted: dict[TopicPartition, int] = {}
        told: dict[TopicPartition, int | str] = {}
        for partition, each in found.items():
            if not each.lag or each.committed is None or each.start is None:
                continue
            first = max(each.committed, each.start)
            if first < readable.get(partition, 0):
                wanted[partition] = first
            else:
                told[partition] = "what stands there waits for a transaction that is open"
        told |= first_times(self._connection, self._clock, wanted) if wanted else {}
        return {
            partition: replace(found[partition], waits_since_ms=time)
            if isinstance(time, int)
            else replace(found[partition], why_no_time=time)
            for partition, time in told.items()
        }


@dataclass(frozen=True, slots=True)
class _Log:
    """How a log stands: its beginning, the end for a reader of what was committed, and the end."""

    start: int | None = None
    readable: int | None = None
    end: int | None = None
    why: str | None = None


def _standing(partition: TopicPartition, committed: Committed | None, log: _Log, topic_id: str | None) -> PartitionLag:
    """Say how a group stands in one partition, before anything was read of it."""
    offset = None if committed is None else committed.offset
    found = PartitionLag(partition, offset, log.start, log.end, trouble=log.why)
    if committed is None or log.start is None or log.end is None:
        return found
    if None not in (topic_id, committed.topic_id) and topic_id != committed.topic_id:
        return replace(found, another_log=True, trouble="the commit was made on another topic of the same name")
    if committed.offset > log.end:
        why = f"the log ends at {log.end}, below the commit: it is not the log that was read"
        return replace(found, another_log=True, trouble=why)
    if found.gone:
        return replace(found, trouble=f"{found.gone:,} offsets are gone: the log begins at {log.start}")
    return found


def first_times(
    connection: Mapping[str, Any], clock: Clock, places: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int | str]:
    """Read the first record at or above each of these offsets; give its time in ms, or why there is none.

    Raises KafkaException: nobody answers.
    """
    found: dict[TopicPartition, int | str] = {}
    with beside({**connection, **FIRST_RECORDS}, clock) as client:
        client.assign([KafkaPartition(*partition, first) for partition, first in places.items()])
        deadline = clock.now() + int(ANSWER_SECONDS * NS_PER_SECOND)
        while len(found) < len(places) and clock.now() < deadline:
            told = {
                TopicPartition(message.topic() or "", message.partition() or 0): time
                for message in reversed(client.consume(len(places), LOOK_SECONDS))
                if (time := _time_in(message)) is not None
            }
            new = {partition: time for partition, time in told.items() if partition not in found}
            found |= new
            _let_go(client, new)
    late = f"its broker did not give the record within {ANSWER_SECONDS:g} s"
    return {partition: found.get(partition, late) for partition in places}


def _let_go(client: Consumer, partitions: Iterable[TopicPartition]) -> None:
    places = [KafkaPartition(*partition) for partition in partitions]
    if places:
        client.incremental_unassign(places)


def _time_in(message: AnyMessage) -> int | str | None:
    """Give the time in a record (ms), why there is none, or None where the client will try again, or means another thing."""
    error = message.error()
    if error is None:
        kind, time = message.timestamp()
        return time if kind else "the record has no time"
    if message.topic() is None:
        return None
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's public name of this code
        return NO_RECORD
    if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001
        return "the record has just left the log"
    if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        return "this login may not read the topic: grant READ on it"
    return f"what stands there cannot be read: {error.str()}" if error.code() in UNREADABLE else None
