"""What one simulated run is made of, as values: the work, the weather, the incidents, the limits.

A plan is drawn from a seed (faults.py) or written by hand; the world then follows it to the letter.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from enum import Enum

from doka.adapters.compression.gzip import GZIP
from doka.adapters.compression.zstd import ZSTD
from doka.adapters.simulated.schemas import DECODE
from doka.domain.batch import Batch, Transform
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND, RECORD_BYTES_DEFAULT
from doka.domain.partitions.start_positions import LogEdge
from doka.domain.records import TopicPartition
from doka.domain.rules import (
    TOPICS_MAX_DEFAULT,
    AggregationRules,
    KeyEncoding,
    LimitRules,
    NullKey,
    NullValue,
    OnGap,
    Only,
    OnPoison,
    OnUnreadable,
    Ordering,
    RoleRules,
    RouteRules,
    Rules,
)


@dataclass(frozen=True, slots=True)
class Span:
    """A range from which a duration in ns is drawn; now and then, by `tail`, ten times as long."""

    least: int
    most: int
    tail: float = 0.0


@dataclass(frozen=True, slots=True)
class Work:
    """What is produced, and into what it goes."""

    routes: int = 1
    """How many topics there are."""
    tee: int = 1
    """How many routes read each topic."""
    partitions: int = 2
    shards: int = 2
    records: int = 100
    keys: int = 10
    burst: int = 10
    every: Span = Span(NS_PER_MS, 20 * NS_PER_MS)
    value_bytes: int = 100
    null_keys: float = 0.0
    tombstones: float = 0.0
    markers: float = 0.0
    holes: float = 0.0
    poison: float = 0.0
    """How likely a record can never land, as is seen before it is sent; at most one in each partition."""
    refused: float = 0.0
    """How likely a record can never land, as only the service knows; at most `poisons` in each partition."""
    large: float = 0.0
    """How likely a record is larger than the stream takes, as is seen before it is sent; at most `poisons` likewise."""
    unwanted: float = 0.0
    """How likely a record is one that its route leaves out; tombstones are, where there are any such."""
    undecodable: float = 0.0
    """How likely a record names no schema, or one that there is not, or does not fit its own; at most `poisons` likewise."""
    poisons: int = 1
    wide_keys: bool = False
    """Whether keys have more bytes than characters."""
    raw_keys: bool = False
    """Whether keys are bytes that are no text."""
    fetch_run: int = 500
    """How many records of one partition a fetch brings at most."""

    @property
    def poisoned(self) -> bool:
        """Whether there may be records that can never land."""
        return bool(self.poison or self.refused or self.large or self.undecodable)


@dataclass(frozen=True, slots=True)
class Rates:
    """How likely each fate is for one request, one entry, one question or one commit; all 0 is calm weather."""

    # A put as a whole. The first group never arrives, the second does and lands.
    unsent: float = 0.0
    reset_before: float = 0.0
    vanished: float = 0.0
    answer_lost: float = 0.0
    reset_after: float = 0.0
    garbled: float = 0.0
    late: float = 0.0
    throttled: float = 0.0
    failed_before: float = 0.0
    failed_after: float = 0.0
    # An answer that was given before comes instead of its own; it may have arrived, and may not.
    repeated: float = 0.0
    # One entry of it.
    entry_throttled: float = 0.0
    entry_failed: float = 0.0
    entry_unheard: float = 0.0
    """Refused, with a code that nobody has heard of."""
    # The entries of a put land in another order than that of the request.
    reordered: float = 0.0
    # Commits.
    commit_refused: float = 0.0
    commit_vanished: float = 0.0
    commit_unanswered: float = 0.0
    # Questions to STS and to the stream.
    sts_failed: float = 0.0
    sts_short: float = 0.0
    sts_past: float = 0.0
    sts_unknown: float = 0.0
    """A lease that no stream recognises, however new it is."""
    describe_failed: float = 0.0
    # Questions to the schema registry.
    registry_failed: float = 0.0
    # Dead letters.
    letter_refused: float = 0.0
    letter_unacknowledged: float = 0.0


CALM = Rates()


@dataclass(frozen=True, slots=True)
class Delays:
    """How long the ways are when nothing is wrong."""

    put: Span = Span(2 * NS_PER_MS, 6 * NS_PER_MS)
    answer: Span = Span(NS_PER_MS, 4 * NS_PER_MS)
    commit: Span = Span(NS_PER_MS, 4 * NS_PER_MS)
    sts: Span = Span(10 * NS_PER_MS, 40 * NS_PER_MS)
    join: Span = Span(5 * NS_PER_MS, 50 * NS_PER_MS)


class Kind(Enum):
    """What can befall the world at a moment of its own."""

    STS_DOWN = "sts_down"
    STS_SLOW = "sts_slow"
    STS_DENIED = "sts_denied"
    STS_THROTTLED = "sts_throttled"
    TOKENS_REVOKED = "tokens_revoked"
    ACCESS_DENIED = "access_denied"
    WALL_JUMP = "wall_jump"
    SUSPENDED = "suspended"
    REBALANCE = "rebalance"
    EXPELLED = "expelled"
    BROKER_STALL = "broker_stall"
    COORDINATOR_FROZEN = "coordinator_frozen"
    PARTITION_STALL = "partition_stall"
    RETENTION = "retention"
    COMPACTION = "compaction"
    TOPIC_RECREATED = "topic_recreated"
    STREAM_MISSING = "stream_missing"
    STREAM_UPDATING = "stream_updating"
    STREAM_AUTO = "stream_auto"
    DESCRIBE_DENIED = "describe_denied"
    SHARD_SPLIT = "shard_split"
    SHARD_HOT = "shard_hot"
    SHARD_MERGE = "shard_merge"
    STREAM_REFUSING = "stream_refusing"
    STREAM_DENIED = "stream_denied"
    LETTERS_DOWN = "letters_down"
    CRASH = "crash"
    STOP = "stop"
    CONSUMER_DEAD = "consumer_dead"
    # What lets records wait in Kafka without an error: drawn for runs that last long enough (faults.silent).
    BROKER_UNREACHABLE = "broker_unreachable"
    GROUP_REFUSED = "group_refused"
    TRANSACTION_OPEN = "transaction_open"
    QUOTA = "quota"
    # Drawn for runs of its own (faults.damaged).
    BATCH_UNREADABLE = "batch_unreadable"
    # What whoever owns a stream does to it: drawn for runs of many minutes (faults.changing).
    RECORD_LIMIT_RAISED = "record_limit_raised"
    # Drawn for runs whose routes decode (faults.decoding).
    REGISTRY_DOWN = "registry_down"
    # What whoever owns the topics does: drawn for runs with patterns (faults.growing).
    TOPIC_APPEARS = "topic_appears"
    PARTITION_ADDED = "partition_added"
    # What nothing draws, and a scene or a test may play.
    TOPIC_MISSING = "topic_missing"
    TOPIC_REFUSED = "topic_refused"
    # What a person does: drawn for runs in which somebody is on call (faults.on_call).
    SKIP_ORDERED = "skip_ordered"


UNDRAWN = (Kind.TOPIC_MISSING, Kind.TOPIC_REFUSED)
GROWTH = (Kind.TOPIC_APPEARS, Kind.PARTITION_ADDED)
SILENT = (Kind.BROKER_UNREACHABLE, Kind.GROUP_REFUSED, Kind.TRANSACTION_OPEN, Kind.QUOTA)


@dataclass(frozen=True, slots=True)
class Incident:
    """One fault with a beginning and an end (ns after the start); `draw` chooses what it hits."""

    kind: Kind
    at: int
    until: int
    draw: int = 0

    def __str__(self) -> str:
        return f"{self.kind.value}@{self.at / NS_PER_SECOND:.3f}..{self.until / NS_PER_SECOND:.3f}"


class Sick(Enum):
    """What never heals in a run."""

    NOTHING = "nothing"
    DEAD_STREAM = "dead_stream"
    HOT_SHARD = "hot_shard"
    UNFETCHABLE = "unfetchable"
    UNRENEWED = "unrenewed"
    """The policy never renews a lease, so each ends for ever."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One run, from its first record to its last commit. Durations and moments in ns after the start."""

    seed: int
    work: Work = field(default_factory=Work)
    delays: Delays = field(default_factory=Delays)
    rates: Rates = CALM
    incidents: tuple[Incident, ...] = ()
    limits: LimitRules = field(default_factory=LimitRules)
    role: RoleRules = field(default_factory=lambda: RoleRules("r0"))
    on_poison: OnPoison = OnPoison.BLOCK
    on_gap: OnGap = OnGap.BLOCK
    on_unreadable: OnUnreadable = OnUnreadable.BLOCK
    sick: Sick = Sick.NOTHING
    lease_life: int = 3_600 * NS_PER_SECOND
    session_timeout: int = 6 * NS_PER_SECOND
    restart: int = 100 * NS_PER_MS
    static_member: bool = False
    wall_skew_seconds: float = 0.0
    heal_at: int = NS_PER_SECOND
    heal_within: int = 240 * NS_PER_SECOND
    crash_steps: frozenset[int] = frozenset()
    record_bytes_max: int = RECORD_BYTES_DEFAULT
    """What each stream takes as one record, data and key; a real one takes a MiB or more."""
    aggregation: AggregationRules | None = None
    ordering: Ordering = Ordering.KEY
    partition_key: str = "kafka_key"
    """Where a route takes its keys from; `header:key` and `field:/key` give the same ones, see partition_log.py, producer.py."""
    envelope: bool = False
    newline: bool = False
    """Whether data ends in a newline; every third record that is written then has one already."""
    compress: str = "none"
    """`none`, `gzip` or `zstd`; of the records that are larger than the stream takes every other one fits compressed."""
    key_encoding: KeyEncoding = KeyEncoding.UTF8
    null_key: NullKey = NullKey.RANDOM
    null_value: NullValue = NullValue.EMPTY
    decodes: bool = False
    """Whether values were written with a schema registry."""
    transforms: bool = False
    """Whether a transform drops what is unwanted, instead of a filter."""
    patterned: bool = False
    """Whether the routes have their topics by patterns; nothing is written then before the group has begun."""
    topics_max: int = TOPICS_MAX_DEFAULT
    start_from: LogEdge = LogEdge.EARLIEST
    """Where a group without commits begins; only told to runs with patterns."""
    discovery: int = 30 * NS_PER_SECOND
    """How often it is looked for topics."""

    def key_of(self, partition: TopicPartition, key: bytes | None) -> str | None:
        """Give the partition key that a record must have; None where it is nobody's choice."""
        if self.partition_key == "random":
            return None
        if key is None:
            named = f"{partition.topic}-{partition.partition}"
            return named if self.null_key is NullKey.PARTITION else None
        match KeyEncoding.UTF8 if self.partition_key.startswith("field:") else self.key_encoding:
            case KeyEncoding.UTF8:
                return key.decode() if _is_text(key) else b64encode(key).decode()
            case KeyEncoding.BASE64:
                return b64encode(key).decode()
            case KeyEncoding.HEX:
                return key.hex()

    @property
    def calm(self) -> bool:
        """Whether nothing at all goes wrong."""
        return (
            self.rates == CALM
            and not self.incidents
            and not self.crash_steps
            and self.delays == Delays()
            and self.sick is Sick.NOTHING
            and not self.poisoned
        )

    @property
    def poisoned(self) -> bool:
        """Whether there may be records that can never land, by themselves or by the rules of the routes."""
        keyless = self.work.null_keys and self.null_key is NullKey.REJECT
        return self.work.poisoned or bool(keyless or (self.work.tombstones and self.null_value is NullValue.REJECT))

    def topic(self, route: int) -> str:
        """Name the topic of a route."""
        return f"t{route}"

    def routes_of(self, topic: int) -> tuple[str, ...]:
        """Name the routes of a topic, and their streams."""
        return tuple(f"s{topic}" if leg == 0 else f"s{topic}x{leg}" for leg in range(self.work.tee))

    def rules(self) -> Rules:
        """Give the forwarder's rules: as many routes for each topic as its work says, all with one role."""
        routes = tuple(
            RouteRules(
                name,
                frozenset() if self.patterned else frozenset({self.topic(i)}),
                self.role.name,
                patterns=frozenset({f"{self.topic(i)}*"}) if self.patterned else frozenset(),
                topics_max=self.topics_max,
                partition_key=self.partition_key,
                envelope=self.envelope,
                key_encoding=self.key_encoding,
                null_key=self.null_key,
                null_value=self.null_value,
                newline=self.newline,
                compression=_COMPRESSIONS[self.compress],
                ordering=self.ordering,
                on_poison=self.on_poison,
                aggregation=self.aggregation,
                decode=DECODE if self.decodes else None,
                only=_ONLY if self.work.unwanted and not self.transforms else None,
                transform=_DROPS if self.work.unwanted and self.transforms else None,
            )
            for i in range(self.work.routes)
            for name in self.routes_of(i)
        )
        return Rules(routes, (self.role,), self.limits, self.on_gap, self.on_unreadable)


_COMPRESSIONS = {"none": None, "gzip": GZIP, "zstd": ZSTD}
UNWANTED = b'{"wanted":"n"'
"""The beginning of a value that is unwanted, where there are such."""
WANTED = b'{"wanted":"y"'
_ONLY = Only("pointer:/wanted", frozenset({"y"}))


def _drop_unwanted(batch: Batch) -> None:
    for index, value in enumerate(batch.values):
        if value is None or value.startswith(UNWANTED):
            batch.drop(index)


_DROPS = Transform("simulated", "", _drop_unwanted, lambda: 0)


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
