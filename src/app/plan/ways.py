"""The ways in which a route's records can be sent, and what each would ask of a stream: records, bytes, shards, latency.

Theory of operation. A plain record is counted as it is, aggregates are reckoned (aggregates.py). Shards are those that the
busiest interval needs, with the keys where their hashes are: no headroom is added. Latencies are means, from the round trip
of a put and what doka itself adds: a lane of one record at a time is a queue with one server (M/D/1), and a lane whose
waiting records share a request waits for the rest of the one that is on its way. tests/unit/app/plan/test_ways.py holds
them against the machine itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import pairwise
from math import ceil, exp
from typing import Final

from doka.app.plan.aggregates import Aggregates
from doka.app.plan.traffic import SLICES, Figures
from doka.domain.limits import (
    NS_PER_SECOND,
    PARTIAL_PUT_WAIT_NS,
    PUT_RECORDS_MAX,
    SHARD_BYTES_PER_SECOND,
    SHARD_RECORDS_PER_SECOND,
)
from doka.domain.rules import AggregationRules, Ordering
from doka.domain.sending.aggregate import FRAME_BYTES_MAX

OWN_SECONDS: Final = 0.0005
"""What doka itself adds to a record's way: its own p50 at 1,000 records/s, docs/performance.md."""
HOLDS_UP_TO: Final = 0.8
"""A way is said to hold a key that asks for no more than this share of what it can send of one."""


class Way(Enum):
    """How a route can send."""

    KEY = "key"
    KEY_IN_REQUEST = "key_in_request"
    NONE = "none"
    AGGREGATED = "aggregated"


@dataclass(frozen=True, slots=True)
class Hot:
    """What the most frequent key asks for and gets. Rates a second, in records."""

    mean: float
    peak: float
    """At the busiest interval, were its share the same then."""
    at_most: float
    """What this way can send of one key: one shard's, or less."""
    latency: float | None
    """Mean of a record of it, in seconds; None: it falls behind for as long as it comes."""

    @property
    def holds(self) -> bool:
        """Whether it never falls behind, with a fifth to spare."""
        return self.peak <= HOLDS_UP_TO * self.at_most


@dataclass(frozen=True, slots=True)
class Load:
    """What one way asks of a stream."""

    way: Way
    records: float
    """Kinesis records a second, on average."""
    bytes: float
    """Bytes a second, on average."""
    billed: float
    """KiB a second that an on-demand stream bills."""
    payload_units: float
    """PUT payload units a second that a provisioned stream bills."""
    shards: int | None
    """How many the busiest interval needs; None: no number of them is enough, for one key is too much for one."""
    latency: float
    """Mean of a record, in seconds."""
    hot: Hot
    lanes: int = 0
    """Of aggregates: at least the shards."""


def loads(figures: Figures, aggregation: AggregationRules, round_trip: float) -> dict[Way, Load]:
    """Give what each way would ask for; `round_trip` of a put in seconds. There are records in the figures."""
    plain = [_plain(figures, way, round_trip) for way in (Way.KEY, Way.KEY_IN_REQUEST, Way.NONE)]
    return {load.way: load for load in (*plain, _aggregated(figures, aggregation, round_trip))}


def way_of(ordering: Ordering, aggregation: AggregationRules | None) -> Way:
    """Say which way a route goes."""
    return Way(ordering.value) if aggregation is None else Way.AGGREGATED


# --- each record by itself -----------------------------------------------------------------------------------------------


def _plain(figures: Figures, way: Way, round_trip: float) -> Load:
    seconds = figures.window.seconds
    records, size = figures.a_second(0), figures.a_second(1)
    hottest = figures.keys.hottest / figures.records
    lane = figures.keys.hottest_lane / figures.records if way is Way.KEY else hottest
    of_one = round_trip + _held_back(records.mean * (1 - lane), round_trip)
    at_most = {Way.KEY: 1 / of_one, Way.KEY_IN_REQUEST: PUT_RECORDS_MAX / of_one}.get(way, _of_a_shard(figures))
    hot = Hot(lane * records.mean, lane * records.most, min(at_most, _of_a_shard(figures)), None)
    shards = shards_needed(
        [share * records.most for share, _ in figures.slices],
        [share * size.most for _, share in figures.slices],
    )
    latency = OWN_SECONDS + round_trip + _held_back(records.mean, round_trip) / 2
    return Load(
        way,
        records=figures.records / seconds,
        bytes=figures.bytes / seconds,
        billed=figures.billed / seconds,
        payload_units=figures.payload_units / seconds,
        shards=shards,
        latency=latency,
        hot=replace(hot, latency=latency if way is Way.NONE else _hot_latency(way, hot, of_one)),
    )


def _of_a_shard(figures: Figures) -> float:
    """Give how many records of the mean size a shard takes in a second."""
    return min(SHARD_RECORDS_PER_SECOND, SHARD_BYTES_PER_SECOND / max(1.0, figures.sizes.mean))


def _held_back(others: float, round_trip: float) -> float:
    """Give for how long a request that is not full waits, in seconds: only while something is in flight."""
    return PARTIAL_PUT_WAIT_NS / NS_PER_SECOND * (1 - exp(-others * round_trip))


def _hot_latency(way: Way, hot: Hot, of_one: float) -> float | None:
    """Give the mean latency of the most frequent key's records, of which one, or one request, takes `of_one` seconds.

    None where more comes than can go.
    """
    if hot.mean >= hot.at_most:
        return None
    busy = min(1.0, hot.mean * of_one)
    if way is Way.KEY:  # one server, which takes so long for each
        return OWN_SECONDS + of_one + of_one * busy / (2 * (1 - busy))
    return OWN_SECONDS + of_one + of_one * busy / 2  # for the rest of the request that is on its way, if there is one


# --- many in one ---------------------------------------------------------------------------------------------------------


def _aggregated(figures: Figures, rules: AggregationRules, round_trip: float) -> Load:
    lanes, shards = _lanes_and_shards(figures, rules, round_trip)
    aggregates = Aggregates(figures, rules, lanes, round_trip)
    sent, latency = aggregates.sent(), OWN_SECONDS + round_trip + aggregates.wait()
    hottest = figures.keys.hottest / figures.records
    each = figures.data_bytes / figures.records + FRAME_BYTES_MAX
    at_most = min(SHARD_BYTES_PER_SECOND, max(rules.target_bytes, each) / round_trip) / each
    rate = figures.a_second(0)
    hot = Hot(hottest * rate.mean, hottest * rate.most, at_most, None)
    return Load(
        Way.AGGREGATED,
        records=sent.records,
        bytes=sent.bytes,
        billed=sent.billed,
        payload_units=sent.payload_units,
        shards=shards,
        latency=latency,
        hot=replace(hot, latency=None if hot.mean >= at_most else latency),
        lanes=lanes,
    )


def _lanes_and_shards(figures: Figures, rules: AggregationRules, round_trip: float) -> tuple[int, int | None]:
    """Give how many lanes it takes, the present ones at least, and how many shards: each has one lane or more."""
    busiest = figures.a_second(0).most, figures.a_second(1).most
    lanes = rules.lanes
    while True:
        sent = Aggregates(figures, rules, lanes, round_trip).of_lanes(busiest)
        shards = shards_needed([each.records for each in sent], [each.bytes for each in sent])
        if shards is not None:
            return lanes, shards
        if lanes >= SLICES:
            return rules.lanes, None
        lanes *= 2


# --- shards --------------------------------------------------------------------------------------------------------------


def shards_needed(records: Sequence[float], sizes: Sequence[float]) -> int | None:
    """Give how many equal shards take these rates a second, each of one slice of the hash space.

    None where one slice alone is too much for a shard, or where as many shards as slices are not enough.
    """
    if max(records) > SHARD_RECORDS_PER_SECOND or max(sizes) > SHARD_BYTES_PER_SECOND:
        return None
    first = max(1, ceil(sum(records) / SHARD_RECORDS_PER_SECOND), ceil(sum(sizes) / SHARD_BYTES_PER_SECOND))
    below = [_summed(records), _summed(sizes)]
    for shards in range(first, len(records) + 1):
        ends = [ceil(number * len(records) / shards - 0.5) for number in range(shards + 1)]  # by the middle of a slice
        ends[-1] = len(records)
        if all(
            sums[end] - sums[begin] <= limit
            for sums, limit in zip(below, (SHARD_RECORDS_PER_SECOND, SHARD_BYTES_PER_SECOND), strict=True)
            for begin, end in pairwise(ends)
        ):
            return shards
    return None


def _summed(values: Sequence[float]) -> list[float]:
    total, found = 0.0, [0.0]
    for value in values:
        total += value
        found.append(total)
    return found
