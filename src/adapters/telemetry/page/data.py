"""What /status.json says: the status that the loop published last, by name, with what telemetry has counted.

    {"format": 1, "version": "0.2.0", "group": "doka-orders", "ready": true, "reasons": [], "processes": [...]}

A process is one worker, or the only one; `reasons` are those of /readyz. Names, figures and doka's own sentences stand
here: never a payload, a key, an ARN or an address. null is what is not known. Within a format names are added only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from doka.adapters.telemetry.page.runbook import place_of
from doka.adapters.telemetry.page.waits import NOTHING_WAITS, Waits
from doka.adapters.telemetry.present import kms_key_shown, seconds_left
from doka.adapters.telemetry.redaction import redact
from doka.domain.limits import NS_PER_SECOND
from doka.domain.status import Status, StreamStatus

FORMAT: Final = 1
REASONS_MAX: Final = 100
"""A cluster that is away is a reason for each of 10,000 partitions, and they are alike."""


@dataclass(frozen=True, slots=True)
class RouteTotals:
    """What was counted of a route since the process started."""

    settled: int = 0
    settled_bytes: int = 0
    failed: int = 0
    """Records that a put left un-settled, each time."""


_NO_TOTALS: Final = RouteTotals()


@dataclass(frozen=True, slots=True)
class Totals:
    """What was counted since the process started."""

    routes: Mapping[str, RouteTotals] = field(default_factory=dict)
    rebalances: Mapping[str, int] = field(default_factory=dict)
    """How often partitions were assigned, revoked and lost."""


@dataclass(frozen=True, slots=True)
class Service:
    """What is told of the service whoever of its processes is asked."""

    version: str
    group: str
    runbook: str | None = None
    """Where a browser finds doka's documents; it ends with a slash."""


def whole(service: Service, reasons: Sequence[str], processes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Give all that is told of a service whose processes these are."""
    return {
        "format": FORMAT,
        "version": service.version,
        "group": service.group,
        "runbook": service.runbook,
        "ready": not reasons,
        "reasons": list(reasons[:REASONS_MAX]),
        "reasons_at": [*map(place_of, reasons[:REASONS_MAX])],
        "reasons_count": len(reasons),
        "processes": list(processes),
    }


def process_data(status: Status, waits: Waits, now: int, streams: Mapping[str, str], totals: Totals) -> dict[str, Any]:
    """Give what is told of one process.

    Args:
        status: What its loop published last.
        waits: How far behind its partitions are.
        now: The clock's time (ns); what runs with time has gone on since the status.
        streams: The name of each route's stream.
        totals: What was counted.
    """
    passed = max(0, now - status.at)
    return {
        "draining": status.draining,
        "held_bytes": status.held_bytes,
        "held_bytes_max": status.held_bytes_max,
        "throttled_seconds": status.throttled / NS_PER_SECOND,
        "rebalances": dict(totals.rebalances),
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
                "blocked_at": None if route.blocked is None else place_of(f" is blocked: {route.blocked}"),
                "in_flight": route.in_flight,
                "waiting": route.waiting,
                "filtered": sum(route.filtered.values()) if route.filtered else None,
                "stream_facts": None if route.stream is None else _stream(route.stream, status.at + passed),
                **_totals(totals.routes.get(route.route, _NO_TOTALS)),
                **waits.of_routes.get(route.route, NOTHING_WAITS),
            }
            for route in status.routes.values()
        ],
        "partitions_owned": waits.owned,
        "partitions": list(waits.first),
    }


def _stream(stream: StreamStatus, now: int) -> dict[str, Any]:
    described_at = stream.described_at
    return {
        "record_bytes_max": stream.record_bytes_max,
        "open_shards": stream.open_shards,
        "distribution": stream.distribution,
        "kms_key": kms_key_shown(stream),
        "described_seconds_ago": None if described_at is None else max(0, now - described_at) / NS_PER_SECOND,
    }


def _totals(totals: RouteTotals) -> dict[str, int]:
    return {"settled": totals.settled, "settled_bytes": totals.settled_bytes, "failed": totals.failed}
