"""The service of the incident, on the same ports as doka: errors are swallowed, offsets move on whatever happened.

It stands here so that both can be judged by the same log in the same world. How its token is renewed is a rotation
policy (`never` is the incident's own), so that a reader sees which part saves the records: the renewal, or a forwarder
that moves no offset before a record has landed. What is swallowed is also hidden from the renewal: no refused put ever
makes it ask for a new token. It must never be used for anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from doka.adapters.simulated.bulk_sink import BulkSink
from doka.adapters.simulated.kinesis import Put
from doka.adapters.simulated.tokens import SKEW_SECONDS_MAX
from doka.domain.backoff import Jitter
from doka.domain.commands import CommitOffsets, SendPut
from doka.domain.events import (
    Event,
    GapFound,
    LeaseIssued,
    LeaseRefused,
    PutRefused,
    RecordsFetched,
    SourceFailed,
    StopRequested,
)
from doka.domain.lease import Lease
from doka.domain.leases.keeper import LeaseKeeper
from doka.domain.limits import NS_PER_SECOND, PUT_BYTES_MAX, PUT_RECORDS_MAX, SERVE_CALLBACKS_NS
from doka.domain.ports import Background, Clock, Inbox, Sink, Source
from doka.domain.records import Chunk, TopicPartition
from doka.domain.rules import LimitRules, RoleRules, RotationPolicy
from doka.domain.turn import Turn

AUTO_COMMIT_NS = 5 * NS_PER_SECOND  # the Kafka client's own default
TIMEOUT_NS = 60 * NS_PER_SECOND  # boto3's read timeout


class OriginalSink(BulkSink):
    """Signs by the host's clock as it is: where that is too wrong, the service refuses the signature."""

    def _serve(self, put: Put) -> Event:
        world = self._world
        if abs(world.clock.skew_seconds) > SKEW_SECONDS_MAX:
            world.witness.put_denied(put, "InvalidSignatureException")
            return PutRefused(put.command.put, "InvalidSignatureException", "Signature expired")
        return super()._serve(put)


class SimulatedOriginal:
    """Moves every offset, whether the record landed or not."""

    def __init__(
        self,
        role: RoleRules,
        route_of: Mapping[str, str],
        *,
        source: Callable[[Callable[[int], int | None]], Source],
        sink: Sink,
        background: Background,
        inbox: Inbox,
        clock: Clock,
        jitter: Jitter,
    ) -> None:
        """Forward each topic of `route_of` to its route, with tokens of one role; `source` takes `next_wake`."""
        self._role = role
        self._route_of = route_of
        self._source = source(self.next_wake)
        self._sink = sink
        self._background = background
        self._inbox = inbox
        self._clock = clock
        self._keeper = LeaseKeeper(role, LimitRules().request_timeout, jitter)
        self._lease: Lease | None = None
        self._asking = False
        self._positions: dict[TopicPartition, int] = {}
        self._marked: set[TopicPartition] = set()  # positions that moved since the last commit
        self._committed_at = 0
        self._puts = 0
        self._commits = 0
        self._stopped = False

    def run(self) -> None:
        """Forward until told to stop."""
        self._source.open(self)
        self._renew(needed=True)
        while self._lease is None and not self._stopped:  # it assumed its role before it subscribed
            self._wait_for(lambda: not self._asking)
            self._renew(needed=True)
        while not self._stopped:
            self._turn()
        self._commit()
        self._source.close()

    def next_wake(self, now: int) -> int | None:
        """Give the next moment at which time alone lets it do something: renew its token, or commit."""
        moments = [self._keeper.next_change(now)]
        if self._marked:
            moments.append(self._committed_at + AUTO_COMMIT_NS)
        return min((moment for moment in moments if moment is not None), default=None)

    # --- how -----------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        for event in self._source.fetch(PUT_RECORDS_MAX, SERVE_CALLBACKS_NS):
            match event:
                case RecordsFetched(chunk):
                    self._forward(chunk)
                case GapFound(partition, _, log_start, _):  # auto.offset.reset: earliest
                    self._source.seek(partition, log_start)
                case SourceFailed():
                    self._stopped = True
                case _:
                    pass
        self._read_inbox()
        self._renew(needed=False)
        if self._marked and self._clock.now() - self._committed_at >= AUTO_COMMIT_NS:
            self._commit()

    def _forward(self, chunk: Chunk) -> None:
        self._renew(needed=True)
        if self._role.policy is RotationPolicy.ON_DEMAND:
            self._wait_for(lambda: not self._asking)
        fits = max(1, PUT_BYTES_MAX * chunk.count // max(chunk.payload_bytes, 1))
        for first in range(0, chunk.count, fits):
            part = chunk.part(first, min(first + fits, chunk.count))
            if self._lease is not None:
                self._put(part, self._lease)
            # Whatever came of it was logged, and nobody read the log.
            self._positions[part.partition] = part.end
            self._marked.add(part.partition)

    def _put(self, chunk: Chunk, lease: Lease) -> None:
        self._puts += 1
        keys = ["none" if key is None else key.decode() for key in chunk.keys]
        values = [value or b"" for value in chunk.values]
        unending = replace(lease, ends_at=None)  # boto3 was given three strings, and no end
        self._sink.submit(
            SendPut(self._puts, self._route_of[chunk.partition.topic], unending, keys, values, TIMEOUT_NS)
        )
        while not self._sink.answers(SERVE_CALLBACKS_NS):
            pass

    def _commit(self) -> None:
        self._committed_at = self._clock.now()
        offsets = {tp: self._positions[tp] for tp in sorted(self._marked)}
        self._marked.clear()
        if offsets:
            self._commits += 1
            self._source.commit(CommitOffsets(self._commits, offsets))

    def _renew(self, *, needed: bool) -> None:
        now = self._clock.now()
        if not self._asking and self._keeper.wants_lease(now, needed=needed):
            self._asking = True
            self._background.request_lease(self._role.name)

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        while not condition() and not self._stopped:
            self._sink.answers(SERVE_CALLBACKS_NS)
            self._read_inbox()

    def _read_inbox(self) -> None:
        for event in self._inbox.drain():
            match event:
                case LeaseIssued(lease):
                    self._asking = False
                    self._lease = lease
                    self._keeper.issued(event, self._clock.now(), Turn())
                case LeaseRefused():
                    self._asking = False
                    self._keeper.refused(event, self._clock.now(), Turn())
                case StopRequested():
                    self._stopped = True
                case _:
                    pass

    # --- inside `fetch` ------------------------------------------------------------------------------------------

    def partitions_assigned(self, positions: Mapping[TopicPartition, int]) -> None:
        """Own partitions from now on."""
        self._positions.update(positions)

    def partitions_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Commit what was marked, and let go."""
        self._commit()
        self._forget(partitions)

    def partitions_lost(self, partitions: frozenset[TopicPartition]) -> None:
        """Let go."""
        self._forget(partitions)

    def asked_to_stop(self) -> bool:
        """Say whether it shall end."""
        self._read_inbox()
        return self._stopped

    def _forget(self, partitions: frozenset[TopicPartition]) -> None:
        for tp in partitions:
            self._positions.pop(tp, None)
            self._marked.discard(tp)
