"""What is worth telling: the domain never logs, it hands facts to the loop, and the loop tells telemetry.

A fact is one outcome (of a put, a lease, a commit, a route), never one record.
Facts name topics, partitions, offsets, codes and counts; they have no room for a key, a payload or a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from doka.domain.records import TopicPartition
from doka.domain.skip import Skip


@dataclass(frozen=True, slots=True)
class RecordsSettled:
    """A put landed records of a route; `took` is from sending to the answer, in ns."""

    route: str
    records: int
    payload_bytes: int
    took: int
    by_timestamp: Mapping[int, int] = field(default_factory=dict)
    """How many of them are of chunks that begin with this Kafka timestamp (ms since the epoch; -1: not known).
    What is of partitions that are not owned any more is not among them."""


@dataclass(frozen=True, slots=True)
class RecordsFailed:
    """A put left records un-settled; all of them will be sent again. `code` is the service's or ours."""

    route: str
    code: str
    records: int
    ambiguous: bool
    """True: they may have landed all the same, so the next send can make duplicates."""


@dataclass(frozen=True, slots=True)
class OrderBroken:
    """Records came into the stream behind a later one of their key, or may have; see `order_breaks.py`.

    `cause` is refused, reordered, or unknown: nobody can tell whether it has happened.
    """

    route: str
    cause: str
    records: int


@dataclass(frozen=True, slots=True)
class RecordsPoisoned:
    """A record that can never land was met; `policy` says what becomes of it."""

    route: str
    partition: TopicPartition
    offset: int
    code: str
    policy: str


@dataclass(frozen=True, slots=True)
class RecordsTransformed:
    """A route's transform was given records; `took` is how long it took in all, in ns, for which the loop stood still."""

    route: str
    records: int
    took: int


@dataclass(frozen=True, slots=True)
class TransformRaised:
    """A route's transform raised for one record, which so can never land; `kind` is the class of the exception."""

    route: str
    partition: TopicPartition
    offset: int
    kind: str


@dataclass(frozen=True, slots=True)
class SchemaLearned:
    """The registry of a route was asked for a schema; `why` says why nothing reads by it, where that is so."""

    route: str
    schema: str
    outcome: str
    """usable, unusable or unknown."""
    why: str = ""


@dataclass(frozen=True, slots=True)
class RecordFreed:
    """A record that was told to be too large, and waited, is sent: its stream takes it by now."""

    route: str
    partition: TopicPartition
    offset: int


@dataclass(frozen=True, slots=True)
class LetterStored:
    """The dead-letter topic acknowledged a record: it is settled."""

    route: str
    partition: TopicPartition
    offset: int
    code: str


@dataclass(frozen=True, slots=True)
class LetterFailed:
    """A dead letter was not stored; it goes again after `retry_in` ns, and its record waits."""

    route: str
    partition: TopicPartition
    offset: int
    code: str
    retry_in: int


@dataclass(frozen=True, slots=True)
class RouteBlocked:
    """A route stopped sending; it is probed and goes on by itself once the cause is cured."""

    route: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class RouteOpened:
    """A route may send: at the start, or again after it was blocked for `after` ns."""

    route: str
    after: int


@dataclass(frozen=True, slots=True)
class IntakeClosed:
    """A route takes in nothing more, since its schema registry gives no schemas; what was taken in is sent, as ever.

    The registry is asked again and again, and the route goes on by itself.
    """

    route: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class IntakeOpened:
    """A route takes records in again, after `after` ns."""

    route: str
    after: int


@dataclass(frozen=True, slots=True)
class StreamFactsAssumed:
    """The stream could not be described though puts may work: the default record limit is assumed."""

    route: str
    code: str


@dataclass(frozen=True, slots=True)
class StreamChanged:
    """Somebody has changed a stream that was known; `what` is record_limit, distribution, encryption or shards.

    `before` and `after` are bytes; a distribution, as `domain/status.py` has it; a KMS key (None: none); or how many shards
    are open (None: not told).
    """

    route: str
    what: str
    before: int | str | None
    after: int | str | None


@dataclass(frozen=True, slots=True)
class StreamLookFailed:
    """A stream that is known could not be described again: what is known of it stands. Told once for each code in a row."""

    route: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class LanesBelowShards:
    """A stream has more open shards than its route has lanes of aggregates: some shards get nothing."""

    route: str
    lanes: int
    shards: int


@dataclass(frozen=True, slots=True)
class LeaseRenewed:
    """A lease was issued; `life` in ns, None for credentials that do not end."""

    role: str
    serial: int
    life: int | None
    took: int = 0
    """From the request for it to its coming, in ns."""


@dataclass(frozen=True, slots=True)
class LeaseRenewalFailed:
    """A role gave no lease; the next try comes after `retry_in` ns, `left` ns remain of the old one (None: none).

    `cure` is what helps, in words for the operator; empty where nobody has said.
    """

    role: str
    code: str
    message: str
    retry_in: int
    left: int | None
    cure: str = ""
    took: int = 0
    """From the request to the refusal, in ns."""


@dataclass(frozen=True, slots=True)
class LeaseRejected:
    """The service refused a lease before its end; what it signed is sent again under the next one."""

    role: str
    serial: int
    code: str
    age: int
    """How long the lease had lived, in ns."""


@dataclass(frozen=True, slots=True)
class OffsetsCommitted:
    """Kafka stored offsets for this many partitions."""

    partitions: int


@dataclass(frozen=True, slots=True)
class CommitFailed:
    """Kafka did not store offsets, or nobody knows whether it did; they go with the next commit."""

    error: str


@dataclass(frozen=True, slots=True)
class PartitionsOwned:
    """The set of owned partitions changed; `change` is assigned, revoked or lost."""

    change: str
    partitions: frozenset[TopicPartition]
    positions: Mapping[TopicPartition, int]
    """The offsets from which assigned partitions are read, or to which revoked ones were committed."""
    took: int = 0
    """How long revoked ones drained, in ns."""


@dataclass(frozen=True, slots=True)
class TopicsChanged:
    """The patterns of a route have brought topics, or topics of theirs are gone; `count` are read now."""

    route: str
    gained: frozenset[str]
    gone: frozenset[str]
    count: int


@dataclass(frozen=True, slots=True)
class TopicsLeft:
    """Topics are not read though patterns match them, or no topic matches a route's: `why` is a sentence."""

    topics: frozenset[str]
    why: str


@dataclass(frozen=True, slots=True)
class GroupLost:
    """For `after` ns the consumer group has given no assignment, or could not be reached; `why` are the client's own words."""

    after: int
    why: str


@dataclass(frozen=True, slots=True)
class GroupBack:
    """The consumer group that was told as lost is there again, `after` ns after it went."""

    after: int


@dataclass(frozen=True, slots=True)
class StopBegan:
    """Somebody asked this process to end: it settles and commits what was sent, for at most `within` ns."""

    reason: str
    within: int


@dataclass(frozen=True, slots=True)
class StopWaits:
    """A stop goes on: what it still waits for. Told each few seconds until nothing is left."""

    requests: int
    """In flight."""
    records: int
    """Sent and not settled."""
    partitions: int
    """Of which Kafka is not known to hold the last offset."""


@dataclass(frozen=True, slots=True)
class RecordsWillRepeat:
    """A drain ended with holes: of a route this many records have landed above the committed offset and will land again."""

    partition: TopicPartition
    records: int
    route: str


@dataclass(frozen=True, slots=True)
class GapSeen:
    """Records between two offsets left the log before they were read; `policy` says what follows.

    Where `log_start` is below `expected` the log is another one of the same name, or was cut.
    """

    partition: TopicPartition
    expected: int
    log_start: int
    policy: str
    forgotten: int = 0
    """How many records of the former log were held and had not settled; they are not sent again."""
    anew: bool = False
    """By its id it is another topic of the same name."""


@dataclass(frozen=True, slots=True)
class UnreadableSeen:
    """What stands in a log from offset `first` to below `far` cannot be read; `policy` says what follows."""

    partition: TopicPartition
    first: int
    far: int
    why: str
    policy: str


@dataclass(frozen=True, slots=True)
class RecordsSkipped:
    """What stands from offset `first` to below `far` is passed, as a person has ordered; told each time that it is read."""

    partition: TopicPartition
    first: int
    far: int
    records: int
    """How many they are; of what cannot be read, how many offsets."""
    skip: Skip


@dataclass(frozen=True, slots=True)
class PartitionStuck:
    """A route reached `ahead_records` of a partition above what Kafka holds; it waits (`stuck`) or goes on.

    `uncommitted`: everything has settled, and Kafka does not take its offsets. `waits_for`: it is as
    far above that as it may be, and this other route of the partition is behind. Else a record does not settle.
    """

    partition: TopicPartition
    watermark: int
    stuck: bool
    uncommitted: bool = False
    route: str = ""
    waits_for: str | None = None


Fact = (
    RecordsSettled
    | RecordsFailed
    | OrderBroken
    | RecordsPoisoned
    | RecordsTransformed
    | TransformRaised
    | SchemaLearned
    | RecordFreed
    | LetterStored
    | LetterFailed
    | RouteBlocked
    | RouteOpened
    | IntakeClosed
    | IntakeOpened
    | StreamFactsAssumed
    | StreamChanged
    | StreamLookFailed
    | LanesBelowShards
    | LeaseRenewed
    | LeaseRenewalFailed
    | LeaseRejected
    | OffsetsCommitted
    | CommitFailed
    | PartitionsOwned
    | TopicsChanged
    | TopicsLeft
    | GroupLost
    | GroupBack
    | RecordsWillRepeat
    | StopBegan
    | StopWaits
    | GapSeen
    | UnreadableSeen
    | RecordsSkipped
    | PartitionStuck
)
