"""What was read back of a stream: runs of records of one shard, as columns, and how far each shard has been read.

It is to an audit what a chunk is to the service.
A record that the stream returned stands here exactly once, in the order of its shard, whatever it holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from doka.domain.events import LeaseRefused, StreamRefused


@dataclass(frozen=True, slots=True, eq=False)
class Landed:
    """One run of records of one shard, in the order in which the shard took them, as columns of equal length.

    `sequence_numbers` are the service's own digits; they ascend by their value, and the records of one aggregate share
    theirs, and `arrived_ms`: ms since the epoch, by the service's clock (ApproximateArrivalTimestamp).
    """

    shard: str
    keys: Sequence[str]
    data: Sequence[bytes]
    sequence_numbers: Sequence[str]
    arrived_ms: Sequence[int]
    count: int = field(init=False)
    """How many records there are."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", len(self.keys))

    def __repr__(self) -> str:
        return f"Landed({self.shard}, {self.count} records)"


@dataclass(frozen=True, slots=True)
class ShardReached:
    """How far a shard has been read, told behind the records that it speaks of.

    All that arrived in the shard before `arrived_ms` has been given. `sequence_number` is the last record's, behind which
    another reading goes on; None where the shard has shown none yet. `ended`: nothing of the window is left in it.
    """

    shard: str
    arrived_ms: int
    sequence_number: str | None
    ended: bool


@dataclass(frozen=True, slots=True)
class StreamSpan:
    """What of a stream can be read for a window, and since when the stream holds records.

    `shards`: each that may hold something, closed ones too, with those of them that it came out of by a split or a merge.
    `now_ms` is the service's time, in which all arrivals are told, whatever the host's clock says. What arrived before
    `held_since_ms` is gone by the stream's retention; None where the stream does not say.
    """

    shards: Mapping[str, tuple[str, ...]]
    now_ms: int
    held_since_ms: int | None


class StreamUnreadableError(Exception):
    """A stream does not give what was asked of it, and asking again would not help; `refusal` says why."""

    def __init__(self, refusal: StreamRefused | LeaseRefused) -> None:
        super().__init__(f"{refusal.code}: {refusal.message}")
        self.refusal = refusal
