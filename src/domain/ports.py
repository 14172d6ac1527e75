"""The doors of the hexagon: what the loop needs of the outside, and what must never happen behind each door.

Every port has a real adapter and one in process, and the same contract tests run against both (tests/contract).
The simulator implements all of them over a virtual clock and runs the very same loop.

Threads: the loop owns everything that a record touches.
Only `Inbox.put` may be called from another thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from doka.domain.audit.landed import Landed, ShardReached, StreamSpan
from doka.domain.commands import CommitOffsets, DescribeStream, FetchSchemas, SendLetter, SendPut
from doka.domain.events import Event
from doka.domain.facts import Fact
from doka.domain.records import TopicPartition
from doka.domain.status import SourceStatus, Status


class Clock(Protocol):
    """Two readings of time; nothing else in doka reads a clock."""

    def now(self) -> int:
        """Give nanoseconds on a clock that never jumps and runs through suspend (CLOCK_BOOTTIME).

        All durations, deadlines and expiries are judged by it.
        """
        ...

    def wall(self) -> float:
        """Give seconds since the epoch, for what a person reads and for lag; it may jump, so it decides nothing."""
        ...


class RebalanceListener(Protocol):
    """Who is told, inside `Source.fetch` and on its thread, that the group moves partitions.

    An implementation must not call the source's `fetch` from here (the client aborts the process), and what it raises
    is kept by the source and raised when `fetch` returns: an exception inside the client's callback destroys records.
    """

    def partitions_assigned(self, positions: Mapping[TopicPartition, int]) -> None:
        """Take ownership; `positions` are the offsets from which the partitions will be read."""
        ...

    def partitions_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Drain and commit these partitions; when this returns, they belong to somebody else."""
        ...

    def partitions_lost(self, partitions: frozenset[TopicPartition]) -> None:
        """Forget these partitions and commit nothing: they belong to somebody else already."""
        ...

    def asked_to_stop(self) -> bool:
        """Say whether this process has been asked to stop: then no partition need be taken over any more."""
        ...


class Source(Protocol):
    """Kafka as one consumer-group member.

    It must never skip an offset in silence, never deliver a record of a partition that is not owned,
    never commit by itself, and never wait longer than it was told.
    """

    def open(self, listener: RebalanceListener) -> None:
        """Join the group and subscribe; returns at once, partitions come by `listener`."""
        ...

    def fetch(self, limit: int, wait: int) -> Sequence[Event]:
        """Give what has arrived: at most `limit` records, and errors, ends of partitions, answers of commits, orders to skip.

        An order that stood when a partition was assigned comes before the partition's first record.

        Waits at most `wait` ns for the first record and never for more; `wait` is at most 100 ms.
        Rebalance callbacks run in here (and in `close`), so it is called at least each 100 ms, with `limit` 1 where there is no
        room and everything is paused.
        """
        ...

    def commit(self, command: CommitOffsets) -> None:
        """Send offsets to the group without waiting; never blocks, never raises for an answer of the broker."""
        ...

    def pause(self, partitions: frozenset[TopicPartition]) -> None:
        """Stop delivery; records that were prefetched are fetched again after `resume`."""
        ...

    def resume(self, partitions: frozenset[TopicPartition]) -> None:
        """Deliver again, from the next offset that was not delivered."""
        ...

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on reading an owned partition at `offset`."""
        ...

    def status(self) -> SourceStatus:
        """Say what is known of the group and of the log of each owned partition, and since when, without waiting."""
        ...

    def close(self) -> None:
        """Leave the group; the listener is told of the revoke in here.

        May hang for as long as the coordinator is frozen: call it under a watchdog.
        """
        ...


class Sink(Protocol):
    """Kinesis PutRecords without waiting: many requests in flight, driven on the loop's own thread.

    It must never send a request twice, never sign with anything but the command's lease, and never report an
    unknown outcome as a known one.
    Every `submit` has exactly one answer, at the latest a little after its timeout.
    """

    def submit(self, command: SendPut) -> None:
        """Build, sign and start one request; returns without waiting and never raises for the network."""
        ...

    def answers(self, wait: int) -> Sequence[Event]:
        """Drive the requests in flight; give the answers that are there, waiting at most `wait` ns for the first.

        With nothing in flight it waits all the same: the loop rests here while it drains.
        """
        ...

    def close(self) -> None:
        """Drop all connections; what was in flight stays unknown."""
        ...


class DeadLetters(Protocol):
    """The dead-letter topic. Asynchronous: the client's own threads send, the loop reads what was acknowledged.

    It must never report a letter as acknowledged that not all in-sync replicas hold.
    """

    def submit(self, command: SendLetter) -> None:
        """Start one letter; returns without waiting and never raises for the broker."""
        ...

    def answers(self) -> Sequence[Event]:
        """Give the answers that have arrived, without waiting: `LetterAcknowledged` or `LetterRefused`, one a letter."""
        ...

    def close(self) -> None:
        """Give up what is still under way, and drop the connections; never waits."""
        ...


class Authority(Protocol):
    """Where leases come from (STS, the ambient credential chain). Called on a background thread; may block."""

    def issue(self, role: str) -> Event:
        """Give `LeaseIssued` or `LeaseRefused`; never raises for an answer of the service or its absence."""
        ...


class Describer(Protocol):
    """Asks a stream for its facts. Called on a background thread; may block."""

    def describe(self, command: DescribeStream) -> Event:
        """Give `StreamDescribed` or `StreamRefused`; never raises for an answer of the service or its absence."""
        ...


class SchemaRegistry(Protocol):
    """Asks the registries of all routes for schemas, and makes readers of them. Called on a background thread; may block.

    It must never say of a schema that it is not there unless its registry has said so.
    """

    def fetch(self, command: FetchSchemas) -> Event:
        """Give `SchemasFetched` or `RegistryRefused`; never raises for an answer of the registry or its absence."""
        ...


class StreamReader(Protocol):
    """One stream read back by an audit, which waits for it. Takes no more of a shard's reads than the share it was given.

    It must never leave a record out in silence, never give one twice, and never say that it has read what it has not.
    It has no adapter in process: the one it has is held to it by the fake AWS of the tests and by moto, which judge each other.
    """

    def span(self, since_ms: int) -> StreamSpan:
        """Say what there is to read of all that arrived from `since_ms` on.

        Raises StreamUnreadableError.
        """
        ...

    def read(self, since_ms: int, until_ms: int, behind: Mapping[str, str]) -> Iterator[Landed | ShardReached]:
        """Give what arrived from `since_ms` on and before `until_ms`, all shards by turns, each in its order.

        A shard comes behind its parents, so the records of a key come in their order, resharding or not. `behind` are the
        sequence numbers (by shard) behind which an earlier reading goes on. It is over when each shard was told as ended.
        A record of the moments around both ends may be given though it lies outside.

        Raises StreamUnreadableError: the stream does not give what was asked, and asking again would not help.
        """
        ...


class Background(Protocol):
    """Runs the rare blocking calls beside the loop; their answers arrive in the inbox."""

    def request_lease(self, role: str) -> None:
        """Ask the authority for a lease of this role."""
        ...

    def describe_stream(self, command: DescribeStream) -> None:
        """Ask for the facts of a stream."""
        ...

    def fetch_schemas(self, command: FetchSchemas) -> None:
        """Ask the registry of a route for schemas."""
        ...

    def close(self) -> None:
        """Accept no more work and wait for none."""
        ...


class Inbox(Protocol):
    """Where other threads leave events for the loop. Bounded by what the loop asked for."""

    def put(self, event: Event) -> None:
        """Leave an event; from any thread or signal handler, never blocks."""
        ...

    def drain(self) -> Sequence[Event]:
        """Take all that is there, oldest first, without waiting."""
        ...


class Telemetry(Protocol):
    """What a person and a scraper see. It must never raise, never block, and never see a payload or a secret.

    Only `ended` may wait, a moment, until what it says is out.
    """

    def fetched(self, partition: TopicPartition, records: int, payload_bytes: int) -> None:
        """Count records that arrived."""
        ...

    def tell(self, fact: Fact) -> None:
        """Count and log one outcome."""
        ...

    def publish(self, status: Status) -> None:
        """Show this as the present state in metrics and readiness; called about once a second by the loop."""
        ...

    def turned(self, now: int) -> None:
        """Note that the loop is alive."""
        ...

    def ended(self, code: int, reason: str) -> None:
        """Say how the run ended: the exit code, and why in a sentence."""
        ...
