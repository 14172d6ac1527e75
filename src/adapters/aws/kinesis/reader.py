"""Reads a stream back for an audit: all shards that a window of time touches, each in its order and behind its parents.

Theory of operation. A few threads ask, each one question for one shard, and the caller's thread judges the answers. Each
shard is asked no more often, and for no more bytes, than its share of what a shard gives all its readers together; what is
asked for at a time is a fifth of a second's bytes, so that no other reader is shut out for longer. An iterator that
expired, a killed reading and an answer that cannot be believed all go on behind the last record that was given. A shard is
at its end when it gives no further iterator, when what it gives arrived behind the window, or when it has nothing more and
was asked after the window's end.

It must never leave a record out in silence, never give one twice, and never end a shard that may still hold some.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import compress

from doka.adapters.aws.held_lease import Pause
from doka.adapters.aws.kinesis.asking import Asked, Asking, Place
from doka.adapters.aws.kinesis.questions import Refusal
from doka.adapters.aws.kinesis.read_columns import MS_PER_SECOND, Columns
from doka.domain.audit.landed import Landed, ShardReached, StreamSpan
from doka.domain.limits import (
    GET_RECORDS_MAX,
    NS_PER_SECOND,
    SHARD_READ_BYTES_PER_SECOND,
    SHARD_READS_PER_SECOND,
)
from doka.domain.ports import Clock

ASKING_AT_ONCE = 8
"""Questions under way; enough for two cores, and each may bring an answer of 10 MiB."""

READ_BYTES = SHARD_READ_BYTES_PER_SECOND // SHARD_READS_PER_SECOND
FIRST_LIMIT = 32
"""Records to ask for while nobody knows how large they are: of aggregates of the usual size, 1.6 MB."""

EDGE_MS = 10 * MS_PER_SECOND
"""How far arrivals of a shard may be out of order: AWS gives "no guarantees [...] that the time stamp is always increasing"."""

OVERTAKEN = "overtaken_by_retention"
"""Our own name for a reading from under which the stream has deleted what it had not come to yet."""

EXPIRED_ITERATOR = "ExpiredIteratorException"
HOUR_MS = 3_600 * MS_PER_SECOND
NEVER_DELETED_MS = 1 << 62
"""How long a stream holds records that does not say it."""


@dataclass(slots=True, eq=False)
class _ShardReading:
    """How far one shard has been read; only the caller's thread touches it."""

    shard: str
    parents: set[str]
    """Those that have not been read to their ends."""
    sequence_number: str | None
    well_at: int
    """When it was last answered; at first, when it was first to be asked."""
    reached_ms: int | None = None
    """Up to when it has been read, by the service's clock; None before its first answer."""
    iterator: str | None = None
    limit: int = FIRST_LIMIT
    due_at: int = 0
    refusals: int = 0


class KinesisReader:
    """Reads one stream, as `domain.ports.StreamReader`.

    `read_share`: of what a shard gives all its readers, how much is taken, above 0 and up to 1.
    """

    def __init__(self, asking: Asking, clock: Clock, pause: Pause, read_share: float = 0.5) -> None:
        self._asking = asking
        self._clock = clock
        self._pause = pause
        self._call_ns = round(NS_PER_SECOND / (SHARD_READS_PER_SECOND * read_share))
        self._byte_ns = NS_PER_SECOND / (SHARD_READ_BYTES_PER_SECOND * read_share)

    def span(self, since_ms: int) -> StreamSpan:
        """Say what there is to read of all that arrived from `since_ms` on. Raises StreamUnreadableError."""
        shards = self._asking.shards(since_ms - EDGE_MS)
        hours = self._asking.retention_hours()
        now_ms = self._asking.service_ms()
        return StreamSpan(shards, now_ms, None if hours is None else now_ms - hours * HOUR_MS)

    def read(self, since_ms: int, until_ms: int, behind: Mapping[str, str]) -> Iterator[Landed | ShardReached]:
        """Give what arrived in the window, as the port says. Raises StreamUnreadableError."""
        known: set[str] = set()
        hours = self._asking.retention_hours()
        held_ms = NEVER_DELETED_MS if hours is None else hours * HOUR_MS
        # What is split or merged meanwhile has children, which are listed when it has been read.
        while new := {shard: p for shard, p in self._asking.shards(since_ms - EDGE_MS).items() if shard not in known}:
            known |= new.keys()
            now = self._clock.now()
            readings = [
                _ShardReading(shard, new.keys() & parents, behind.get(shard), now) for shard, parents in new.items()
            ]
            yield from self._read(readings, since_ms, until_ms, held_ms)

    def _read(
        self, readings: list[_ShardReading], since_ms: int, until_ms: int, held_ms: int
    ) -> Iterator[Landed | ShardReached]:
        """Read these shards to their ends, by turns, and each behind its parents."""
        children = [each for each in readings if each.parents]
        waiting = [each for each in readings if not each.parents]
        asking: dict[Future[Asked], _ShardReading] = {}
        threads = ThreadPoolExecutor(ASKING_AT_ONCE, "doka-stream-reader")
        try:
            while waiting or asking:
                waiting.sort(key=lambda each: each.due_at)
                due_in = self._ask_those_due(waiting, asking, threads, since_ms)
                if not asking:
                    self._pause(due_in or 0)
                    continue
                for future in wait(asking, None if due_in is None else due_in / NS_PER_SECOND, FIRST_COMPLETED).done:
                    reading, asked = asking.pop(future), future.result()
                    if isinstance(asked.answer, Refusal):
                        self._put_off(reading, asked.answer, asked)
                        waiting.append(reading)
                        continue
                    self._see_that_nothing_is_gone(reading, asked, held_ms)
                    landed = _landed(reading.shard, asked.answer, since_ms - EDGE_MS, until_ms + EDGE_MS)
                    if landed.count:
                        yield landed
                    reached = self._go_on(reading, asked.answer, asked, until_ms)
                    yield reached
                    if not reached.ended:
                        waiting.append(reading)
                        continue
                    for child in children:
                        child.parents.discard(reading.shard)
                        child.well_at = self._clock.now()
                    waiting += [child for child in children if not child.parents]
                    children = [child for child in children if child.parents]
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

    def _ask_those_due(
        self,
        waiting: list[_ShardReading],
        asking: dict[Future[Asked], _ShardReading],
        threads: ThreadPoolExecutor,
        since_ms: int,
    ) -> int | None:
        """Ask for the shards whose time has come, and give when that of the next comes, in ns from now; None: not before an answer."""
        now = self._clock.now()
        while waiting and len(asking) < ASKING_AT_ONCE:
            if waiting[0].due_at > now:
                return waiting[0].due_at - now
            reading = waiting.pop(0)
            place = Place(reading.shard, reading.iterator, reading.sequence_number, since_ms - EDGE_MS)
            asking[threads.submit(self._asking.records, place, reading.limit)] = reading
        return None

    def _see_that_nothing_is_gone(self, reading: _ShardReading, asked: Asked, held_ms: int) -> None:
        """See that the place from which an answer goes on was still held: behind what is deleted the service reads on in silence.

        Raises StreamUnreadableError: it was not.
        """
        if reading.reached_ms is not None and reading.reached_ms < asked.service_ms - held_ms:
            told = f"the stream deleted what it held of {reading.shard} before it was read"
            raise self._asking.unreadable(Refusal(OVERTAKEN, told), asked.lease)

    def _put_off(self, reading: _ShardReading, refusal: Refusal, asked: Asked) -> None:
        """Ask again later, behind the last record. Raises StreamUnreadableError."""
        reading.refusals += 1
        pause = 0
        if refusal.code != EXPIRED_ITERATOR or reading.iterator is None:
            pause = self._asking.wait_behind(refusal, asked.lease, reading.refusals, since=reading.well_at)
        reading.iterator = None
        reading.due_at = max(asked.at + self._call_ns, self._clock.now() + pause)

    def _go_on(self, reading: _ShardReading, columns: Columns, asked: Asked, until_ms: int) -> ShardReached:
        """Say how far the shard has been read, and where and when it is asked next."""
        self._asking.served(asked.lease)
        reading.refusals, reading.well_at = 0, asked.at
        reading.iterator = columns.next_iterator
        payload = columns.payload_bytes
        reading.due_at = asked.at + max(self._call_ns, round(payload * self._byte_ns))
        if columns.keys:
            reading.sequence_number = columns.sequence_numbers[-1]
            reading.limit = min(max(READ_BYTES * len(columns.keys) // max(payload, 1), 1), GET_RECORDS_MAX)
        reading.reached_ms = reached_ms = asked.service_ms - columns.behind_ms
        ended = (
            columns.next_iterator is None
            or (columns.behind_ms == 0 and reached_ms >= until_ms)
            or reached_ms >= until_ms + EDGE_MS
            or min(columns.arrived_ms, default=0) >= until_ms + EDGE_MS
        )
        return ShardReached(
            reading.shard, until_ms if ended else min(reached_ms, until_ms), reading.sequence_number, ended
        )


def _landed(shard: str, columns: Columns, since_ms: int, until_ms: int) -> Landed:
    """Give the records of an answer that arrived between these times."""
    keys, data, numbers, arrived = columns[:4]
    if arrived and not since_ms <= min(arrived) <= max(arrived) < until_ms:
        inside = [since_ms <= each < until_ms for each in arrived]
        keys, data = list(compress(keys, inside)), list(compress(data, inside))
        numbers, arrived = list(compress(numbers, inside)), list(compress(arrived, inside))
    return Landed(shard, keys, data, numbers, arrived)
