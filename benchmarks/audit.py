"""What comparing costs an audit: both sides of a window that is made up here, through the code of the command, into its file.

The records are not read from anywhere and the time of making them does not count, so nothing is measured but what an audit
does itself: mapping, digests, storing, judging. It runs in a process of its own, whose memory is then that of an audit.
Some records are left out and some land twice; an audit that does not name exactly these is no measurement.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.contenders import peak_rss_mib
from benchmarks.rounds import BrokenRunError, Extent, Figures
from doka.adapters.audit.file import AuditFile
from doka.domain.audit.fates import Fate, Plan, PlannedPartition, Terms
from doka.domain.audit.identity import Identities
from doka.domain.audit.landed import Landed, ShardReached
from doka.domain.limits import RECORD_BYTES_DEFAULT
from doka.domain.records import Chunk, TopicPartition
from doka.domain.rules import RouteRules

TOPIC = "orders"
SHARDS = 25
RUN = 5_000
"""Records of a chunk."""
LOST_EVERY, TWICE_EVERY = 20_011, 30_011
START_MS = 1_700_000_000_000
DELAY_MS = 250


def compared(case: Case, extent: Extent) -> Figures:
    """Give the figures of an audit of so many records. Raises BrokenRunError for one that found what is not so."""
    records = int(case.records * extent.share)
    with tempfile.TemporaryDirectory(prefix="doka-bench-") as folder:
        words = [sys.executable, "-m", "benchmarks.audit", folder, *map(str, (records, case.size, case.keys))]
        ran = subprocess.run(words, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise BrokenRunError(f"exit code {ran.returncode}; it said {ran.stderr[-1_500:]}")
    figures: Figures = json.loads(ran.stdout)
    return figures


@dataclass(slots=True)
class _Counted:
    """Time that counts, in seconds."""

    wall: float = 0.0
    cpu: float = 0.0

    @contextmanager
    def time(self) -> Iterator[None]:
        """Count the time of the block."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu


@dataclass(frozen=True, slots=True)
class _Stamp:
    """The one thing that an audit asks a whole record for."""

    of_timestamp: tuple[int, int]

    def timestamp(self) -> tuple[int, int]:
        """Give type and ms."""
        return self.of_timestamp

    def key(self) -> bytes | None:
        """Give no key."""

    def value(self) -> bytes | None:
        """Give no value."""

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        """Give no headers."""


@dataclass(slots=True)
class _Window:
    """A window of records, in runs of one partition, and what of them landed where."""

    records: int
    size: int
    keys: Sequence[str]
    partitions: int = 16
    at: list[int] = field(default_factory=lambda: [10**55] * SHARDS)

    @property
    def of_partition(self) -> int:
        """How many records a partition has."""
        return self.records // self.partitions

    def runs(self) -> Iterator[tuple[Chunk, list[Landed]]]:
        """Give each run as it stands in Kafka, and as it landed."""
        for first in range(0, self.of_partition, RUN):
            for number in range(self.partitions):
                yield self._run(number, range(first, min(first + RUN, self.of_partition)))

    def _run(self, number: int, offsets: range) -> tuple[Chunk, list[Landed]]:
        step = self.partitions
        keys = [self.keys[(offset * 31 + number * 7) % len(self.keys)] for offset in offsets]
        values = [(b"%d %d " % (number, offset)).ljust(self.size, b"x") for offset in offsets]
        stamps = [_Stamp((1, START_MS + offset * step // 100)) for offset in offsets]
        partition = TopicPartition(TOPIC, number)
        chunk = Chunk(partition, offsets, [key.encode() for key in keys], values, originals=stamps)
        columns: list[tuple[list[str], list[bytes], list[int]]] = [([], [], []) for _ in range(SHARDS)]
        for offset, key, value, stamp in zip(offsets, keys, values, stamps, strict=True):
            place = offset * step + number
            for _ in range(0 if place % LOST_EVERY == 0 else 2 if place % TWICE_EVERY == 0 else 1):
                of_keys, data, arrived = columns[hash(key) % SHARDS]
                of_keys.append(key)
                data.append(value)
                arrived.append(stamp.of_timestamp[1] + DELAY_MS)
        return chunk, [self._landed(shard, *each) for shard, each in enumerate(columns) if each[0]]

    def _landed(self, shard: int, keys: list[str], data: list[bytes], arrived: list[int]) -> Landed:
        first = self.at[shard]
        self.at[shard] = first + 1_000 * len(keys)
        numbers = [str(number) for number in range(first, self.at[shard], 1_000)]
        return Landed(f"shardId-{shard:012}", keys, data, numbers, arrived)

    def expected(self) -> dict[Fate, int]:
        """Give how many records must have which fate."""
        places = self.of_partition * self.partitions
        lost = len(range(0, places, LOST_EVERY))
        twice = len([place for place in range(0, places, TWICE_EVERY) if place % LOST_EVERY])
        return {Fate.IN_STREAM: places - lost, Fate.LOST: lost, Fate.REPEATED: twice}


def measure(folder: Path, records: int, size: int, keys: int) -> Figures:
    """Audit a window of records in this process."""
    window = _Window(records, size, [f"key-{number}" for number in range(keys)])
    identities = Identities(RouteRules(TOPIC, frozenset({TOPIC}), "writer"), RECORD_BYTES_DEFAULT)
    end_ms = START_MS + records // 100 + 1
    shards = [f"shardId-{shard:012}" for shard in range(SHARDS)]
    terms = Terms(TOPIC, "stream", "doka", identities.match, "as it is", START_MS, end_ms)
    partitions = [TopicPartition(TOPIC, number) for number in range(window.partitions)]
    plan = Plan(
        tuple(PlannedPartition(each, 0, window.of_partition, window.of_partition) for each in partitions),
        committed_at_ms=end_ms + DELAY_MS,
        stream_from_ms=START_MS - 100_000,
        stream_until_ms=end_ms + DELAY_MS,
        looked_at_ms=end_ms + DELAY_MS,
        parents=dict.fromkeys(shards, ()),
    )
    path, counted = folder / "it.audit", _Counted()
    with AuditFile.create(path, terms, plan) as file:
        for chunk, landed in window.runs():
            with counted.time():
                file.add_expected(identities.expected(chunk))
                for each in landed:
                    file.add_landed(each, identities.landed(each))
                assert terms == file.terms  # which waits for what is being stored: all of that counts
        with counted.time():
            for shard in shards:
                file.reached_shard(ShardReached(shard, plan.stream_until_ms, None, ended=True))
            file.stream_was_read(plan.parents)
            judging = time.perf_counter()
            judgement = file.judge()
            judging = time.perf_counter() - judging
    found = {fate: count for fate, count in judgement.counts.items() if count}
    if found != window.expected():
        raise BrokenRunError(f"the audit says {found}, and it is {window.expected()}")
    judged = judgement.records
    return {
        "records_per_second": judged / counted.wall,
        "cpu_us": counted.cpu / judged * 1e6,
        "judging_us": judging / judged * 1e6,
        "cores_busy": counted.cpu / counted.wall,
        "rss_mib": peak_rss_mib(os.getpid()),
        "disk_bytes": path.stat().st_size / judged,
    }


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), *map(int, sys.argv[2:]))))  # noqa: T201 - what it is for
