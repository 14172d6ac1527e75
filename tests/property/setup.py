"""What differs from one run of the model world to the next; a quarter of the limits lie at their edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from doka.domain.limits import NS_PER_MS
from doka.domain.records import TopicPartition
from doka.domain.rules import (
    AggregationRules,
    LimitRules,
    NullKey,
    OnGap,
    OnPoison,
    Ordering,
    RoleRules,
    RotationPolicy,
    RouteRules,
    Rules,
)

TPS = (TopicPartition("orders", 0), TopicPartition("orders", 1), TopicPartition("payments", 0))
KEYS: Sequence[bytes | None] = (b"a", b"b", b"c", None, b"")
AGGREGATIONS = (
    AggregationRules(target_bytes=51_200, linger=100 * NS_PER_MS, lanes=4),
    AggregationRules(target_bytes=51_200, linger=5 * NS_PER_MS, lanes=1),
    AggregationRules(target_bytes=200, linger=5 * NS_PER_MS, lanes=2),
    AggregationRules(target_bytes=120, linger=0, lanes=1),
)
"""As many records as come in an aggregate, about five, and about two; a long one fits into the first two only."""


@dataclass(frozen=True)
class Setup:
    """Limits and policies of a forwarder with two routes and three partitions."""

    ahead_records: int = 8
    request_records: int = 3
    requests_in_flight: int = 3
    held_bytes: int = 16_000
    on_poison: OnPoison = OnPoison.BLOCK
    on_gap: OnGap = OnGap.BLOCK
    policy: RotationPolicy = RotationPolicy.BEFORE_EXPIRY
    poison_per_minute: int = 100
    ordered_payments: bool = True
    shared_role: bool = True
    orders_aggregated: AggregationRules | None = None
    payments_aggregated: AggregationRules | None = None
    orders_share: bool = False
    """Whether records of a key of `orders` may share a request, where they are not aggregated."""

    def rules(self) -> Rules:
        """Give the forwarder's rules."""
        payer = "writer" if self.shared_role else "payer"
        ordering = Ordering.KEY if self.ordered_payments else Ordering.NONE
        routes = (
            RouteRules(
                "orders",
                frozenset({"orders"}),
                "writer",
                ordering=Ordering.KEY_IN_REQUEST if self.shares("orders") else Ordering.KEY,
                on_poison=self.on_poison,
                aggregation=self.orders_aggregated,
            ),
            RouteRules(
                "payments",
                frozenset({"payments"}),
                payer,
                null_key=NullKey.PARTITION,
                ordering=ordering,
                on_poison=self.on_poison,
                aggregation=self.payments_aggregated,
            ),
        )
        limits = LimitRules(
            held_bytes=self.held_bytes,
            ahead_records=self.ahead_records,
            request_records=self.request_records,
            requests_in_flight=self.requests_in_flight,
            poison_per_minute=self.poison_per_minute,
        )
        roles = tuple(RoleRules(name, self.policy) for name in dict.fromkeys(("writer", payer)))
        return Rules(routes, roles, limits, self.on_gap)

    def aggregation(self, topic: str) -> AggregationRules | None:
        """Say how the records of a topic travel together; None: each by itself."""
        return self.orders_aggregated if topic == "orders" else self.payments_aggregated

    def shares(self, topic: str) -> bool:
        """Say whether records of a key of a topic may share a request, and be overtaken inside it."""
        return topic == "orders" and self.orders_share and self.orders_aggregated is None

    def keeps_order(self, topic: str) -> bool:
        """Say whether the records of a key are in order: where it is asked for, and in aggregates anyway."""
        return topic == "orders" or self.ordered_payments or self.payments_aggregated is not None


CHOICES: Mapping[str, Sequence[Any]] = {
    "ahead_records": (1, 4, 8, 50),
    "request_records": (1, 2, 3, 5),
    "requests_in_flight": (1, 2, 4),
    "held_bytes": (3_000, 16_000, 10**6),
    "on_poison": tuple(OnPoison),
    "on_gap": tuple(OnGap),
    "policy": (RotationPolicy.BEFORE_EXPIRY, RotationPolicy.INTERVAL, RotationPolicy.ON_DEMAND),
    "poison_per_minute": (4, 100, 100),
    "ordered_payments": (True, True, False),
    "shared_role": (True, False),
    "orders_aggregated": (None, None, None, *AGGREGATIONS),
    "payments_aggregated": (None, None, None, *AGGREGATIONS),
}
"""From what each field of a setup is drawn."""


def setup_of(random: Random) -> Setup:
    """Draw a setup."""
    return Setup(**{name: random.choice(values) for name, values in CHOICES.items()})
