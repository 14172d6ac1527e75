"""What is carried: runs of Kafka records as columns, never one object a record.

A chunk is the atom of the whole service.
It is born in the source adapter, complete and immutable, and what is per record in it is only reached by C loops
(`map`, `zip`, slices) on the hot path.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from operator import methodcaller
from typing import NamedTuple, Protocol


class TopicPartition(NamedTuple):
    """One partition of one Kafka topic: the unit of ownership and of commit."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]"


class Original(Protocol):
    """The rest of a record, read only where a route asks for it (envelopes, header keys, dead letters).

    confluent-kafka's `Message` is one as it stands.
    """

    def key(self) -> bytes | None:
        """Give the record's key."""
        ...

    def value(self) -> bytes | None:
        """Give the record's value."""
        ...

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        """Give the record's headers, or None when it has none; to be asked by `ask_headers` only.

        Raises SystemError where a header's name is not UTF-8, as confluent-kafka 2.16 does the first time. From the
        second time on it gives headers without that name, and the process dies where the missing name is touched.
        """
        ...

    def timestamp(self) -> tuple[int, int]:
        """Give (type of timestamp, milliseconds since the epoch); type 0 means that there is none."""
        ...


ask_headers: Callable[[Original], list[tuple[str, bytes | None]] | None] = methodcaller("headers")
"""Ask a record for its headers, and see the client's SystemError. A call in Python, once the interpreter has specialised it,
does not look whether an answer hides an error; the error then comes up in whatever runs next."""


class AskedOnce:
    """A record that several routes read: where its headers are refused, they are refused to each of them alike."""

    __slots__ = ("_error", "key", "record", "timestamp", "value")

    def __init__(self, record: Original) -> None:
        self.record = record
        """As it stands, for whoever can bear what it gives from the second time on."""
        self._error: SystemError | None = None
        self.key, self.value, self.timestamp = record.key, record.value, record.timestamp

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        """Give the record's headers. Raises SystemError each time where a name is not UTF-8."""
        if self._error is not None:
            raise self._error
        try:
            return ask_headers(self.record)
        except SystemError as error:
            self._error = error
            raise


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """One fetched run of records of one partition, as columns of equal length.

    `offsets` ascends, with holes where the log was compacted or holds transaction markers.
    A key or a value of None is Kafka's null; a null value is a tombstone.
    """

    partition: TopicPartition
    offsets: Sequence[int]
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    timestamp_ms: int = -1
    """Kafka timestamp of the first record, in ms since the epoch; -1 where it has none."""
    originals: Sequence[Original] = ()
    """The whole records, filled only for topics whose route needs more than key and value; else empty."""
    header_bytes: int = 0
    """What the headers of a record take on average, estimated; they are held where there are originals, else dropped."""
    origins: Sequence[tuple[TopicPartition, int]] = ()
    """Where each record stood first, where that is not here: of the records of dead letters; else empty."""
    count: int = field(init=False)
    """How many records there are."""
    end: int = field(init=False)
    """The offset that a commit of the whole chunk writes: one above its last record."""
    payload_bytes: int = field(init=False)
    """Bytes of all keys and values."""

    def __post_init__(self) -> None:
        keys, values = self.keys, self.values
        payload = sum(map(len, keys if all(keys) else filter(None, keys)))  # type: ignore[arg-type]  # no None in it
        payload += sum(map(len, values if all(values) else filter(None, values)))  # type: ignore[arg-type]
        object.__setattr__(self, "count", len(self.offsets))
        object.__setattr__(self, "end", self.offsets[-1] + 1)
        object.__setattr__(self, "payload_bytes", payload)

    def part(self, first: int, last: int) -> Chunk:
        """Give the records from place `first` up to, not including, `last`."""
        return Chunk(
            self.partition,
            self.offsets[first:last],
            self.keys[first:last],
            self.values[first:last],
            self.timestamp_ms,
            originals=self.originals[first:last],
            header_bytes=self.header_bytes,
            origins=self.origins[first:last],
        )

    def picked(self, keep: Sequence[bool]) -> Chunk:
        """Give the records that are to be kept, one of them at least; the others become holes in the offsets."""
        return Chunk(
            self.partition,
            list(compress(self.offsets, keep)),
            list(compress(self.keys, keep)),
            list(compress(self.values, keep)),
            self.timestamp_ms,
            originals=list(compress(self.originals, keep)),
            header_bytes=self.header_bytes,
            origins=list(compress(self.origins, keep)),
        )

    def for_several(self) -> Chunk:
        """Give the chunk as several routes may read it, one after the other."""
        return replace(self, originals=list(map(AskedOnce, self.originals))) if self.originals else self

    def __repr__(self) -> str:
        return f"Chunk({self.partition} {self.offsets[0]}..{self.offsets[-1]}, {self.count} records)"
