"""For each alert the series on which it just fires, and those on which it just does not.

The figures are written down here and not taken from scripts/alerts.py: a limit that is changed there must fail a test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

CALM, OVER, UNDER = "calm", "over", "under"
"""What happens at the moment 0: nothing, what is too much, and what is nearly too much."""


@dataclass(frozen=True)
class Happens:
    """What happens to the series of a case: which of the three, from 0 on, for so long (s), scraped so often (s)."""

    what: str
    lasts: float
    every: int


Signal = Callable[[Happens, float], float | None]
"""Gives the value of a series at a moment (s); None where it is not there."""


@dataclass(frozen=True)
class Case:
    """One way in which an alert comes to fire."""

    series: Mapping[str, Signal]
    window: float = 0
    """For how long (s) the rule looks back, and so goes on when what was too much is over; 0: it reads the present."""
    fills: float = 0
    """After how long (s) there is enough in the window to be too much."""
    scrapes: int = 0
    """Or after how many more scrapes."""
    nearly: bool = True
    """Whether there is something that is nearly too much."""
    holds: float = 0
    """For how long (s) it must be too much."""
    newborn: bool = True
    """Whether it fires as well where nothing of it was there before."""


def gauge(calm: float | None, over: float | None, under: float | None = None) -> Signal:
    """Give a value in calm, one that is too much, and one that is nearly."""
    values = {CALM: calm, OVER: over, UNDER: calm if under is None else under}
    return lambda happens, at: values[happens.what] if 0 <= at < happens.lasts else calm


def jump(over: float, under: float = 0, base: float = 0) -> Signal:
    """Give a counter that jumps by so many at once; `base` is where it stands before."""
    more = {CALM: 0.0, OVER: over, UNDER: under}
    return lambda happens, at: base + more[happens.what] * (at >= 0)


def born(value: float) -> Signal:
    """Give a counter that is born with its first event."""
    return lambda happens, at: value if happens.what == OVER and at >= 0 else None


def grows(over: float, under: float = 0, calm: float = 0) -> Signal:
    """Give a counter that grows by so much a second; where calm is not 0, it has grown since an hour before."""
    rates = {CALM: calm, OVER: over, UNDER: under}

    def value(happens: Happens, at: float) -> float:
        lasted = min(max(at, 0.0), happens.lasts)
        return calm * (at + 3_600 - lasted) + rates[happens.what] * lasted

    return value


def steps(over: int, under: int) -> Signal:
    """Give a value that changes at so many scrapes in a row."""
    most = {CALM: 0, OVER: over, UNDER: under}
    return lambda happens, at: 1_000.0 + min(max(int(at // happens.every) + 1, 0), most[happens.what])


def steady(value: float) -> Signal:
    """Give a value that stays what it is."""
    return lambda _happens, _at: value


def both(first: str, second: str, signal: Signal, other: Signal) -> dict[str, Signal]:
    """Give two series."""
    return {first: signal, second: other}


MINUTE = 60.0
PLACE = 'route="orders",topic="orders",partition="{}"'
POISONED = 'doka_records_poisoned_total{route="orders",code="RecordTooLarge",policy="drop"}'


def at(metric: str, partition: int = 0, more: str = "") -> str:
    """Name a series of a partition."""
    return f"{metric}{{{PLACE.format(partition)}{more}}}"


def _owned(last: Signal) -> dict[str, Signal]:
    """Give a topic of three partitions, of which the last is owned or not."""
    paused = {at("doka_partition_paused", number): steady(0) for number in (0, 1)}
    return {'doka_topic_partitions{topic="orders"}': steady(3), **paused, at("doka_partition_paused", 2): last}


def _event(series: str, window: float) -> Iterator[Case]:
    """Give one event of a counter, and the same before the series was there."""
    for signal in (jump(1), born(1), born(1_000)):
        yield Case({series: signal}, window, nearly=False)


CASES: Mapping[str, tuple[Case, ...]] = {
    "DokaDataWaits": (Case({at("doka_waiting_seconds"): gauge(1, 301, 300)}),),
    "DokaDataLate": (Case({at("doka_lag_seconds"): gauge(1, 301, 300)}),),
    "DokaNotReady": (Case({"doka_ready": gauge(1, 0)}, nearly=False, holds=5 * MINUTE),),
    "DokaRecordUnsettled": (Case({at("doka_oldest_unsettled_age_seconds"): gauge(1, 121, 120)}),),
    "DokaRouteBlocked": (
        Case(
            both(
                'doka_route_blocked{route="orders",reason="none"}',
                'doka_route_blocked{route="orders",reason="AccessDenied"}',
                gauge(0, None),
                gauge(None, 1),
            ),
            nearly=False,
            holds=2 * MINUTE,
        ),
    ),
    "DokaLeaseRunsOut": (
        Case(
            both(
                'doka_lease_seconds_left{role="r"}',
                'doka_lease_wanted{role="r"}',
                gauge(3_000, 179, 180),
                gauge(0, 1, 1),
            ),
            holds=MINUTE,
        ),
        Case(  # on demand: nobody wants another
            both('doka_lease_seconds_left{role="r"}', 'doka_lease_wanted{role="r"}', gauge(9, -9, -9), gauge(0, 1, 0)),
            holds=MINUTE,
        ),
    ),
    "DokaLeasesRejected": (
        Case({'doka_lease_rejections_total{role="r",code="ExpiredTokenException"}': jump(3, 2)}, 30 * MINUTE),
        Case({'doka_lease_rejections_total{role="r",code="ExpiredTokenException"}': jump(3, 2, 99)}, 30 * MINUTE),
    ),
    "DokaPartitionStuck": (
        Case(
            both(
                at("doka_partition_stuck", more=',reason="none"'),
                at("doka_partition_stuck", more=',reason="gap"'),
                gauge(0, None),
                gauge(None, 1),
            ),
            nearly=False,
            holds=2 * MINUTE,
        ),
    ),
    "DokaPartitionsUnowned": (
        Case(_owned(gauge(0, None)), nearly=False, holds=10 * MINUTE),
        Case(
            both('doka_topic_partitions{topic="orders"}', at("doka_partition_paused"), steady(1), gauge(0, None)),
            nearly=False,
            holds=10 * MINUTE,
        ),
    ),
    "DokaRecordsDropped": tuple(_event('doka_records_dropped_total{route="orders"}', 5 * MINUTE)),
    "DokaPoison": tuple(_event(POISONED, 5 * MINUTE)),
    "DokaLettersFail": tuple(_event('doka_letters_failed_total{route="orders"}', 5 * MINUTE)),
    "DokaRecordsLeftTheLog": (*_event('doka_gaps_total{topic="orders",policy="continue"}', 5 * MINUTE),),
    "DokaUnreadable": (
        Case(
            both(
                'doka_unreadable_offsets_total{topic="orders",policy="block"}',
                'doka_unreadable_offsets_total{topic="orders",policy="skip"}',
                jump(1),
                jump(0, 9, 9),
            ),
            5 * MINUTE,
        ),
    ),
    "DokaCommitsFail": (
        Case({'doka_commits_total{outcome="failed"}': jump(4, 3)}, 10 * MINUTE),
        Case({'doka_commits_total{outcome="failed"}': jump(4, 3, 99)}, 10 * MINUTE),
    ),
    "DokaDeclaredDead": (Case({'doka_rebalances_total{change="lost"}': jump(3, 2, 99)}, 30 * MINUTE),),
    "DokaGroupRestless": (Case({'doka_rebalances_total{change="revoked"}': jump(21, 18, 99)}, 30 * MINUTE),),
    "DokaKafkaThrottles": (Case({"doka_kafka_throttled_seconds_total": grows(0.12, 0.095)}, 10 * MINUTE, fills=500),),
    "DokaPossibleDuplicates": (
        Case(
            both(
                'doka_possible_duplicates_total{route="orders"}',
                'doka_records_settled_total{route="orders"}',
                grows(1.2, 0.95),
                grows(100, 100, 100),
            ),
            10 * MINUTE,
            fills=500,
        ),
    ),
    "DokaOrderBreaks": (*_event('doka_order_breaks_total{route="orders",cause="refused"}', 15 * MINUTE),),
    "DokaRestarts": (Case({"doka_process_start_time_seconds": steps(3, 2)}, 30 * MINUTE, scrapes=2),),
    "DokaWorkerRestarts": (Case({'doka_worker_restarts_total{worker="1"}': jump(3, 2, 99)}, 15 * MINUTE),),
    "DokaReloadRefused": (Case({"doka_config_last_reload_successful": gauge(1, 0)}, nearly=False),),
    "DokaHangs": (Case({"doka_loop_turn_age_seconds": gauge(0.1, 31, 30)}),),
    "DokaGone": (
        Case(
            both("doka_ready", "doka_partitions_owned", gauge(1, None), gauge(4, None)),
            nearly=False,
            holds=2 * MINUTE,
            newborn=False,
        ),
        Case(
            both("doka_ready", "doka_partitions_owned", steady(1), gauge(1, 0)),
            nearly=False,
            holds=2 * MINUTE,
            newborn=False,
        ),
    ),
    "DokaAuditLost": (Case({'doka_audit_lost_records{route="orders"}': gauge(0, 1)}, nearly=False),),
    "DokaAuditLate": (
        Case(
            both(
                'doka_audit_success_age_seconds{route="orders"}',
                'doka_audit_every_seconds{route="orders"}',
                gauge(3_600, 7_801, 7_800),
                steady(3_600),
            )
        ),
    ),
}

BUDGETS: Mapping[str, tuple[str, float, float]] = {
    "Freshness": ("doka_lag_seconds", 61, 60),
    "Settling": ("doka_oldest_unsettled_age_seconds", 31, 30),
}
"""Of each objective: its gauge, a value that misses it, and one that just does not."""


@dataclass(frozen=True)
class Spent:
    """When the alert of a budget fires, one of two partitions missing the objective, and what it needs to go on."""

    first: float
    """After how long (s)."""
    short: float
    """The short window (s)."""
    moments: int
    """How many missed moments of 30 s it must hold."""


SPENT: Mapping[int, Spent] = {
    2: Spent(90, 5 * MINUTE, 1),
    5: Spent(240, 30 * MINUTE, 1),
    10: Spent(510, 120 * MINUTE, 2),
    30: Spent(510, 360 * MINUTE, 2),
}
"""By the days in which the budget would be gone."""
