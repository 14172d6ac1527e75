"""What /status.json says: the status that the loop published last, by name, with what telemetry has counted.

    {"format": 1, "version": "0.2.0", "group": "doka-orders", "ready": true, "reasons": [], "processes": [...]}

A process is one worker, or the only one; `reasons` are those of /readyz. Names, figures and doka's own sentences stand
here: never a payload, a key, an ARN or an address. null is what is not known. Within a format names are added only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import Any, Final, NamedTuple

from doka.adapters.telemetry.present import age_seconds, lag_records, lag_seconds_of, seconds_left, waiting_seconds
from doka.adapters.telemetry.redaction import redact
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.status import PartitionStatus, Status

FORMAT: Final = 1
PARTITIONS_MAX: Final = 200
"""Of one process, those that wait first: more than a person reads, and what 10,000 would cost is the loop's interpreter."""


@dataclass(frozen=True, slots=True)
class RouteTotals:
    """What was counted of a route since the process started."""

    settled: int = 0
    settled_bytes: int = 0
    failed: int = 0
    """Records that a put left un-settled, each time."""


class _Waits(NamedTuple):
    """How far behind a partition is: what all of them are sorted and added up by."""

    tp: TopicPartition
    partition: PartitionStatus
    lag: int | None
    seconds: float | None
    lag_seconds: float | None

    @classmethod
    def of(cls, tp: TopicPartition, partition: PartitionStatus, passed: int, wall: float) -> _Waits:
        seconds = waiting_seconds(partition, passed)
        return cls(tp, partition, lag_records(partition), seconds, lag_seconds_of(partition, wall, seconds))

    def urgency(self) -> tuple[bool, float, int]:
        return self.partition.stuck is not None, self.lag_seconds or 0.0, self.lag or 0


def whole(version: str, group: str, reasons: Sequence[str], processes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Give all that is told of a service whose processes these are."""
    return {
        "format": FORMAT,
        "version": version,
        "group": group,
        "ready": not reasons,
        "reasons": list(reasons),
        "processes": list(processes),
    }


def process_data(
    status: Status, now: int, wall: float, streams: Mapping[str, str], totals: Mapping[str, RouteTotals]
) -> dict[str, Any]:
    """Give what is told of one process.

    Args:
        status: What its loop published last.
        now: The clock's time (ns); what runs with time has gone on since the status.
        wall: The time of day (s).
        streams: The name of each route's stream.
        totals: What was counted of each route.
    """
    passed = max(0, now - status.at)
    found = [_Waits.of(tp, each, passed, wall) for tp, each in status.partitions.items()]
    of_routes: dict[str, list[_Waits]] = {route: [] for route in status.routes}
    for each in found:
        of_routes.setdefault(each.partition.route, []).append(each)
    return {
        "draining": status.draining,
        "held_bytes": status.held_bytes,
        "held_bytes_max": status.held_bytes_max,
        "throttled_seconds": status.throttled / NS_PER_SECOND,
        "topics": dict(status.topic_partitions),
        "leases": [
            {
                "role": lease.role,
                "state": lease.state,
                "seconds_left": seconds_left(lease, passed) if lease.has_end else None,
                "has_end": lease.has_end,
                "wanted": lease.wanted,
            }
            for lease in status.leases.values()
        ],
        "routes": [
            {
                "route": route.route,
                "stream": streams.get(route.route),
                "blocked": None if route.blocked is None else redact(route.blocked),
                "in_flight": route.in_flight,
                "waiting": route.waiting,
                **_totals(totals.get(route.route, RouteTotals())),
                **_together(of_routes[route.route]),
            }
            for route in status.routes.values()
        ],
        "partitions_owned": len(found),
        "partitions": [_partition(each, passed) for each in nlargest(PARTITIONS_MAX, found, key=_Waits.urgency)],
    }


def _totals(totals: RouteTotals) -> dict[str, int]:
    return {"settled": totals.settled, "settled_bytes": totals.settled_bytes, "failed": totals.failed}


def _together(partitions: Sequence[_Waits]) -> dict[str, Any]:
    lags = [each.lag for each in partitions]
    return {
        "partitions": len(partitions),
        "stuck": sum(each.partition.stuck is not None for each in partitions),
        "lag": None if None in lags else sum(filter(None, lags)),
        "lag_seconds": max((each.lag_seconds for each in partitions if each.lag_seconds is not None), default=None),
    }


def _partition(waits: _Waits, passed: int) -> dict[str, Any]:
    tp, partition = waits.tp, waits.partition
    return {
        "topic": tp.topic,
        "partition": tp.partition,
        "route": partition.route,
        "lag": waits.lag,
        "lag_seconds": waits.lag_seconds,
        "waiting_seconds": waits.seconds,
        "age_seconds": age_seconds(partition, passed),
        "unsettled": partition.unsettled,
        "ahead": partition.ahead,
        "paused": partition.paused,
        "stuck": None if partition.stuck is None else redact(partition.stuck),
    }
