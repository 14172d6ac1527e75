"""A skip: a person's order to pass exactly these offsets of one partition, with who, when and why."""

from __future__ import annotations

from dataclasses import dataclass

from doka.domain.records import TopicPartition


@dataclass(frozen=True, slots=True, order=True)
class Skip:
    """What stands at these offsets is never sent by who has heard of it, and counts as settled when its turn comes.

    Nothing below them is settled by it, and nothing above them.
    """

    first: int
    far: int
    """One above the last of them."""
    by: str
    """Who ordered it, as it was told."""
    at: str
    """When, in UTC, as 2026-11-29T20:15:00Z."""
    reason: str
    """Why, in words of the one who ordered it."""

    def covers(self, first: int, far: int) -> bool:
        """Say whether all offsets from `first` to below `far` are among them."""
        return self.first <= first and far <= self.far


def offsets_shown(first: int, far: int) -> str:
    """Show the offsets from `first` to below `far`: the one that it is, or the first and the last."""
    return str(first) if far == first + 1 else f"{first}-{far - 1}"


def place_shown(partition: TopicPartition, first: int, far: int) -> str:
    """Show offsets of a partition as `doka skip` takes them: TOPIC:PARTITION:OFFSET, or TOPIC:PARTITION:FIRST-LAST."""
    return f"{partition.topic}:{partition.partition}:{offsets_shown(first, far)}"
