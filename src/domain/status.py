"""The present state in figures: what the loop publishes about once a second for metrics and readiness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from doka.domain.records import TopicPartition


@dataclass(frozen=True, slots=True)
class Stuck:
    """Why a partition waits, or a lane of it."""

    reason: str
    """One of a few words, fit for a label: gap, poison, letter_failed, unknown_code, not_settled, not_committed."""
    sentence: str


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """One owned partition. Ages are in ns on the loop's clock."""

    route: str
    watermark: int
    """The next offset to commit."""
    committed: int
    """The offset that Kafka is known to hold."""
    unsettled: int
    """Records fetched and not settled."""
    ahead: int
    """Records settled above the offset that Kafka is known to hold: what a crash now would repeat."""
    oldest_unsettled_age: int | None
    """How long the oldest unsettled record has been here; None without one."""
    oldest_timestamp_ms: int | None
    """Kafka timestamp of the oldest unsettled chunk; None without one."""
    paused: bool
    stuck: str | None
    """Why it, or a lane of it, waits for a person (a gap, a record that does not settle); None when nothing does."""
    log_end: int | None = None
    """End of the log, where the source knows it."""
    stuck_reason: str | None = None
    """The word for `stuck`, one of a few."""


@dataclass(frozen=True, slots=True)
class LeaseStatus:
    """One role's lease; `left` in ns, None where it has no end, negative when it is past."""

    role: str
    state: str
    serial: int
    left: int | None
    has_end: bool


@dataclass(frozen=True, slots=True)
class RouteStatus:
    """One route; `blocked` is the reason, None while it may send."""

    route: str
    blocked: str | None
    in_flight: int
    waiting: int
    key_fallbacks: int = 0
    """Kafka keys that are not UTF-8 and became base64, each time that one was met and not remembered."""


@dataclass(frozen=True, slots=True)
class Status:
    """The whole process at one moment."""

    at: int
    held_bytes: int
    held_bytes_max: int
    partitions: Mapping[TopicPartition, PartitionStatus] = field(default_factory=dict)
    leases: Mapping[str, LeaseStatus] = field(default_factory=dict)
    routes: Mapping[str, RouteStatus] = field(default_factory=dict)
    draining: bool = False
    missing_topics: frozenset[str] = frozenset()
    halted: str | None = None

    def reasons(self) -> tuple[str, ...]:
        """Say why this process is not ready, a sentence each; empty when it is."""
        found: list[str] = []
        if self.halted is not None:
            found.append(f"halted: {self.halted}")
        if self.draining:
            found.append("draining: this process is about to end")
        found += [f"route {r.route} is blocked: {r.blocked}" for r in self.routes.values() if r.blocked]
        found += [f"topic {topic} does not exist" for topic in sorted(self.missing_topics)]
        found += [f"partition {tp} waits: {p.stuck}" for tp, p in self.partitions.items() if p.stuck]
        return tuple(found)
