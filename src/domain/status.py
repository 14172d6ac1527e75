"""The present state in figures: what the loop publishes about once a second for metrics and readiness."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition

GROUP_LOST_NS = 20 * NS_PER_SECOND
"""How long the group may be out of reach before this process says that it is not ready.

Longer than a coordinator's move to another broker takes, shorter than the 30 s after which no wait may be silent.
"""

BY_KEY, AUTO = "by partition key", "AUTO"
"""How a stream may place records on its shards: by their keys, or as it likes."""


@dataclass(frozen=True, slots=True)
class Stuck:
    """Why a partition waits, or a lane of it."""

    reason: str
    """One of a few words, fit for a label: gap, unreadable, poison, letter_failed, unknown_code, schema, not_settled, not_committed,
    slower_route, and those of `partitions/log_watch.py`."""
    sentence: str


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """Whether this process is a member of its consumer group. Times in ns on the loop's clock."""

    joined: bool
    """Whether it has an assignment of the group, be it an empty one: not before the first, nor after it was declared dead."""
    lost_since: int | None = None
    """Since when it has none, or the group cannot be reached; None while all is well."""
    why: str = ""
    """The client's own last words about it."""

    def reason(self, now: int) -> str | None:
        """Say why nothing can come of the group; None where it can."""
        waits = 0 if self.lost_since is None else now - self.lost_since
        said = f": {self.why}" if self.why else ""
        if not self.joined:
            return f"the consumer group has given no assignment, for {waits // NS_PER_SECOND} s{said}"
        if waits >= GROUP_LOST_NS:
            return f"the consumer group is lost since {waits // NS_PER_SECOND} s{said}"
        return None


@dataclass(frozen=True, slots=True)
class LogStatus:
    """What the source knows of the log of an owned partition. Times in ns on the loop's clock."""

    end: int | None = None
    """Where the log ended when its broker said so last."""
    told_at: int | None = None
    """When that was; None: it has said nothing yet."""
    open_from: int | None = None
    """Where the first transaction begins that is still open, and behind which nothing can be read; None: none is known."""
    broker: str = "its broker"
    """Who leads it, for a person."""
    throttled_until: int | None = None
    """Until when that broker lets this process wait for a quota, as it said last."""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """What the source knows of Kafka without asking."""

    group: GroupStatus
    logs: Mapping[TopicPartition, LogStatus] = field(default_factory=dict)
    throttled: int = 0
    """For how long (ns) brokers have let this process wait for their quotas, since it started."""
    topic_partitions: Mapping[str, int] = field(default_factory=dict)
    """How many partitions each subscribed topic has, owned by whomever; what is not known, or not there, is left out."""


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """One owned partition, as one route has it. Ages are in ns on the loop's clock."""

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
    """End of the log; None where its broker has not told it for a while."""
    stuck_reason: str | None = None
    """The word for `stuck`, one of a few."""
    waiting: int | None = None
    """How long the oldest record that has not settled has waited, here or in Kafka, since this process could know of it;
    0 where nothing waits, None where that is not known."""
    others: tuple[PartitionStatus, ...] = ()
    """The same partition as each other route that reads it has it; theirs are empty."""


@dataclass(frozen=True, slots=True)
class LeaseStatus:
    """One role's lease; `left` in ns, None where it has no end, negative when it is past."""

    role: str
    state: str
    serial: int
    left: int | None
    has_end: bool
    wanted: bool = False
    """Whether another one should be here by now, as the role's rotation says: it is due, or nothing may be signed."""


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """What is known of a route's stream; None stands for what it has not told."""

    record_bytes_max: int
    """Of one record, data plus key, in bytes; the default of the service while the stream has not told its own."""
    open_shards: int | None = None
    distribution: str | None = None
    """BY_KEY or AUTO."""
    kms_key: str | None = None
    """The KMS key with which it is encrypted, as it names it; None also where there is none."""
    described_at: int | None = None
    """When it told this last, in ns on the loop's clock; None: it never has."""


@dataclass(frozen=True, slots=True)
class RouteStatus:
    """One route; `blocked` is the reason, None while it may send."""

    route: str
    blocked: str | None
    in_flight: int
    waiting: int
    key_fallbacks: int = 0
    """Kafka keys that are not UTF-8 and became base64, each time that one was met and not remembered."""
    filtered: Mapping[str, int] = field(default_factory=dict)
    """Records that were filtered since this process started, by the reason; empty where the route filters nothing."""
    schemas: int | None = None
    """How many schemas it keeps; None where it decodes nothing."""
    stream: StreamStatus | None = None
    """None where nobody has asked for it."""


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
    refused_topics: frozenset[str] = frozenset()
    topics_matched: Mapping[str, int] = field(default_factory=dict)
    """How many topics the patterns of each route have brought; only routes with patterns are in it, once looked for."""
    topics_left: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Why topics that patterns match are not read, a sentence each, with the topics; none where no topic matches."""
    halted: str | None = None
    group: GroupStatus | None = None
    """None where nothing is known of it, as after the group was left."""
    throttled: int = 0
    """For how long (ns) Kafka has let this process wait for its quotas."""
    topic_partitions: Mapping[str, int] = field(default_factory=dict)
    """How many partitions each subscribed topic has, owned by whomever; what is not known, or not there, is left out."""

    def reasons(self) -> tuple[str, ...]:
        """Say why this process is not ready, a sentence each; empty when it is."""
        found: list[str] = []
        if self.halted is not None:
            found.append(f"halted: {self.halted}")
        if self.draining:
            found.append("draining: this process is about to end")
        elif self.group is not None and (lost := self.group.reason(self.at)) is not None:
            found.append(lost)
        found += self._blocked_routes()
        found += [f"topic {topic} does not exist" for topic in sorted(self.missing_topics)]
        found += [f"topic {topic} may not be read: grant READ on it" for topic in sorted(self.refused_topics)]
        found += self.topics_left
        found += self._stuck_partitions()
        return tuple(found)

    def legs(self) -> list[tuple[TopicPartition, PartitionStatus]]:
        """Give each owned partition once for each route that reads it."""
        return [(tp, leg) for tp, first in self.partitions.items() for leg in (first, *first.others)]

    def in_the_way(self) -> str | None:
        """Give the first reason why records that are here do not land; None while there is none."""
        return next(chain(self._blocked_routes(), self._stuck_partitions()), None)

    def _blocked_routes(self) -> Iterator[str]:
        return (f"route {r.route} is blocked: {r.blocked}" for r in self.routes.values() if r.blocked)

    def _stuck_partitions(self) -> Iterator[str]:
        return iter(dict.fromkeys(f"partition {tp} waits: {p.stuck}" for tp, p in self.legs() if p.stuck))
