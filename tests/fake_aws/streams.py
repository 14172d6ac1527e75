"""Streams and shards: real MD5 hash ranges, explicit hash keys, splits, merges, per-shard rates, the log itself.

The log of a stream is kept as columns that grow by whole requests, so that taking 500 records costs a few C loops.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise, repeat
from typing import NamedTuple

from tests.fake_aws.clock import NS_PER_SECOND
from tests.fake_aws.errors import invalid
from tests.fake_aws.history import Landed

HASH_KEYS = 1 << 128
SHARD_RECORDS_PER_SECOND = 1_000
SHARD_BYTES_PER_SECOND = 1024 * 1024
SHARD_READS_PER_SECOND = 5
SHARD_READ_BYTES_PER_SECOND = 2 * 1024 * 1024
SEQUENCE_PREFIX = "496" + "0" * 35  # with 18 digits after it: 56, as real ones have
SEQUENCE_FIRST = 10**17  # what the position 0 is written as, so that no number needs filling up with zeros
_ROUTES_KEPT = 200_000


@dataclass(slots=True, eq=False)
class Bucket:
    """What a shard may still take this second: both 1,000 records and 1 MiB, filling up over one second."""

    records: float = SHARD_RECORDS_PER_SECOND
    size: float = SHARD_BYTES_PER_SECOND
    filled_at: int | None = None

    def take(self, size: int, now: int) -> bool:
        """Take one record of `size` bytes out, or say that the shard's rate is exceeded."""
        if self.filled_at is not None:
            elapsed = (now - self.filled_at) / NS_PER_SECOND
            self.records = min(SHARD_RECORDS_PER_SECOND, self.records + elapsed * SHARD_RECORDS_PER_SECOND)
            self.size = min(SHARD_BYTES_PER_SECOND, self.size + elapsed * SHARD_BYTES_PER_SECOND)
        self.filled_at = now
        # A record larger than a second's allowance drains the bucket below zero, as a real large record does.
        if self.records < 1 or self.size < min(size, SHARD_BYTES_PER_SECOND):
            return False
        self.records -= 1
        self.size -= size
        return True


@dataclass(slots=True, eq=False)
class Reads:
    """What a shard still gives its readers this second: 5 answers, and 2 MiB, of which a large answer takes those to come."""

    answers: float = SHARD_READS_PER_SECOND
    size: float = SHARD_READ_BYTES_PER_SECOND
    filled_at: int | None = None

    def may_begin(self, now: int) -> bool:
        """Take one answer out, or say that the shard's rate is exceeded."""
        if self.filled_at is not None:
            elapsed = (now - self.filled_at) / NS_PER_SECOND
            self.answers = min(SHARD_READS_PER_SECOND, self.answers + elapsed * SHARD_READS_PER_SECOND)
            self.size = min(SHARD_READ_BYTES_PER_SECOND, self.size + elapsed * SHARD_READ_BYTES_PER_SECOND)
        self.filled_at = now
        if self.answers < 1 or self.size <= 0:
            return False
        self.answers -= 1
        return True

    def took(self, size: int) -> None:
        """Count what an answer held."""
        self.size -= size


@dataclass(slots=True, eq=False)
class Shard:
    """A range of hash keys, both ends included; closed by a split or a merge."""

    index: int
    first_hash: int
    last_hash: int
    parents: tuple[str, ...] = ()
    opened_at: int = 0
    """Sequence of the stream when it opened."""
    closed_at: int | None = None
    closed_wall: float | None = None
    """When it was closed, in seconds since the epoch by the service's clock."""
    bucket: Bucket = field(default_factory=Bucket)
    reads: Reads = field(default_factory=Reads)

    @property
    def id(self) -> str:
        """Its name in the API."""
        return f"shardId-{self.index:012d}"


class Origin(NamedTuple):
    """Where records came from: the request, the serial of its lease, and when it arrived (ns of age, s of wall)."""

    request_id: str
    serial: int
    arrived_at: int
    wall: float


class Run(NamedTuple):
    """The records of one accepted request: `length` of them from position `first` of the columns."""

    first: int
    length: int
    origin: Origin


class _Routes(dict[str, int]):
    """Partition key or explicit hash key to shard index; forgets all when it has grown large."""

    def __init__(self, stream: Stream, *, explicit: bool) -> None:
        super().__init__()
        self._stream = stream
        self._explicit = explicit

    def __missing__(self, key: str) -> int:
        if len(self) >= _ROUTES_KEPT:
            self.clear()
        hashed = int(key) if self._explicit else hash_of(key)
        shard = self[key] = self._stream.shard_of(hashed).index
        return shard


class Stream:
    """One stream of one account and region, with everything that ever landed in it."""

    def __init__(
        self, name: str, account: str, region: str, *, shards: int, created_wall: float, record_kib: int = 1024
    ) -> None:
        self.name = name
        self.account = account
        self.region = region
        self.arn = f"arn:aws:kinesis:{region}:{account}:stream/{name}"
        self.status = "ACTIVE"
        self.mode = "PROVISIONED"
        self.strategy = "USER_PARTITION_KEY"
        self.kms_key: str | None = None
        """The ARN of its key; None: not encrypted."""
        self.record_kib = record_kib
        self.created_wall = created_wall
        self.rate_limited = False
        self.allowed_accounts: frozenset[str] = frozenset()
        """Accounts that a resource policy of the stream admits."""
        self.shards: list[Shard] = []
        self.keys: list[str | None] = []
        self.explicit: list[str | None] = []
        self.datas: list[bytes] = []
        self.shard_indexes: list[int] = []
        self.runs: list[Run] = []
        self._turn = 0
        edges = [HASH_KEYS * i // shards for i in range(shards + 1)]
        for first, end in pairwise(edges):
            self._open(first, end - 1, ())

    def __len__(self) -> int:
        return len(self.datas)

    @property
    def open_shards(self) -> list[Shard]:
        """The shards that take records, by their ranges."""
        return self._open_shards

    def shard_of(self, hashed: int) -> Shard:
        """Give the open shard whose range holds a hash key."""
        return self._open_shards[bisect_right(self._starts, hashed) - 1]

    def route(self, keys: Sequence[str | None], explicit: Sequence[str | None] | None) -> list[int]:
        """Give the shard index of each record; the AUTO strategy looks at no key at all."""
        if self.strategy == "AUTO":
            spread = len(self._open_shards)
            self._turn += len(keys)
            return [self._open_shards[(self._turn + i) % spread].index for i in range(len(keys))]
        if explicit is None:
            return list(map(self._by_key.__getitem__, keys))  # type: ignore[arg-type]  # a key is there: it was checked
        return [
            self._by_explicit[given] if given is not None else self._by_key[key or ""]
            for key, given in zip(keys, explicit, strict=True)
        ]

    def land(
        self,
        keys: Sequence[str | None],
        explicit: Sequence[str | None] | None,
        datas: Sequence[bytes],
        shard_indexes: Sequence[int],
        origin: Origin,
    ) -> int:
        """Append records in this order; gives the position of the first."""
        first = len(self.datas)
        self.keys += keys
        self.explicit += repeat(None, len(keys)) if explicit is None else explicit
        self.datas += datas
        self.shard_indexes += shard_indexes
        self.runs.append(Run(first, len(keys), origin))
        return first

    def landed(self, start: int = 0, limit: int | None = None) -> list[Landed]:
        """Give what landed, in order, from a position on."""
        end = len(self) if limit is None else min(len(self), start + limit)
        names = [shard.id for shard in self.shards]
        found: list[Landed] = []
        for run in self.runs[max(0, bisect_right(self.runs, start, key=lambda run: run.first) - 1) :]:
            if run.first >= end:
                break
            span = slice(max(run.first, start), min(run.first + run.length, end))
            found += [
                Landed(self.name, names[shard], key, explicit, data, sequence_number(at), *run.origin[:3])
                for at, shard, key, explicit, data in zip(
                    range(span.start, span.stop),
                    self.shard_indexes[span],
                    self.keys[span],
                    self.explicit[span],
                    self.datas[span],
                    strict=True,
                )
            ]
        return found

    def arrival_wall(self, position: int) -> float:
        """Give when the record at a position arrived, in seconds since the epoch by the service's clock."""
        return self.runs[bisect_right(self.runs, position, key=lambda run: run.first) - 1].origin.wall

    def split(self, shard: Shard, new_first: int, wall: float | None = None) -> tuple[Shard, Shard]:
        """Close a shard and open two in its place, the second from `new_first` on."""
        if shard.closed_at is not None or not shard.first_hash < new_first <= shard.last_hash:
            raise invalid(f"NewStartingHashKey {new_first} is not inside the open range of {shard.id}")
        shard.closed_at, shard.closed_wall = len(self), wall
        lower = self._open(shard.first_hash, new_first - 1, (shard.id,))
        return lower, self._open(new_first, shard.last_hash, (shard.id,))

    def merge(self, shard: Shard, neighbour: Shard, wall: float | None = None) -> Shard:
        """Close two neighbouring shards and open one in their place."""
        lower, upper = sorted((shard, neighbour), key=lambda each: each.first_hash)
        if lower.closed_at is not None or upper.closed_at is not None or lower.last_hash + 1 != upper.first_hash:
            raise invalid(f"Shards {shard.id} and {neighbour.id} in stream {self.name} are not an adjacent open pair")
        lower.closed_at = upper.closed_at = len(self)
        lower.closed_wall = upper.closed_wall = wall
        return self._open(lower.first_hash, upper.last_hash, (shard.id, neighbour.id))

    def rearrange(self, positions: Sequence[int]) -> None:
        """Hold exactly what stands at these positions, in this order, which shall not cross a resharding.

        Numbers are anew those of the places. What comes to lie earlier or later than it did arrived when its neighbours did.
        """
        walls = sorted(self.arrival_wall(position) for position in positions)
        origins = [self.runs[bisect_right(self.runs, at, key=lambda run: run.first) - 1].origin for at in positions]
        for shard in self.shards:
            shard.opened_at = sum(position < shard.opened_at for position in positions)
            if shard.closed_at is not None:
                shard.closed_at = sum(position < shard.closed_at for position in positions)
        self.keys = [self.keys[position] for position in positions]
        self.explicit = [self.explicit[position] for position in positions]
        self.datas = [self.datas[position] for position in positions]
        self.shard_indexes = [self.shard_indexes[position] for position in positions]
        self.runs = [
            Run(place, 1, origin._replace(wall=wall))
            for place, (origin, wall) in enumerate(zip(origins, walls, strict=True))
        ]

    def forget(self) -> None:
        """Drop what landed; shards stay as they are, and open from the start."""
        for column in (self.keys, self.explicit, self.datas, self.shard_indexes, self.runs):
            column.clear()
        for shard in self.shards:
            shard.opened_at, shard.closed_at = 0, None if shard.closed_at is None else 0

    def shard(self, shard_id: str) -> Shard | None:
        """Find a shard by its name in the API, open or closed."""
        return next((shard for shard in self.shards if shard.id == shard_id), None)

    def _open(self, first_hash: int, last_hash: int, parents: tuple[str, ...]) -> Shard:
        shard = Shard(len(self.shards), first_hash, last_hash, parents, opened_at=len(self))
        self.shards.append(shard)
        self._open_shards = sorted((s for s in self.shards if s.closed_at is None), key=lambda s: s.first_hash)
        self._starts = [each.first_hash for each in self._open_shards]
        self._by_key = _Routes(self, explicit=False)
        self._by_explicit = _Routes(self, explicit=True)
        return shard


def hash_of(partition_key: str) -> int:
    """Give the 128-bit hash key that Kinesis derives from a partition key: MD5 of its UTF-8 bytes, big-endian."""
    return int.from_bytes(hashlib.md5(partition_key.encode(), usedforsecurity=False).digest(), "big")


def sequence_number(position: int) -> str:
    """Give the sequence number of the record at a position of its stream."""
    return f"{SEQUENCE_PREFIX}{SEQUENCE_FIRST + position}"
