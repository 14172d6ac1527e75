"""The atom of what a route sends: some records of one chunk, and what can be done with a list of such."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import NamedTuple

from doka.domain.held.ledger import HeldChunk
from doka.domain.partitions.partition import Partition


class Part(NamedTuple):
    """Some records of one held chunk that leave together; those of one key ascend."""

    chunk: HeldChunk
    places: Sequence[int]
    attempts: int = 0
    """How often they were sent before; it goes with the records, so that a request's old ones never slow its new ones."""


Refused = tuple[Sequence[Part], Sequence[str]]
"""Refused records that must be tried together, and the code of each part of them."""

_PLACES = itemgetter(1)


def count(parts: Iterable[Part]) -> int:
    """Count the records of parts."""
    return sum(map(len, map(_PLACES, parts)))


def without_unsent(parts: Iterable[Part], partition: Partition) -> list[Part]:
    """Leave out what lies above everything that was sent of a partition, and all of partitions that are gone.

    A drain cuts the ledger there: a record above it that left all the same would settle one that nobody sent.
    """
    kept: list[Part] = []
    for part in parts:
        if part.chunk.owner is partition:
            offsets, end = part.chunk.offsets, partition.sent_to
            part = part._replace(places=[i for i in part.places if offsets[i] < end])  # noqa: PLW2901 - narrowed
        if part.places and not part.chunk.owner.gone:
            kept.append(part)
    return kept


def split(parts: Sequence[Part], records: int) -> tuple[list[Part], list[Part]]:
    """Cut a list of parts after so many records."""
    head: list[Part] = []
    tail: list[Part] = []
    for part in parts:
        if len(part.places) <= records:  # all but one of them
            records -= len(part.places)
            head.append(part)
            continue
        if records:
            head.append(part._replace(places=part.places[:records]))
            part = part._replace(places=part.places[records:])  # noqa: PLW2901 - narrowed
            records = 0
        tail.append(part)
    return head, tail
