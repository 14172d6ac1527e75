"""The alerts of doka: one table, from which deploy/alerts.yaml and the tables of docs/operating.md are written.

`make docs` writes both; a test compares them with what is committed, and promtool tries each row (tests/integration/alerts).

How a row is written. What is taken together is taken by `job`, so that one service is not judged by another's figures.
`increase` sees nothing in a series whose first sample has the event in it already: a counter with a code among its labels,
which is born by it, and any counter of a process in which it happened before the first scrape. So where one event is
enough, the rule has a second half for what is new. `increase` also extrapolates to the ends of its window, by a scrape
interval at most, so a limit of events lies half an event above the last that is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

PAGE, TICKET = "page", "ticket"
LIMIT = "LIMIT"
"""Stands in an expression for the limit of its row."""

_TABLE = re.compile(
    r"(<!-- The table of (\w+), written by `make docs` from scripts/alerts.py. Edit that instead. -->\n).*?(<!-- Its end. -->)",
    re.DOTALL,
)
"""On docs/operating.md: its first mark, its name, its last mark."""
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")

Written = Mapping[str, "str | Mapping[str, str]"]
"""One rule of a rule file."""


@dataclass(frozen=True)
class Alert:
    """One row: what is watched, from when on it is too much, and who is told."""

    name: str
    expression: str
    """PromQL, with LIMIT where the limit stands."""
    summary: str
    """What whoever is called reads first; a template of Prometheus."""
    why: str
    """Why it is there, and where to look; Markdown of docs/operating.md."""
    runbook: str
    """Page and heading in docs/ that say what to do."""
    severity: str = TICKET
    limit: float | None = None
    """In the unit of what is watched; None where the expression is true or not."""
    minutes: int = 0
    """For how long it must hold."""

    @property
    def expr(self) -> str:
        """The expression with its limit."""
        return self.expression.replace(LIMIT, f"{self.limit:g}") if self.limit is not None else self.expression

    def written(self) -> Written:
        """Give the rule as a rule file has it."""
        holds = {"for": f"{self.minutes}m"} if self.minutes else {}
        said = {
            "summary": self.summary,
            "description": _LINK.sub(r"\1", self.why).replace("`", ""),
            "runbook_url": f"docs/{self.runbook}",
        }
        return {
            "alert": self.name,
            "expr": self.expr,
            **holds,
            "labels": {"severity": self.severity},
            "annotations": said,
        }


@dataclass(frozen=True)
class Record:
    """One recording rule."""

    name: str
    expr: str

    def written(self) -> Written:
        """Give the rule as a rule file has it."""
        return {"record": self.name, "expr": self.expr}


def _any(counter: str, window: str = "5m") -> str:
    """Ask whether there was any event in a window, the first of its series among them."""
    return f"increase({counter}[{window}]) > LIMIT or ({counter} unless {counter} offset {window}) > LIMIT"


ALERTS: tuple[Alert, ...] = (
    Alert(
        "DokaDataWaits",
        "max by (job, topic) (doka_waiting_seconds) > LIMIT",
        "data of topic {{ $labels.topic }} has waited for {{ $value | humanizeDuration }}",
        "data waits too long: the one alert that covers everything; well below the topic's retention",
        "operating.md#how-far-behind",
        PAGE,
        limit=300,
    ),
    Alert(
        "DokaDataLate",
        "max by (job, topic) (doka_lag_seconds) > LIMIT",
        "data of topic {{ $labels.topic }} is {{ $value | humanizeDuration }} old and has not landed",
        "data is late: the same by the records' own timestamps; it sees what producers wrote late, and what waited "
        "before doka came",
        "operating.md#how-far-behind",
        limit=300,
    ),
    Alert(
        "DokaNotReady",
        "min by (job, instance) (doka_ready) == 0",
        "{{ $labels.instance }} is not ready; its /readyz says why",
        "`/readyz` says why: the group, a route, a topic, a partition",
        "operating.md#when-a-route-is-blocked",
        PAGE,
        minutes=5,
    ),
    Alert(
        "DokaRecordUnsettled",
        "max by (job, topic, partition) (doka_oldest_unsettled_age_seconds) > LIMIT",
        "a record of {{ $labels.topic }}[{{ $labels.partition }}] has not settled for {{ $value | humanizeDuration }}",
        "one record does not settle; a blocked lane shows here long before readiness",
        "operating.md#when-a-route-is-blocked",
        limit=120,
    ),
    Alert(
        "DokaRouteBlocked",
        "max by (job, route, reason) (doka_route_blocked) == 1",
        "route {{ $labels.route }} is blocked: {{ $labels.reason }}",
        "its reason has a cure in the table of reasons",
        "operating.md#when-a-route-is-blocked",
        minutes=2,
    ),
    Alert(
        "DokaLeaseRunsOut",
        "min by (job, role) (doka_lease_seconds_left < LIMIT and doka_lease_wanted == 1)",
        "the lease of role {{ $labels.role }} has {{ $value | humanizeDuration }} left and was not renewed",
        "the incident that doka was made for: eight minutes of tries have failed, with the default margin of ten",
        "operating.md#rotation-and-revocation",
        PAGE,
        limit=180,
        minutes=1,
    ),
    Alert(
        "DokaLeasesRejected",
        "sum by (job, role) (increase(doka_lease_rejections_total[30m])) > LIMIT",
        "leases of role {{ $labels.role }} are refused before their end, again and again",
        "one rejection is cured by itself, and so is a second; here somebody revokes sessions again and again, or a clock "
        "is wrong",
        "operating.md#rotation-and-revocation",
        limit=2.5,
    ),
    Alert(
        "DokaPartitionStuck",
        "max by (job, topic, partition, reason) (doka_partition_stuck) == 1",
        "{{ $labels.topic }}[{{ $labels.partition }}] waits for a person: {{ $labels.reason }}",
        "a partition, or a lane of it, waits for a person; `/readyz` says for what",
        "operating.md#when-a-route-is-blocked",
        minutes=2,
    ),
    Alert(
        "DokaPartitionsUnowned",
        "max by (job, topic) (doka_topic_partitions) - (count by (job, topic) (doka_partition_paused) "
        "or 0 * max by (job, topic) (doka_topic_partitions)) > LIMIT",
        "{{ $value }} partitions of topic {{ $labels.topic }} are read by nobody",
        "what nobody owns has no lag and no age, so no other alert sees it; members are missing, or are not scraped",
        "operating.md#how-far-behind",
        PAGE,
        limit=0,
        minutes=10,
    ),
    Alert(
        "DokaRecordsDropped",
        _any("doka_records_dropped_total"),
        "records of route {{ $labels.route }} were dropped, as on_poison asks",
        "the only way in which doka drops by itself; what a person passed is in `doka_records_skipped_total`",
        "operating.md#poison-and-dead-letters",
        limit=0,
    ),
    Alert(
        "DokaPoison",
        _any("doka_records_poisoned_total"),
        "records of route {{ $labels.route }} can never land: {{ $labels.code }}",
        "somebody writes what the stream cannot take",
        "operating.md#poison-and-dead-letters",
        limit=0,
    ),
    Alert(
        "DokaLettersFail",
        _any("doka_letters_failed_total"),
        "dead letters of route {{ $labels.route }} are not stored",
        "their records wait, and their keys with them",
        "operating.md#poison-and-dead-letters",
        limit=0,
    ),
    Alert(
        "DokaRecordsLeftTheLog",
        _any("doka_gaps_total"),
        "records of topic {{ $labels.topic }} left Kafka's log before they were read",
        "lost in Kafka, before doka",
        "operating.md#when-a-route-is-blocked",
        PAGE,
        limit=0,
    ),
    Alert(
        "DokaUnreadable",
        _any('doka_unreadable_offsets_total{policy!="skip"}'),
        "offsets of topic {{ $labels.topic }} cannot be read",
        "they wait, or with `kafka.on_unreadable: continue` they are lost in Kafka; what a person ordered to pass is not "
        "told",
        "operating.md#when-a-route-is-blocked",
        limit=0,
    ),
    Alert(
        "DokaCommitsFail",
        'increase(doka_commits_total{outcome="failed"}[10m]) > LIMIT',
        "Kafka does not store the offsets of {{ $labels.instance }}",
        "more than three in ten minutes were refused, or not answered: a crash would repeat more",
        "operating.md#when-a-route-is-blocked",
        limit=3.5,
    ),
    Alert(
        "DokaDeclaredDead",
        'increase(doka_rebalances_total{change="lost"}[30m]) > LIMIT',
        "the group has declared {{ $labels.instance }} dead again and again",
        "more than twice in half an hour something keeps the process from the group for longer than its session lasts; "
        "each time what was not committed is sent again",
        "operating.md#kubernetes",
        limit=2.5,
    ),
    Alert(
        "DokaGroupRestless",
        'increase(doka_rebalances_total{change="revoked"}[30m]) > LIMIT',
        "the group takes partitions from {{ $labels.instance }} again and again",
        "members come and go all the time; each time is a drain",
        "operating.md#kubernetes",
        limit=20.5,
    ),
    Alert(
        "DokaKafkaThrottles",
        "rate(doka_kafka_throttled_seconds_total[10m]) > LIMIT",
        "a quota of Kafka makes {{ $labels.instance }} wait for more than a tenth of the time",
        "a quota takes more than a tenth of the time; data is not late yet, or soon will be",
        "operating.md#when-a-route-is-blocked",
        limit=0.1,
    ),
    Alert(
        "DokaPossibleDuplicates",
        "rate(doka_possible_duplicates_total[10m]) > LIMIT * rate(doka_records_settled_total[10m])",
        "more than 1 % of the records of route {{ $labels.route }} may land twice",
        "more than 1 % of the records may land twice: time-outs; not urgent",
        "guarantees.md#g5-no-duplicate-in-quiet-weather",
        limit=0.01,
    ),
    Alert(
        "DokaOrderBreaks",
        _any("doka_order_breaks_total", "15m"),
        "records of route {{ $labels.route }} landed behind later ones of their key: {{ $labels.cause }}",
        "`ordering: key_in_request` alone: see [sizing](#sizing)",
        "guarantees.md#order-within-a-request-key_in_request",
        limit=0,
    ),
    Alert(
        "DokaRestarts",
        "changes(doka_process_start_time_seconds[30m]) > LIMIT",
        "{{ $labels.instance }} was started more than twice in half an hour; its last log lines say why",
        "more than twice in half an hour; halts say why in the last log line",
        "operating.md#stopping",
        limit=2.5,
    ),
    Alert(
        "DokaWorkerRestarts",
        "increase(doka_worker_restarts_total[15m]) > LIMIT",
        "worker {{ $labels.worker }} of {{ $labels.instance }} dies again and again",
        "`--workers` alone: see [more than one core](#more-than-one-core)",
        "operating.md#more-than-one-core",
        limit=2.5,
    ),
    Alert(
        "DokaReloadRefused",
        "min by (job, instance) (doka_config_last_reload_successful) == 0",
        "{{ $labels.instance }} does not take its new configuration; its log says why",
        "`--watch` alone: a changed configuration was refused or taken back, and the one before runs on; `reload_refused` and "
        "`reload_failed` in the log name what to mend",
        "operating.md#changing-the-configuration",
    ),
    Alert(
        "DokaHangs",
        "doka_loop_turn_age_seconds > LIMIT",
        "the loop of {{ $labels.instance }} has not turned for {{ $value | humanizeDuration }}",
        "the loop does not turn; this is before liveness acts",
        "operating.md#kubernetes",
        limit=30,
    ),
    Alert(
        "DokaGone",
        "absent(doka_ready) or sum by (job) (doka_partitions_owned) == 0",
        "nothing is consumed: no doka answers, or none owns a partition",
        "nothing is consumed: no doka answers, or none owns a partition",
        "operating.md#kubernetes",
        PAGE,
        minutes=2,
    ),
    Alert(
        "DokaAuditLost",
        "max by (job, route) (doka_audit_lost_records) > 0",
        "{{ $value }} records of route {{ $labels.route }} are committed and nowhere in the stream",
        "[audits that go on](#audits-that-go-on) alone: somebody committed what never landed; it ends when `doka replay` has "
        "sent them and an audit has found them",
        "recover.md#proved-until-1400",
        PAGE,
    ),
    Alert(
        "DokaAuditLate",
        "max by (job, route) (doka_audit_success_age_seconds - 2 * doka_audit_every_seconds) > LIMIT",
        "no audit has judged all of route {{ $labels.route }} for twice its interval and {{ $value | humanizeDuration }}",
        "[audits that go on](#audits-that-go-on) alone: they fail, or do not come to an end, and `/readyz` and the log say "
        "why; what came since is not proved",
        "operating.md#audits-that-go-on",
        limit=600,
    ),
)
"""What tells of a cause."""

# --- objectives ------------------------------------------------------------------------------------------------------

SHARE = 0.999
"""Of a topic's time, over all its partitions; what is beyond is the budget: 43 minutes in 30 days."""
EVERY_SECONDS = 30
"""How often the rules of objectives are evaluated; the shares are of so many moments, so it belongs to them."""
WINDOWS: Mapping[str, int] = {"5m": 5, "30m": 30, "1h": 60, "2h": 120, "6h": 360, "1d": 1_440, "3d": 4_320}
"""In minutes."""


@dataclass(frozen=True)
class Objective:
    """A share of a topic's time in which a gauge of each partition stays at or below a limit."""

    name: str
    metric: str
    seconds: int
    bad: str
    """The word for what is beyond it."""
    says: str

    def recorded(self, window: str = "") -> str:
        """Name the recorded share of what was bad, just now or in a window."""
        return f"topic:{self.metric}:{self.bad}{f'_{window}' if window else ''}"


@dataclass(frozen=True)
class Burn:
    """How much quicker than it may a budget of 30 days is spent, as seen in a long window and in a short one."""

    rate: float
    long: str
    short: str
    severity: str
    days: int
    """In which the whole budget would be gone."""


OBJECTIVES = (
    Objective(
        "Freshness",
        "doka_lag_seconds",
        60,
        "late",
        "data is no more than a minute old by its own timestamp, or has landed",
    ),
    Objective(
        "Settling",
        "doka_oldest_unsettled_age_seconds",
        30,
        "stale",
        "what was fetched has settled within half a minute",
    ),
)
BURNS = (
    Burn(14.4, "1h", "5m", PAGE, 2),
    Burn(6, "6h", "30m", PAGE, 5),
    Burn(3, "1d", "2h", TICKET, 10),
    Burn(1, "3d", "6h", TICKET, 30),
)
"""As the SRE workbook of Google has them: the long window says that it matters, the short one that it goes on."""


def _records() -> Iterator[Record]:
    for objective in OBJECTIVES:
        each = f"max by (job, topic, partition) ({objective.metric})"
        yield Record(objective.recorded(), f"avg by (job, topic) ({each} > bool {objective.seconds})")
        for window, minutes in WINDOWS.items():
            moments = minutes * 60 // EVERY_SECONDS
            yield Record(objective.recorded(window), f"sum_over_time({objective.recorded()}[{window}]) / {moments}")


def _burns() -> Iterator[Alert]:
    for objective in OBJECTIVES:
        for burn in BURNS:
            beyond = f"> LIMIT * {1 - SHARE:g}"
            yield Alert(
                f"Doka{objective.name}BudgetGoneIn{burn.days}Days",
                f"{objective.recorded(burn.long)} {beyond} and {objective.recorded(burn.short)} {beyond}",
                f"topic {{{{ $labels.topic }}}}: {{{{ $value | humanizePercentage }}}} of the last {burn.long} was "
                f"{objective.bad}; so the budget of 30 days is gone in {burn.days}",
                f"{objective.says}: this is missed {burn.rate:g} times as often as the [objective](#objectives) allows, over "
                f"{burn.long} and still over {burn.short}",
                "operating.md#objectives",
                burn.severity,
                limit=burn.rate,
            )


RECORDS = tuple(_records())
BURNING = tuple(_burns())
"""What tells that an objective is about to be missed, whatever the cause."""

# --- what is written -------------------------------------------------------------------------------------------------


def rule_file() -> str:
    """Give deploy/alerts.yaml."""
    return "\n".join(
        [
            "# The alerts of doka, as a rule file for Prometheus; docs/operating.md (Alerts) says why each is there.",
            "# Written by `make docs` from scripts/alerts.py. Edit that instead.",
            "groups:",
            "  - name: doka",
            "    rules:",
            *_lines(ALERTS),
            "  - name: doka-objectives",
            f"    interval: {EVERY_SECONDS}s  # the shares are of so many moments",
            "    rules:",
            *_lines((*RECORDS, *BURNING)),
            "",
        ]
    )


def _lines(rules: Iterable[Alert | Record]) -> Iterator[str]:
    for rule in rules:
        begins = "      - "
        for key, value in rule.written().items():
            if isinstance(value, str):
                yield f"{begins}{key}: {value}"
            elif key == "labels":
                yield f"{begins}labels: {{{', '.join(f'{name}: {text}' for name, text in value.items())}}}"
            else:
                yield f"{begins}{key}:"
                yield from (f'          {name}: "{text}"' for name, text in value.items())
            begins = "        "


def written_into(page: str) -> str:
    """Give docs/operating.md with its tables as they are now; raises ValueError where the marks of one are missing."""
    tables = {"alerts": _alert_rows(), "objectives": _objective_rows()}
    lacking = tables.keys() - {found[2] for found in _TABLE.finditer(page)}
    if lacking:
        raise ValueError(f"docs/operating.md lacks the marks of the table of {', '.join(sorted(lacking))}")
    return _TABLE.sub(lambda found: f"{found[1]}\n{_table(tables[found[2]])}\n\n{found[3]}", page)


def _alert_rows() -> Iterator[tuple[str, ...]]:
    yield "alert", "severity", "raised while", "why"
    for alert in (*ALERTS, *BURNING):
        holds = f" for {alert.minutes} min" if alert.minutes else ""
        name = f"[`{alert.name}`]({alert.runbook.removeprefix('operating.md')})"
        yield name, alert.severity, f"`{alert.expr}`{holds}", alert.why


def _objective_rows() -> Iterator[tuple[str, ...]]:
    yield "objective", f"in {SHARE:.1%} of a topic's time, over all its partitions", "which is to say"
    for each in OBJECTIVES:
        yield each.name.lower(), f"`{each.metric} <= {each.seconds}`", each.says


def _table(rows: Iterator[tuple[str, ...]]) -> str:
    head = next(rows)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, tuple("---" for _ in head), *rows))
