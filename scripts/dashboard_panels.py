"""The panels of the dashboard: one table, which scripts/dashboard.py writes as Grafana has it.

How a query is written. It names metrics and what is particular about them; the variables of the dashboard are put into
each selector by the labels that the metric has, so that none can be forgotten. What is taken together is taken by `job`.
Of what happens seldom the counter itself is shown, not its increase: a counter with a code among its labels is born by its
first event, and `increase` would not see it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from scripts.alerts import ALERTS, BURNS, EVERY_SECONDS, LIMIT, OBJECTIVES, SHARE, Objective

HALF, THIRD, QUARTER, SIXTH = 12, 8, 6, 4
"""Widths, of Grafana's 24 columns."""
BUDGET_DAYS = 30
GREEN, ORANGE, RED = "green", "orange", "red"


class Shape(Enum):
    """How a panel is drawn."""

    LINES = auto()
    BARS = auto()
    """Stacked, over time."""
    STAT = auto()
    """The newest figure, large."""
    GAUGES = auto()
    """A bar for each series, as it is now."""
    STATES = auto()
    """A row for each series, coloured by its state over time."""


@dataclass(frozen=True)
class Query:
    """One query of a panel, and the name of each series that it gives."""

    expr: str
    legend: str = ""
    but: tuple[str, ...] = ()
    """Variables that it leaves out, though a metric has them."""


@dataclass(frozen=True)
class Panel:
    """One panel: what it shows, what that means, and from when on it is bad."""

    title: str
    says: str
    unit: str
    queries: tuple[Query, ...]
    shape: Shape = Shape.LINES
    width: int = THIRD
    colours: Mapping[float, str] = field(default_factory=dict)
    """From which value on it has which colour; below the least it is green, or `below`."""
    below: str = GREEN
    states: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    """What a value is called, and its colour."""
    most: float | None = None
    """The end of a bar; None: the highest value."""
    nothing: str = ""
    """What stands there without a series."""


@dataclass(frozen=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]
    folded: bool = False
    """Whether it is closed at first, for most have nothing to show there."""


def _limit(alert: str) -> float:
    return next(each.limit for each in ALERTS if each.name == alert and each.limit is not None)


def _watched(alert: str) -> str:
    """Give what an alert compares with its limit."""
    return next(each.expression for each in ALERTS if each.name == alert).removesuffix(f" > {LIMIT}")


def _quantiles(histogram: str) -> tuple[Query, ...]:
    rate = f"sum by (job, route, le) (rate({histogram}_bucket[$__rate_interval]))"
    return tuple(
        Query(f"histogram_quantile({share}, {rate})", f"{{{{job}}}}: {{{{route}}}}, {name}")
        for share, name in ((0.5, "half"), (0.99, "99 %"))
    )


def _by_topic(how: str, metric: str) -> tuple[Query, ...]:
    return (Query(f"{how} by (job, topic) ({metric})", "{{job}}: {{topic}}"),)


def _by_process(metric: str) -> Query:
    return Query(f"max by (job, instance, worker) ({metric})", "{{instance}} {{worker}}")


# --- objectives ------------------------------------------------------------------------------------------------------


def _budget_left(objective: Objective) -> Panel:
    moments = BUDGET_DAYS * 24 * 3_600 // EVERY_SECONDS
    spent = f"sum_over_time({objective.recorded()}[{BUDGET_DAYS}d]) / {moments}"
    return Panel(
        f"{objective.name}: what is left of the budget",
        f"Objective: {objective.says}, in {SHARE:.1%} of a topic's time. Of the time that may miss it in {BUDGET_DAYS} days, "
        "the share that is left; below zero the objective is missed. Time that Prometheus does not hold counts as good.",
        "percentunit",
        (Query(f"1 - ({spent}) / {1 - SHARE:g}", "{{job}}: {{topic}}"),),
        Shape.GAUGES,
        QUARTER,
        {0: ORANGE, 0.25: GREEN},
        RED,
        most=1,
    )


def _burns(objective: Objective) -> Panel:
    long = [burn.long for burn in BURNS]
    return Panel(
        f"{objective.name}: how quickly the budget goes",
        "By how much quicker than it may the worst topic spends the budget, over each window that an alert looks at; at 1 it "
        f"is gone in {BUDGET_DAYS} days. "
        + ", ".join(f"{burn.rate:g} over {burn.long}: {burn.severity}" for burn in BURNS)
        + ".",
        "short",
        tuple(Query(f"max({objective.recorded(window)}) / {1 - SHARE:g}", f"over {window}") for window in long),
        Shape.LINES,
        QUARTER,
        {min(burn.rate for burn in BURNS): ORANGE, max(burn.rate for burn in BURNS): RED},
    )


# --- the table -------------------------------------------------------------------------------------------------------

SINCE_START = " The counters of the processes that run, each since its start: a step is when it happened, a fall is a process that went."

ROWS: tuple[Row, ...] = (
    Row(
        "Now",
        (
            Panel(
                "Processes not ready",
                "How many are not ready to forward; /readyz of each says why. A process that is not scraped is not counted.",
                "short",
                (Query("sum(1 - doka_ready)"),),
                Shape.STAT,
                SIXTH,
                {1: RED},
                nothing="nobody answers",
            ),
            Panel(
                "Data waits",
                "How long the oldest un-settled record of all topics has waited, here or in Kafka.",
                "s",
                (Query("max(doka_waiting_seconds)"),),
                Shape.STAT,
                SIXTH,
                {60: ORANGE, _limit("DokaDataWaits"): RED},
            ),
            Panel(
                "Routes blocked",
                "Routes that cannot send; which, and why, stands below under What stands in the way.",
                "short",
                (Query("sum(max by (job, route) (doka_route_blocked))"),),
                Shape.STAT,
                SIXTH,
                {1: RED},
            ),
            Panel(
                "Partitions that wait for a person",
                "Partitions of which something does not go on by itself; /readyz says what.",
                "short",
                (Query("sum(max by (job, topic, partition) (doka_partition_stuck))"),),
                Shape.STAT,
                SIXTH,
                {1: RED},
            ),
            Panel(
                "Partitions that nobody reads",
                "Partitions of subscribed topics that no scraped process owns. They have no lag and no age, so nothing else here "
                "shows them. In a rebalance there are some for a moment. Whatever the route.",
                "short",
                (Query(f"sum(clamp_min({_watched('DokaPartitionsUnowned')}, 0))", but=("route",)),),
                Shape.STAT,
                SIXTH,
                {1: RED},
            ),
            Panel(
                "Shortest lease",
                "Seconds until the first lease of any role ends. Under rotation.policy: on_demand an idle role lets its lease run "
                "out, which is as it should be.",
                "s",
                (Query("min(doka_lease_seconds_left)"),),
                Shape.STAT,
                SIXTH,
                {_limit("DokaLeaseRunsOut"): GREEN},
                RED,
            ),
        ),
    ),
    Row("Objectives", tuple(make(each) for each in OBJECTIVES for make in (_budget_left, _burns))),
    Row(
        "What stands in the way",
        (
            Panel(
                "Blocked routes",
                "Each route, and beside it each reason for which it cannot send. docs/operating.md has a cure for each reason.",
                "bool",
                (
                    Query("max by (job, route) (doka_route_blocked)", "{{job}}: {{route}}"),
                    Query("max by (job, route, reason) (doka_route_blocked) == 1", "{{job}}: {{route}}, {{reason}}"),
                ),
                Shape.STATES,
                HALF,
                states={0: ("sends", GREEN), 1: ("blocked", RED)},
            ),
            Panel(
                "What waits for a person",
                "Partitions, or lanes of them, that do not go on by themselves, with the reason; /readyz says more.",
                "bool",
                (
                    Query(
                        "max by (job, topic, partition, reason) (doka_partition_stuck) == 1",
                        "{{job}}: {{topic}}[{{partition}}], {{reason}}",
                    ),
                ),
                Shape.STATES,
                HALF,
                states={1: ("waits", RED)},
                nothing="none",
            ),
            Panel(
                "Records that a put left un-settled, by code",
                "What Kinesis refused, or never answered for; such records are sent again. A throttled shard shows as "
                "ProvisionedThroughputExceededException.",
                "cps",
                (
                    Query(
                        "sum by (job, route, code) (rate(doka_records_failed_total[$__rate_interval])) > 0",
                        "{{job}}: {{route}}, {{code}}",
                    ),
                ),
                Shape.BARS,
                HALF,
                nothing="none",
            ),
            Panel(
                "Partitions that are not fetched",
                "Partitions whose fetching is paused: for want of room, for a gap, because a route is blocked, or because nothing "
                "of them settles.",
                "short",
                _by_topic("sum", "doka_partition_paused"),
                width=HALF,
            ),
        ),
    ),
    Row(
        "Leases",
        (
            Panel(
                "What is left of each lease",
                "Seconds until the lease of a role ends; of the process whose lease ends first. Past its end nothing is signed "
                "with it.",
                "s",
                (Query("min by (job, role) (doka_lease_seconds_left)", "{{job}}: {{role}}"),),
                Shape.GAUGES,
                colours={_limit("DokaLeaseRunsOut"): GREEN},
                below=RED,
            ),
            Panel(
                "Leases over time",
                "Seconds until the lease of a role ends. A saw: it is renewed before it reaches the line. Without one that ends "
                "there is no line.",
                "s",
                (Query("min by (job, role) (doka_lease_seconds_left)", "{{job}}: {{role}}"),),
                colours={_limit("DokaLeaseRunsOut"): GREEN},
                below=RED,
            ),
            Panel(
                "Requests for leases, and leases that were refused",
                "Requests by outcome and code, and leases that a service refused before their end." + SINCE_START,
                "short",
                (
                    Query(
                        "sum by (job, role, outcome, code) (doka_lease_renewals_total)",
                        "{{job}}: {{role}} {{outcome}}, {{code}}",
                    ),
                    Query(
                        "sum by (job, role, code) (doka_lease_rejections_total) > 0",
                        "{{job}}: {{role}} refused early, {{code}}",
                    ),
                ),
            ),
        ),
    ),
    Row(
        "How far behind",
        (
            Panel(
                "Lag by topic",
                "Age of the oldest record that has not settled, by its Kafka timestamp, or how long it has waited where that is "
                "more; of the worst partition. 0: all has settled.",
                "s",
                _by_topic("max", "doka_lag_seconds"),
                colours={_limit("DokaDataLate"): RED},
            ),
            Panel(
                "Age of the oldest un-settled record by topic",
                "How long a record has been held without being settled; of the worst partition. A blocked lane shows here long "
                "before readiness.",
                "s",
                _by_topic("max", "doka_oldest_unsettled_age_seconds"),
                colours={_limit("DokaRecordUnsettled"): RED},
            ),
            Panel(
                "Lag in records by topic",
                "Offsets from the first un-settled record to the end of each partition, all partitions together. A partition whose "
                "end is not known is left out.",
                "short",
                _by_topic("sum", "doka_lag_records"),
            ),
            Panel(
                "Age at landing by route",
                "How old records are by their Kafka timestamp when Kinesis acknowledges them: half of them, and 99 % of them, are "
                "younger. Nothing is shown while nothing lands.",
                "s",
                _quantiles("doka_landing_seconds"),
                nothing="nothing lands",
            ),
            Panel(
                "Un-settled records by topic",
                "Records that were fetched and have not settled.",
                "short",
                _by_topic("sum", "doka_unsettled_records"),
            ),
            Panel(
                "Settled and not committed by topic",
                "Records settled above the committed offset: what a crash now would repeat.",
                "short",
                _by_topic("sum", "doka_ahead_records"),
            ),
        ),
    ),
    Row(
        "What goes through",
        (
            Panel(
                "Records a second",
                "Read from Kafka, by topic, and settled, that is acknowledged by Kinesis with a sequence number, by route.",
                "cps",
                (
                    Query(
                        "sum by (job, topic) (rate(doka_records_fetched_total[$__rate_interval]))",
                        "{{job}}: {{topic}} fetched",
                    ),
                    Query(
                        "sum by (job, route) (rate(doka_records_settled_total[$__rate_interval]))",
                        "{{job}}: {{route}} settled",
                    ),
                ),
            ),
            Panel(
                "Bytes a second",
                "Of keys and values read from Kafka, by topic, and of data that Kinesis acknowledged, by route.",
                "binBps",
                (
                    Query(
                        "sum by (job, topic) (rate(doka_fetched_payload_bytes_total[$__rate_interval]))",
                        "{{job}}: {{topic}} fetched",
                    ),
                    Query(
                        "sum by (job, route) (rate(doka_settled_payload_bytes_total[$__rate_interval]))",
                        "{{job}}: {{route}} settled",
                    ),
                ),
            ),
            Panel(
                "Time of a put",
                "From sending a PutRecords request to its answer, for requests that landed records: half of them, and 99 % of "
                "them, took less.",
                "s",
                _quantiles("doka_put_duration_seconds"),
                nothing="nothing lands",
            ),
            Panel(
                "Puts in flight",
                "PutRecords requests that are under way, by route.",
                "short",
                (Query("sum by (job, route) (doka_puts_in_flight)", "{{job}}: {{route}}"),),
            ),
            Panel(
                "Records that wait in lanes",
                "Records that were fetched and wait for their turn: for the one before of their key, for the pace of a shard, or "
                "for a route that is blocked.",
                "short",
                (Query("sum by (job, route) (doka_records_waiting)", "{{job}}: {{route}}"),),
            ),
            Panel(
                "Commits a second",
                "Commits of offsets to Kafka, by outcome. What is not stored would be repeated after a crash.",
                "cps",
                (
                    Query(
                        "sum by (job, outcome) (rate(doka_commits_total[$__rate_interval]))",
                        "{{job}}: {{outcome}}",
                    ),
                ),
            ),
        ),
    ),
    Row(
        "What did not land, or landed twice",
        (
            Panel(
                "Poison",
                "Records that can never land as they are, by code and by what became of them." + SINCE_START,
                "short",
                (
                    Query(
                        "sum by (job, route, code, policy) (doka_records_poisoned_total)",
                        "{{job}}: {{route}} {{code}}, {{policy}}",
                    ),
                ),
                width=QUARTER,
                nothing="none",
            ),
            Panel(
                "Dead letters",
                "Poison that was written to the dead-letter topic, by outcome and code; one that failed is tried again, and its "
                "record waits." + SINCE_START,
                "short",
                (
                    Query(
                        "sum by (job, route, outcome, code) (doka_dead_letters_total)",
                        "{{job}}: {{route}} {{outcome}}, {{code}}",
                    ),
                    Query(
                        "sum by (job, route) (doka_letters_failed_total) > 0", "{{job}}: {{route}} tries that failed"
                    ),
                ),
                width=QUARTER,
                nothing="none",
            ),
            Panel(
                "Dropped, skipped, or gone",
                "What settled without landing: dropped as on_poison asks, or skipped by a person. And what was lost in Kafka: gaps "
                "in the log, and offsets that cannot be read." + SINCE_START,
                "short",
                (
                    Query("sum by (job, route) (doka_records_dropped_total) > 0", "{{job}}: {{route}} dropped"),
                    Query("sum by (job, topic) (doka_records_skipped_total) > 0", "{{job}}: {{topic}} skipped"),
                    Query("sum by (job, topic, policy) (doka_gaps_total) > 0", "{{job}}: {{topic}} gaps, {{policy}}"),
                    Query(
                        "sum by (job, topic, policy) (doka_unreadable_offsets_total) > 0",
                        "{{job}}: {{topic}} unreadable, {{policy}}",
                    ),
                ),
                width=QUARTER,
                nothing="none",
            ),
            Panel(
                "Twice, or out of order",
                "Records that may have landed before they were sent again, that land again after a drain, and, under ordering: "
                "key_in_request, that landed behind a later one of their key." + SINCE_START,
                "short",
                (
                    Query(
                        "sum by (job, route) (doka_possible_duplicates_total) > 0",
                        "{{job}}: {{route}} possible duplicates",
                    ),
                    Query(
                        "sum by (job, topic) (doka_records_will_repeat_total) > 0",
                        "{{job}}: {{topic}} repeated by a drain",
                    ),
                    Query(
                        "sum by (job, route, cause) (doka_order_breaks_total) > 0",
                        "{{job}}: {{route}} out of order, {{cause}}",
                    ),
                ),
                width=QUARTER,
                nothing="none",
            ),
        ),
    ),
    Row(
        "Processes",
        (
            Panel(
                "Bytes held",
                "Bytes of records in memory, by process, and the limit of each; at it, fetching stops.",
                "bytes",
                (
                    _by_process("doka_held_bytes"),
                    Query("max by (job) (doka_held_bytes_max)", "{{job}}: limit"),
                ),
            ),
            Panel(
                "Resident memory",
                "What the kernel counts of each process; held bytes are a part of it.",
                "bytes",
                (_by_process("doka_process_resident_memory_bytes"),),
            ),
            Panel(
                "CPU",
                "Of one core, by process; a process cannot use more than one.",
                "percentunit",
                (_by_process("rate(doka_process_cpu_seconds_total[$__rate_interval])"),),
            ),
            Panel(
                "Age of the last turn",
                "Seconds since the loop of each process turned last; at 60 s /healthz fails and it is restarted.",
                "s",
                (_by_process("doka_loop_turn_age_seconds"),),
                width=QUARTER,
                colours={_limit("DokaHangs"): RED},
            ),
            Panel(
                "Partitions by member",
                "Partitions that each process owns; together as many as there are.",
                "short",
                (
                    _by_process("doka_partitions_owned"),
                    Query("sum by (job) (max by (job, topic) (doka_topic_partitions))", "{{job}}: there are"),
                ),
                width=QUARTER,
            ),
            Panel(
                "Rebalances",
                "Changes of the owned partitions, by kind; lost is what the group took from a process that it missed."
                + SINCE_START,
                "short",
                (Query("sum by (job, change) (doka_rebalances_total)", "{{job}}: {{change}}"),),
                width=QUARTER,
            ),
            Panel(
                "Time that Kafka's quotas take",
                "The share of its time for which brokers let a process wait.",
                "percentunit",
                (_by_process("rate(doka_kafka_throttled_seconds_total[$__rate_interval])"),),
                width=QUARTER,
                colours={_limit("DokaKafkaThrottles"): RED},
            ),
        ),
    ),
    Row(
        "Workers (doka run --workers)",
        (
            Panel(
                "Workers up",
                "Whether the figures of each worker are on the page of its supervisor.",
                "bool",
                (Query("max by (job, instance, worker) (doka_worker_up)", "{{instance}} {{worker}}"),),
                Shape.STATES,
                HALF,
                states={0: ("down", RED), 1: ("up", GREEN)},
                nothing="no workers",
            ),
            Panel(
                "Workers that died",
                "How often each worker died and was to be started again." + SINCE_START,
                "short",
                (_by_process("doka_worker_restarts_total"),),
                width=HALF,
                nothing="no workers",
            ),
            Panel(
                "Changed configuration (--watch)",
                "Whether the last change of the configuration was taken. While it was not, the one before runs on, and"
                " reload_refused or reload_failed in the log says what to mend.",
                "bool",
                (Query("min by (job, instance) (doka_config_last_reload_successful)", "{{instance}}"),),
                Shape.STATES,
                HALF,
                states={0: ("not taken", RED), 1: ("taken", GREEN)},
                nothing="not watched",
            ),
        ),
        folded=True,
    ),
    Row(
        "Audits (doka audit --every)",
        (
            Panel(
                "Lost",
                "Records that are committed and nowhere in the stream; what was sent again is taken out by the next audit.",
                "short",
                (Query("max by (job, route) (doka_audit_lost_records)", "{{job}}: {{route}}"),),
                Shape.STAT,
                QUARTER,
                {1: RED},
                nothing="no audits",
            ),
            Panel(
                "Not proved yet",
                "How long ago that is up to which records have been judged, by Kafka's timestamps; nothing before the first audit.",
                "s",
                (
                    Query(
                        "time() - (max by (job, route) (doka_audit_judged_until_timestamp_seconds) > 0)",
                        "{{job}}: {{route}}",
                    ),
                ),
                width=QUARTER,
                nothing="no audits",
            ),
            Panel(
                "Since all of a window was judged",
                "How long ago an audit ended that could judge all of its window, and how often one is to begin. Beyond twice that "
                "it is late.",
                "s",
                (
                    Query("max by (job, route) (doka_audit_success_age_seconds)", "{{job}}: {{route}}"),
                    Query("max by (job) (doka_audit_every_seconds)", "{{job}}: interval"),
                ),
                width=QUARTER,
                nothing="no audits",
            ),
            Panel(
                "Audits by outcome",
                "complete, lost (something is), not_whole (a part could not be judged), failed; and records that could not be "
                "judged and never will be." + SINCE_START,
                "short",
                (
                    Query("sum by (job, route, outcome) (doka_audits_total)", "{{job}}: {{route}} {{outcome}}"),
                    Query(
                        "sum by (job, route) (doka_audit_not_judged_records_total)",
                        "{{job}}: {{route}} records not judged",
                    ),
                ),
                width=QUARTER,
                nothing="no audits",
            ),
        ),
        folded=True,
    ),
)

REBALANCED = "doka_rebalances_total - doka_rebalances_total offset 1m > 0 or (doka_rebalances_total unless doka_rebalances_total offset 1m) > 0"
"""What changed within a minute, the first change of a young process among it; asked once a minute."""
