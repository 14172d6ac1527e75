"""What has happened: every way by which the outside reaches the forwarder.

Events are past participles, frozen, and complete at birth.
An adapter that does not know what became of a request says so (`PutAmbiguous`); it never guesses «failed».
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from doka.domain.lease import Lease
from doka.domain.records import Chunk, TopicPartition
from doka.domain.schemas import Found
from doka.domain.skip import Skip
from doka.domain.status import GroupStatus

# --- from the source (Kafka) -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RecordsFetched:
    """The source delivered a run of records of one owned partition, in offset order."""

    chunk: Chunk


@dataclass(frozen=True, slots=True)
class PartitionEnded:
    """The log was read up to `offset`: below it there is nothing that was not delivered."""

    partition: TopicPartition
    offset: int


@dataclass(frozen=True, slots=True)
class PartitionsAssigned:
    """The group gave partitions to this member; each will be read from the offset beside it."""

    positions: Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class RevokeStarted:
    """The group wants these partitions back: settle what was sent, send nothing new."""

    partitions: frozenset[TopicPartition]


@dataclass(frozen=True, slots=True)
class PartitionsRevoked:
    """The drain of these partitions ended: their last commit goes out and they are forgotten."""

    partitions: frozenset[TopicPartition]


@dataclass(frozen=True, slots=True)
class PartitionsLost:
    """These partitions already belong to somebody else: they are forgotten and nothing is committed."""

    partitions: frozenset[TopicPartition]


@dataclass(frozen=True, slots=True)
class GapFound:
    """The next offset of a partition is no longer in the log (retention, a recreated topic).

    `expected` is what should have been read next, `log_start` and `log_end` what the log holds now. `anew`: the topic is
    another one of the same name, by its id, whether the offset fits or not.
    """

    partition: TopicPartition
    expected: int
    log_start: int
    log_end: int
    anew: bool = False


@dataclass(frozen=True, slots=True)
class RecordsUnreadable:
    """What stands in the log from offset `first` to below `far` cannot be read: damaged, or larger than can be unpacked.

    All below `first` was delivered. `why` is the client's sentence.
    """

    partition: TopicPartition
    first: int
    far: int
    why: str


@dataclass(frozen=True, slots=True)
class SkipsOrdered:
    """Somebody has ordered these offsets of a partition to be passed: all orders that stand, told again and again."""

    partition: TopicPartition
    skips: tuple[Skip, ...]


@dataclass(frozen=True, slots=True)
class CommitAnswered:
    """Kafka answered a commit; `error` is None when every offset of it was stored."""

    commit: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class TopicsMissing:
    """The subscribed topics that the cluster does not know at the moment, and those that this process may not read.

    Both empty: all are there.
    """

    topics: frozenset[str]
    refused: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TopicsMatched:
    """What the routes' patterns have brought, as the cluster's topics stand now.

    `taken` has for each route with patterns the topics that are read because of them; `left` those that match and are not
    read, each with the reason as a sentence.
    """

    taken: Mapping[str, frozenset[str]]
    left: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceFailed:
    """The consumer cannot go on by itself; `reason` is a sentence for a person."""

    reason: str


# --- from the sink (Kinesis) -------------------------------------------------------------------------------------


class Landings(NamedTuple):
    """Where the entries of a put came to lie, each in its shard at its sequence number (digits); "" for a refused one."""

    shards: Sequence[str]
    numbers: Sequence[str]


@dataclass(frozen=True, slots=True)
class PutAnswered:
    """PutRecords answered 200 with one result for each entry.

    `failed` maps the index of each refused entry to its error code; the others have a sequence number.
    """

    put: int
    failed: Mapping[int, str] = field(default_factory=dict)
    landings: Landings | None = None
    """Told where the command `wants_landings`."""


@dataclass(frozen=True, slots=True)
class PutRefused:
    """PutRecords was refused as a whole with an error code of the service: no entry of it landed."""

    put: int
    code: str
    message: str = ""
    """The service's words, for logs; they never hold a payload."""


@dataclass(frozen=True, slots=True)
class PutAmbiguous:
    """A put was sent, or may have been, and nobody knows what became of it: some entries may have landed."""

    put: int
    reason: str


@dataclass(frozen=True, slots=True)
class PutUnsent:
    """A put never left this process (no connection, no name, no TLS session): nothing of it landed."""

    put: int
    reason: str


# --- from the dead letters (Kafka) -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LetterAcknowledged:
    """The broker stored a dead letter on all replicas that are in sync: its record may settle."""

    letter: int


@dataclass(frozen=True, slots=True)
class LetterRefused:
    """A dead letter was not stored, or nobody knows; `code` is Kafka's name of the error. It will be sent again."""

    letter: int
    code: str


class ShardRange(NamedTuple):
    """One open shard and the first hash key of its range; it reaches to the next shard's first."""

    shard: str
    first_hash_key: int


# --- from the background -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LeaseIssued:
    """STS, or the ambient chain, issued a lease for its role."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class LeaseRefused:
    """No lease could be had for a role this time; `code` is the service's, or a name of ours for what failed."""

    role: str
    code: str
    message: str = ""
    skew_seconds: float | None = None
    """How far the host's wall clock is ahead of the service's, where its refusal let that be measured."""
    cure: str = ""
    """What helps, in words for the operator; empty where nobody has said."""


@dataclass(frozen=True, slots=True)
class StreamDescribed:
    """The stream of a route exists; these are the facts that decide what may be sent to it.

    `record_bytes_max` is the stream's own limit for data plus key, in bytes.
    `honours_keys` is False in the AUTO record distribution strategy, which ignores partition keys.
    """

    route: str
    arn: str | None
    status: str
    record_bytes_max: int
    honours_keys: bool
    open_shards: int | None = None
    shards: tuple[ShardRange, ...] = ()
    """The open shards, for pacing; empty where they could not be listed."""
    kms_key: str | None = None
    """Its KMS key as the stream names it (ARN, id or alias); None: none, or none was told."""


@dataclass(frozen=True, slots=True)
class StreamRefused:
    """The stream of a route could not be described; `code` is the service's, or ours when it did not answer."""

    route: str
    code: str
    message: str = ""
    lease: int | None = None
    """Serial of the lease that signed the question."""


@dataclass(frozen=True, slots=True)
class SchemasFetched:
    """The registry of a route has answered for some of the schemas that it was asked for, in the order of the question."""

    route: str
    found: Mapping[str, Found]
    """What reads by a schema, or why nothing can; None: there is none of this id."""


@dataclass(frozen=True, slots=True)
class RegistryRefused:
    """The registry of a route gave no answer that can be used; `code` is ours. Neither holds anything secret."""

    route: str
    code: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class GroupSeen:
    """Somebody has looked at how this process stands with its consumer group; about once a second."""

    group: GroupStatus


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Somebody asked this process to end (SIGTERM, SIGINT)."""

    reason: str


Event = (
    RecordsFetched
    | PartitionEnded
    | PartitionsAssigned
    | RevokeStarted
    | PartitionsRevoked
    | PartitionsLost
    | GapFound
    | RecordsUnreadable
    | SkipsOrdered
    | CommitAnswered
    | TopicsMissing
    | TopicsMatched
    | SourceFailed
    | PutAnswered
    | PutRefused
    | PutAmbiguous
    | PutUnsent
    | LetterAcknowledged
    | LetterRefused
    | LeaseIssued
    | LeaseRefused
    | StreamDescribed
    | StreamRefused
    | SchemasFetched
    | RegistryRefused
    | GroupSeen
    | StopRequested
)
