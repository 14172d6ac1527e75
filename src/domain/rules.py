"""What the operator decided, as values: the domain's own view of the configuration, already checked and resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from doka.domain.batch import Transform
from doka.domain.compression import Compression
from doka.domain.limits import KEY_CACHE_BYTES, NS_PER_MS, NS_PER_SECOND, PUT_RECORDS_MAX
from doka.domain.patterns import matches
from doka.domain.schemas import Decode, Framing

TOPICS_MAX_DEFAULT = 100


class Ordering(Enum):
    """What order a route keeps."""

    KEY = "key"
    KEY_IN_REQUEST = "key_in_request"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class AggregationRules:
    """Many records in one Kinesis record, in order: how large, how long it waits for more, how many lanes. In bytes, ns."""

    target_bytes: int = 51_200
    linger: int = 100 * NS_PER_MS
    lanes: int = 64


class NullKey(Enum):
    """What a record without a Kafka key (or without the chosen field) gets as its partition key."""

    RANDOM = "random"
    PARTITION = "partition"
    REJECT = "reject"


class NullValue(Enum):
    """What a tombstone becomes."""

    EMPTY = "empty"
    REJECT = "reject"


class KeyEncoding(Enum):
    """How the bytes of a Kafka key become the characters of a partition key."""

    UTF8 = "utf8"
    BASE64 = "base64"
    HEX = "hex"


class OnPoison(Enum):
    """What happens to a record that can never land."""

    BLOCK = "block"
    DROP = "drop"
    DEAD_LETTER = "dead_letter"


class OnGap(Enum):
    """What happens when records left the log before they were read."""

    BLOCK = "block"
    CONTINUE = "continue"


class OnUnreadable(Enum):
    """What happens when stored records cannot be read."""

    BLOCK = "block"
    CONTINUE = "continue"


class RotationPolicy(Enum):
    """When a lease is renewed; every policy also renews after a rejection, except NEVER."""

    BEFORE_EXPIRY = "before_expiry"
    INTERVAL = "interval"
    ON_DEMAND = "on_demand"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class RoleRules:
    """How the leases of one role are kept. Durations in ns."""

    name: str
    policy: RotationPolicy = RotationPolicy.BEFORE_EXPIRY
    margin: int = 600 * NS_PER_SECOND
    interval: int = 1800 * NS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Only:
    """Which records of a route are sent: those of which a field, or a header, is one of these texts."""

    field: str
    """`pointer:` and a JSON pointer into the value, or `header:` and the name of a header."""
    texts: frozenset[str]

    @property
    def reads_headers(self) -> bool:
        """Whether it looks at a header."""
        return self.field.startswith("header:")


@dataclass(frozen=True, slots=True)
class RouteRules:
    """One route: its topics, its role, and how its records become Kinesis records."""

    name: str
    topics: frozenset[str]
    role: str
    partition_key: str = "kafka_key"
    null_key: NullKey = NullKey.RANDOM
    null_value: NullValue = NullValue.EMPTY
    key_encoding: KeyEncoding = KeyEncoding.UTF8
    ordering: Ordering = Ordering.KEY
    envelope: bool = False
    replayed: bool = False
    """Whether its records are sent once more, which their envelopes say."""
    newline: bool = False
    """Whether each record's data ends in a newline: whoever lays records side by side then has lines."""
    compression: Compression | None = None
    """None: the data goes as it is."""
    on_poison: OnPoison = OnPoison.BLOCK
    decode: Decode | None = None
    """None: the values are taken as they came."""
    only: Only | None = None
    """None: all records are sent."""
    transform: Transform | None = None
    """None: they are sent as they are."""
    aggregation: AggregationRules | None = None
    """None: each record is a Kinesis record of its own."""
    receipts: bool = False
    """Whether each put says which records it carries: for who resends letters."""
    patterns: frozenset[str] = frozenset()
    """Of topics that are the route's beside those that it names: `*` stands for any characters."""
    topics_max: int = TOPICS_MAX_DEFAULT
    """So many topics the patterns may bring."""

    def matches(self, topic: str) -> bool:
        """Say whether a pattern of the route matches a topic."""
        return matches(self.patterns, topic)

    @property
    def needs_keys(self) -> bool:
        """Whether the stream must place records by their keys: for order, or to keep an aggregate within its shard."""
        return self.ordering is not Ordering.NONE or self.aggregation is not None

    @property
    def has_lanes_of_keys(self) -> bool:
        """Whether each key of each partition is a lane of one record; else the partition keeps no order itself."""
        return self.ordering is Ordering.KEY and self.aggregation is None

    @property
    def has_shared_lanes(self) -> bool:
        """Whether each key of each partition is a lane whose records may share a request."""
        return self.ordering is Ordering.KEY_IN_REQUEST and self.aggregation is None

    @property
    def makes_data(self) -> bool:
        """Whether what is sent are other bytes than the values that came."""
        return self.envelope or self.newline or self.compression is not None

    @property
    def remakes_values(self) -> bool:
        """Whether values may be others than those that came before anything is made of them."""
        return self.decode is not None or self.transform is not None

    @property
    def needs_originals(self) -> bool:
        """Whether key and value are not enough, so that the source must hand over whole records."""
        by_header = self.partition_key.startswith("header:") or (self.only is not None and self.only.reads_headers)
        by_transform = self.transform is not None and (self.transform.headers or self.transform.timestamps)
        by_frame = self.decode is not None and self.decode.framing is Framing.CONFLUENT_HEADER
        return self.envelope or by_header or by_frame or by_transform or self.on_poison is OnPoison.DEAD_LETTER


@dataclass(frozen=True, slots=True)
class LimitRules:
    """The limits of one process. Durations in ns."""

    held_bytes: int = 20 * 1024 * 1024
    ahead_records: int = 50_000
    requests_in_flight: int = 16
    body_bytes: int = 12 * 1024 * 1024
    """Of the bodies of all requests in flight together."""
    request_timeout: int = 10 * NS_PER_SECOND
    request_records: int = PUT_RECORDS_MAX
    request_bytes: int = 4_608 * 1024
    key_cache_bytes: int = KEY_CACHE_BYTES
    """Of each cache of keys of each route."""
    commit_every: int = NS_PER_SECOND
    poison_per_minute: int = 100
    """More poison than this blocks the route: then it is not the records that are wrong."""
    drain: int = 25 * NS_PER_SECOND
    linger: int = 5 * NS_PER_MS
    """At most as long a record that could leave waits for others to share its request; 0: only while some are in flight."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The whole of what the forwarder is told at birth."""

    routes: tuple[RouteRules, ...]
    roles: tuple[RoleRules, ...]
    limits: LimitRules = field(default_factory=LimitRules)
    on_gap: OnGap = OnGap.BLOCK
    on_unreadable: OnUnreadable = OnUnreadable.BLOCK

    def routes_of(self) -> Mapping[str, tuple[RouteRules, ...]]:
        """Map each topic that is named to the routes that read it, in their order."""
        topics = sorted({topic for route in self.routes for topic in route.topics})
        return {topic: tuple(route for route in self.routes if topic in route.topics) for topic in topics}

    def routes_for(self, topic: str) -> tuple[RouteRules, ...]:
        """Give the routes of a topic: those that name it, else the only one whose patterns match; none where there is none."""
        named = tuple(route for route in self.routes if topic in route.topics)
        if named:
            return named
        by_pattern = tuple(route for route in self.routes if route.matches(topic))
        return by_pattern if len(by_pattern) == 1 else ()
