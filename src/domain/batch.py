"""What a transform is given: some records of one partition as columns, to change, to leave out, or to refuse.

A transform is a function of the user's, which the container hands over. It never sees the machine, and what it leaves behind
in its batch is looked at before it is believed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Final

_OF_VALUES: Final = frozenset({bytes, NoneType})
_OF_KEYS: Final = frozenset({str, NoneType})


class NotReadError(AttributeError):
    """A transform asks for what its decorator does not say that it reads."""


class BatchError(ValueError):
    """What a transform left in its batch is no batch any more. The text says what is wrong, and nothing of the data."""


class Batch:
    """Some records of one partition, in their order, as columns of equal length; offsets may have holes.

    `values` and `partition_keys` may be changed, in place or by another column. What is changed must stay as long as it was.
    """

    __slots__ = (
        "_dropped",
        "_headers",
        "_refused",
        "_timestamps_ms",
        "keys",
        "offsets",
        "partition",
        "partition_keys",
        "topic",
        "values",
    )

    def __init__(
        self,
        topic: str,
        partition: int,
        offsets: Sequence[int],
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
        *,
        headers: Sequence[Sequence[tuple[str, bytes | None]]] | None = None,
        timestamps_ms: Sequence[int | None] | None = None,
    ) -> None:
        """Take the columns; None in the place of headers or timestamps: nobody has said that they are read."""
        self.topic = topic
        self.partition = partition
        self.offsets = offsets
        self.keys = keys
        """Kafka's keys; None is null."""
        self.values: list[bytes | None] = list(values)
        """What is sent; None is a tombstone."""
        self.partition_keys: list[str | None] = [None] * len(offsets)
        """The partition key of each record; None: as the route's `partition_key` has it."""
        self._headers = headers
        self._timestamps_ms = timestamps_ms
        self._dropped: set[int] = set()
        self._refused: set[int] = set()

    def __len__(self) -> int:
        return len(self.offsets)

    def __repr__(self) -> str:
        return f"Batch({self.topic}[{self.partition}], {len(self)} records)"

    @property
    def headers(self) -> Sequence[Sequence[tuple[str, bytes | None]]]:
        """The headers of each record, in their order. Raises NotReadError unless they are read: `@transform(headers=True)`."""
        if self._headers is None:
            raise NotReadError("headers are read only by a function under @transform(headers=True)")
        return self._headers

    @property
    def timestamps_ms(self) -> Sequence[int | None]:
        """Kafka's timestamps, in ms since the epoch; None where there is none.

        Raises NotReadError unless they are read: `@transform(timestamps=True)`.
        """
        if self._timestamps_ms is None:
            raise NotReadError("timestamps are read only by a function under @transform(timestamps=True)")
        return self._timestamps_ms

    def drop(self, index: int) -> None:
        """Leave a record out: it is not sent, settles in its turn, and is counted. Raises IndexError where there is none."""
        self._dropped.add(self._known(index))

    def refuse(self, index: int) -> None:
        """Say that a record can never land as it is: its route's `on_poison` decides. Raises IndexError where there is none."""
        self._refused.add(self._known(index))

    def _known(self, index: int) -> int:
        if not 0 <= index < len(self.offsets):
            raise IndexError(f"a batch of {len(self)} records has no record {index}")
        return index

    @property
    def dropped(self) -> frozenset[int]:
        """Which records are left out; one that is refused as well is refused."""
        return frozenset(self._dropped - self._refused)

    @property
    def refused(self) -> frozenset[int]:
        """Which records can never land."""
        return frozenset(self._refused)

    def check(self) -> None:
        """See that each record still has a value and a place for its key.

        Raises:
            BatchError: a column has another length, or something else stands in it.
        """
        for name, column, kinds, wanted in (
            ("values", self.values, _OF_VALUES, "bytes or None"),
            ("partition_keys", self.partition_keys, _OF_KEYS, "str or None"),
        ):
            if len(column) != len(self.offsets):
                raise BatchError(f"{name} has {len(column)} entries for {len(self.offsets)} records")
            if not kinds.issuperset(map(type, column)):
                raise BatchError(f"{name} holds something that is not {wanted}")


@dataclass(frozen=True, slots=True)
class Transform:
    """A function of the user's, and what it reads."""

    name: str
    """The file and the function, for a person."""
    digest: str
    """Of the file, as text."""
    function: Callable[[Batch], None]
    now: Callable[[], int]
    """The clock (ns) by which its time is told, and nothing is decided."""
    headers: bool = False
    timestamps: bool = False
