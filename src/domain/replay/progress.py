"""How far a replay has come: of each of its ranges, what has settled, and what is left to be read.

What has settled of a partition is all below its watermark, as for the service: what landed above a record that has not is
sent again by whoever goes on from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from doka.domain.records import TopicPartition


class ReplayRange(NamedTuple):
    """Offsets of one partition, from `first` to below `end`."""

    partition: TopicPartition
    first: int
    end: int

    @property
    def offsets(self) -> int:
        """How many there are; no more records than these."""
        return self.end - self.first


class Progress:
    """What was asked for, and the watermark of each partition; a watermark only rises."""

    def __init__(self, asked: Iterable[ReplayRange], settled: Mapping[TopicPartition, int] | None = None) -> None:
        """Take all ranges, and how far an earlier run has come."""
        self.asked = tuple(sorted(asked))
        self.settled = dict(settled or {})

    def settle(self, watermarks: Mapping[TopicPartition, int]) -> None:
        """Note that all below these offsets has settled."""
        for partition, watermark in watermarks.items():
            self.settled[partition] = max(watermark, self.settled.get(partition, 0))

    @property
    def left(self) -> tuple[ReplayRange, ...]:
        """What is left to be read: of each range, what is not below the watermark."""
        cut = (each._replace(first=max(each.first, self.settled.get(each.partition, 0))) for each in self.asked)
        return tuple(each for each in cut if each.first < each.end)

    @property
    def offsets(self) -> int:
        """How many offsets were asked for."""
        return sum(each.offsets for each in self.asked)

    @property
    def offsets_settled(self) -> int:
        """How many of them have settled."""
        return self.offsets - sum(each.offsets for each in self.left)

    @property
    def finished(self) -> bool:
        """Whether all has settled."""
        return not self.left
