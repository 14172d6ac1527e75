"""How often each key occurs, within bounded memory: each counted while they are few, else the frequent ones within a bound.

Theory of operation. The counts stand in one table. When it outgrows its bound, the count of the first key that does not
belong to the most frequent is taken off from all, and what is left with nothing is forgotten (Misra and Gries). So a count
is never too high, and too low by `error` at most, by what was taken off in all: no key that is more frequent than that is
ever forgotten. How many keys there are is then estimated from the smallest hashes that occurred.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from doka.domain.records import TopicPartition

COUNTED_MAX: Final = 50_000
"""Keys that are counted at a time, each with some 300 bytes: 15 MiB of each route."""
KEPT: Final = 10_000
"""How many stay when these are too many."""
SMALLEST: Final = 1_024
"""How many of the smallest hashes are kept: the estimate is then within some 3 % (1/sqrt(1,022)) two times in three."""
_HASH_BYTES: Final = 8

Lane = tuple[TopicPartition, str]
"""A key of a partition: what `ordering: key` sends one by one."""


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """How records are shared among keys."""

    seen: int
    """How many keys there are; an estimate where `counted` is False."""
    counted: bool
    """Whether each key was counted; else `hottest` may be too low by `error`."""
    hottest: int
    """Records of the most frequent key."""
    hottest_lane: int
    """Records of the most frequent key of one partition."""
    error: int


class KeyCounts:
    """The counts of one route."""

    def __init__(self, counted_max: int = COUNTED_MAX, kept: int = KEPT) -> None:
        """Count up to `counted_max` keys of partitions, and keep `kept` of them when there are more."""
        self._counted_max, self._kept = counted_max, kept
        self._counts: dict[Lane, int] = {}
        self._error = 0
        self._distinct = _Distinct()

    def add(self, partition: TopicPartition, keys: Iterable[str]) -> None:
        """Take in the keys of records of one partition."""
        counts = self._counts
        for key, count in Counter(keys).items():
            lane = partition, key
            known = counts.get(lane)
            if known is None:
                self._distinct.add(key)
            counts[lane] = count + (known or 0)
        if len(counts) > self._counted_max:
            self._forget()

    def _forget(self) -> None:
        taken_off = sorted(self._counts.values(), reverse=True)[self._kept]
        self._error += taken_off
        self._counts = {lane: count - taken_off for lane, count in self._counts.items() if count > taken_off}

    def figures(self) -> KeyFigures:
        """Say how the records are shared among the keys."""
        counted = not self._error
        of_key = _by_key(self._counts)
        return KeyFigures(
            seen=len(of_key) if counted else self._distinct.estimate(),
            counted=counted,
            hottest=max(of_key.values(), default=0),
            hottest_lane=max(self._counts.values(), default=0),
            error=self._error,
        )


def _by_key(counts: Mapping[Lane, int]) -> Mapping[str, int]:
    found: Counter[str] = Counter()
    for (_, key), count in counts.items():
        found[key] += count
    return found


class _Distinct:
    """How many different keys came, from their smallest hashes: n of them lie n/N deep in the space of all N."""

    def __init__(self) -> None:
        self._smallest: list[int] = []  # a heap of the negated hashes: the largest of them first
        self._kept: set[int] = set()

    def add(self, key: str) -> None:
        found = int.from_bytes(blake2b(key.encode(), digest_size=_HASH_BYTES).digest(), "big")
        if found in self._kept:
            return
        if len(self._kept) < SMALLEST:
            heapq.heappush(self._smallest, -found)
        elif found < -self._smallest[0]:
            self._kept.discard(-heapq.heapreplace(self._smallest, -found))
        else:
            return
        self._kept.add(found)

    def estimate(self) -> int:
        """Give how many there are, exactly while they are no more than are kept."""
        if len(self._kept) < SMALLEST:
            return len(self._kept)
        return ((SMALLEST - 1) << 8 * _HASH_BYTES) // -self._smallest[0]
