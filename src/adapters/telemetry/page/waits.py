"""How far behind the partitions are, all together and the first of them, read column by column: there may be 10,000.

Made on the thread that answers HTTP, whose interpreter is the loop's; so nothing here runs once for each partition but
comprehensions and calls of C.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import count
from operator import attrgetter
from typing import Any, Final

from doka.adapters.telemetry.page.runbook import place_of
from doka.adapters.telemetry.present import age_seconds, lag_records, lag_seconds_of, waiting_seconds
from doka.adapters.telemetry.redaction import redact
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.status import PartitionStatus, Status

PARTITIONS_MAX: Final = 200
"""Of one process, those that wait first: more than a person reads."""


@dataclass(frozen=True, slots=True)
class Waits:
    """What is told of the partitions of one status."""

    owned: int
    of_routes: Mapping[str, Mapping[str, Any]]
    """By route; one without a partition is not in it."""
    first: Sequence[Mapping[str, Any]]
    """Those that are stuck, then those that wait longest."""


def waits_of(status: Status, passed: int, wall: float) -> Waits:
    """Look at all partitions, `passed` ns after the status and at `wall` seconds of the day."""
    legs = status.legs()
    partitions = [leg for _, leg in legs]
    lags, seconds = _lags(partitions), _seconds(partitions, passed, wall)
    stuck = [each is not None for each in map(attrgetter("stuck"), partitions)]
    urgencies = zip(stuck, [each or 0.0 for each in seconds], [each or 0 for each in lags], count(0, -1), strict=False)
    first = [legs[-place] for _, _, _, place in nlargest(PARTITIONS_MAX, urgencies)]
    places: dict[str, list[int]] = {}
    for place, route in enumerate(map(attrgetter("route"), partitions)):
        places.setdefault(route, []).append(place)
    of_routes = {
        route: _together(
            [stuck[each] for each in those], [lags[each] for each in those], [seconds[each] for each in those]
        )
        for route, those in places.items()
    }
    return Waits(len(status.partitions), of_routes, [_shown(tp, leg, passed, wall) for tp, leg in first])


def _lags(partitions: Sequence[PartitionStatus]) -> list[int | None]:
    """Give `lag_records` of each."""
    ends, marks = (map(attrgetter(name), partitions) for name in ("log_end", "watermark"))
    return [None if end is None else end - mark if end > mark else 0 for end, mark in zip(ends, marks, strict=True)]


def _seconds(partitions: Sequence[PartitionStatus], passed: int, wall: float) -> list[float | None]:
    """Give `lag_seconds_of` of each; what holds for most partitions, be all calm or all late, takes no call."""
    stamps = map(attrgetter("oldest_timestamp_ms"), partitions)
    waits = [
        None if each is None else (each + passed) / NS_PER_SECOND if each else 0.0
        for each in map(attrgetter("waiting"), partitions)
    ]
    return [
        0.0
        if stamp is None and waiting == 0.0
        else max(wall - stamp / 1000, waiting)
        if waiting and stamp is not None and stamp >= 0
        else lag_seconds_of(partition, wall, waiting)
        for partition, stamp, waiting in zip(partitions, stamps, waits, strict=True)
    ]


def _together(stuck: Sequence[bool], lags: Sequence[int | None], seconds: Sequence[float | None]) -> dict[str, Any]:
    return {
        "partitions": len(stuck),
        "stuck": sum(stuck),
        "lag": None if None in lags else sum(filter(None, lags)),
        "lag_seconds": max((each for each in seconds if each is not None), default=None),
    }


NOTHING_WAITS: Final[Mapping[str, Any]] = _together([], [], [])
"""What is told of a route without a partition."""


def _shown(tp: TopicPartition, partition: PartitionStatus, passed: int, wall: float) -> dict[str, Any]:
    seconds, stuck = waiting_seconds(partition, passed), partition.stuck
    return {
        "topic": tp.topic,
        "partition": tp.partition,
        "route": partition.route,
        "lag": lag_records(partition),
        "lag_seconds": lag_seconds_of(partition, wall, seconds),
        "waiting_seconds": seconds,
        "age_seconds": age_seconds(partition, passed),
        "unsettled": partition.unsettled,
        "ahead": partition.ahead,
        "paused": partition.paused,
        "stuck": None if stuck is None else redact(stuck),
        "stuck_at": None if stuck is None else place_of(f" waits: {stuck}"),
    }
