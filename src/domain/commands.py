"""What shall be done: every way by which the forwarder reaches the outside.

Commands are imperatives and values: the forwarder never calls a port, the loop carries commands there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from doka.domain.facts import Fact
from doka.domain.lease import Lease
from doka.domain.records import Original, TopicPartition


@dataclass(frozen=True, slots=True, eq=False)
class SendPut:
    """Send one PutRecords request: entry i is `values[i]` under `keys[i]`.

    The request is signed now, with this lease, and given up after `timeout` (ns), which never reaches past its end.
    `hash_keys`, where given, is the explicit hash key of each entry (None: by the key).
    `wants_landings`: the answer shall tell where each entry came to lie, in `PutAnswered.landings`.
    """

    put: int
    route: str
    lease: Lease
    keys: Sequence[str]
    values: Sequence[bytes]
    timeout: int
    stream_arn: str | None = None
    hash_keys: Sequence[str | None] | None = None
    wants_landings: bool = False
    places: Sequence[Sequence[tuple[TopicPartition, int]]] | None = None
    """The records of each entry, by partition and offset; told where the route's rules ask for receipts."""

    def __repr__(self) -> str:
        return f"SendPut({self.put}, {self.route}, {len(self.keys)} entries, lease {self.lease.serial})"


@dataclass(frozen=True, slots=True)
class SendLetter:
    """Store a record that can never land in the dead-letter topic, whole, with the reason in headers.

    The answer is `LetterAcknowledged` or `LetterRefused`.
    """

    letter: int
    partition: TopicPartition
    offset: int
    original: Original = field(repr=False)
    """The record as Kafka gave it: key, value, headers and timestamp go on unchanged."""
    code: str
    """Why it can never land: the service's error code, or ours for what was found before sending."""
    attempts: int
    """How often it was sent to Kinesis."""
    route: str
    """By which: another route of its topic may have landed it."""


@dataclass(frozen=True, slots=True)
class CommitOffsets:
    """Write these offsets to the consumer group, without waiting; the answer is a `CommitAnswered`."""

    commit: int
    offsets: Mapping[TopicPartition, int]
    notes: Mapping[TopicPartition, str] = field(default_factory=dict)
    """What stands beside an offset, in the metadata of its commit; only who resends letters has something to say."""


@dataclass(frozen=True, slots=True)
class PausePartitions:
    """Stop delivering records of these partitions."""

    partitions: frozenset[TopicPartition]


@dataclass(frozen=True, slots=True)
class ResumePartitions:
    """Deliver records of these partitions again, from the next that was not delivered."""

    partitions: frozenset[TopicPartition]


@dataclass(frozen=True, slots=True)
class SeekPartition:
    """Go on reading a partition at this offset: the answer to a gap that the operator chose to step over."""

    partition: TopicPartition
    offset: int


@dataclass(frozen=True, slots=True)
class RequestLease:
    """Ask for a new lease of this role in the background; the answer is `LeaseIssued` or `LeaseRefused`."""

    role: str


@dataclass(frozen=True, slots=True)
class DescribeStream:
    """Ask for the facts of a route's stream in the background.

    The answer is `StreamDescribed` or `StreamRefused`.
    """

    route: str
    lease: Lease = field(repr=False)


@dataclass(frozen=True, slots=True)
class FetchSchemas:
    """Ask the registry of a route for these schemas in the background.

    The answer is `SchemasFetched` or `RegistryRefused`.
    """

    route: str
    schemas: tuple[str, ...]
    """Their ids, as frames have them."""


@dataclass(frozen=True, slots=True)
class Halt:
    """Stop loudly: an invariant is broken, or the consumer cannot go on. Nothing is committed after it."""

    reason: str


Command = (
    SendPut
    | SendLetter
    | CommitOffsets
    | PausePartitions
    | ResumePartitions
    | SeekPartition
    | RequestLease
    | DescribeStream
    | FetchSchemas
    | Halt
    | Fact
)
