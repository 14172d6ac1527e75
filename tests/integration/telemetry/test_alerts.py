"""The alerts that are shipped, as a Prometheus evaluates them on the page of a service.

Each case is a first event: before it nothing of its kind had ever happened, so its series may not even have been there.
Whole faults, and what else must not fire, are played in tests/simulation/alerts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from doka.adapters.telemetry.merged_page import SupervisorMetrics
from doka.adapters.telemetry.metrics import Metrics
from doka.domain.facts import (
    CommitFailed,
    Fact,
    GapSeen,
    LeaseRejected,
    LetterFailed,
    OrderBroken,
    PartitionsOwned,
    RecordsPoisoned,
    UnreadableSeen,
)
from doka.domain.limits import NS_PER_SECOND
from doka.domain.status import GroupStatus, Status
from scripts.alerts import ALERTS, Alert
from tests.manual_clock import ManualClock
from tests.promtool import first_firings
from tests.unit.adapters.telemetry.given import ORDERS_3, hand_clock, partition_status, status

SCRAPES = (15, 30, 60)
CALM_SCRAPES = 40
AFTER_SCRAPES = 20
RULES: Mapping[str, Alert] = {rule.name: rule for rule in ALERTS}


@dataclass(frozen=True)
class Counters:
    """What counts in a process, and in the supervisor of several."""

    service: Metrics
    supervisor: SupervisorMetrics


Happening = Callable[[Counters, Status], Status]
"""Counts what happened, and gives the state after it."""


def counted(*facts: Fact) -> Happening:
    """Give what lets a service count these facts."""

    def happen(counters: Counters, calm: Status) -> Status:
        for fact in facts:
            counters.service.count(fact)
        return calm

    return happen


def shown(**changes: Any) -> Happening:
    """Give what changes the state that a service publishes."""
    return lambda _counters, calm: replace(calm, **changes)


def _partition(**given: Any) -> Happening:
    return shown(partitions={ORDERS_3: partition_status(**given)})


def _poisoned(policy: str) -> Fact:
    return RecordsPoisoned("orders", ORDERS_3, 41, "RecordTooLarge", policy)


def _rebalanced(change: str) -> Fact:
    return PartitionsOwned(change, frozenset({ORDERS_3}), {})


def _a_worker_died(counters: Counters, calm: Status) -> Status:
    for _ in range(3):
        counters.supervisor.restarted(1)
    return calm


FIRST_EVENTS: Mapping[str, Happening] = {
    "DokaDataWaits": _partition(waiting=400 * NS_PER_SECOND),
    "DokaDataLate": _partition(waiting=400 * NS_PER_SECOND),
    "DokaNotReady": shown(group=GroupStatus(joined=False, lost_since=0)),
    "DokaRecordUnsettled": _partition(unsettled=1, age=130 * NS_PER_SECOND),
    "DokaLeasesRejected": counted(
        *(LeaseRejected("analytics", 4, f"{code}Exception", 9) for code in ("ExpiredToken", "InvalidSignature")),
        LeaseRejected("analytics", 4, "AccessDenied", 9),
    ),
    "DokaPartitionStuck": _partition(stuck="it waits", stuck_reason="broker_unreachable"),
    "DokaRecordsDropped": counted(*[_poisoned("drop")] * 1_000),
    "DokaPoison": counted(_poisoned("block")),
    "DokaLettersFail": counted(LetterFailed("orders", ORDERS_3, 41, "_MSG_TIMED_OUT", NS_PER_SECOND)),
    "DokaRecordsLeftTheLog": counted(GapSeen(ORDERS_3, 5, 9, "continue")),
    "DokaUnreadable": counted(UnreadableSeen(ORDERS_3, 5, 9, "failed CRC32C check", "continue")),
    "DokaCommitsFail": counted(*[CommitFailed("REBALANCE_IN_PROGRESS")] * 5),
    "DokaDeclaredDead": counted(*[_rebalanced("lost")] * 3),
    "DokaGroupRestless": counted(*[_rebalanced("revoked")] * 21),
    "DokaOrderBreaks": counted(OrderBroken("orders", "refused", 1)),
    "DokaWorkerRestarts": _a_worker_died,
}


def samples(page: bytes) -> dict[str, float]:
    """Give each series of a page with its value."""
    found = {}
    for family in text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            labels = ",".join(f'{key}="{value}"' for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def scraped(happen: Happening | None) -> dict[str, str]:
    """Give all series as promtool writes them: some calm scrapes, then those after the event."""
    clock = hand_clock()
    counters = Counters(_metrics(clock), SupervisorMetrics(2))
    calm = replace(status(clock, partition=partition_status(log_end=100, waiting=0)), group=GroupStatus(joined=True))
    counters.service.publish(calm)
    before = _pages(counters)
    if happen is not None:
        counters.service.publish(happen(counters, calm))
    after = _pages(counters)
    return {
        name: f"{_times(before.get(name), CALM_SCRAPES)} {_times(after.get(name), AFTER_SCRAPES)}"
        for name in before.keys() | after.keys()
        if not name.startswith("doka_process")
    }


def _metrics(clock: ManualClock) -> Metrics:
    return Metrics(clock, "1.2.3", ["orders"], ["analytics"], topics=["orders"], sharing=["orders"])


def _pages(counters: Counters) -> dict[str, float]:
    return samples(counters.service.page()[0]) | samples(counters.supervisor.page({})[0])


def _times(value: float | None, scrapes: int) -> str:
    return f"_x{scrapes}" if value is None else f"{value!r}x{scrapes - 1}"


def fires(folder: Path, rule: Alert, series: Mapping[str, str], every: int) -> bool:
    """Say whether an alert fires, at the latest a minute after it may."""
    until = CALM_SCRAPES * every + 60 * (rule.minutes + 1)
    return rule.name in first_firings(folder, [rule], series, every=every, until=until)


@pytest.mark.parametrize("every", SCRAPES)
@pytest.mark.parametrize("name", FIRST_EVENTS)
def test_an_alert_sees_the_first_event(tmp_path: Path, name: str, every: int) -> None:
    """Whatever the interval of scrapes: the first event of its kind raises the alert."""
    assert fires(tmp_path, RULES[name], scraped(FIRST_EVENTS[name]), every)


@pytest.mark.parametrize("name", FIRST_EVENTS)
def test_no_alert_is_raised_by_a_calm_service(tmp_path: Path, name: str) -> None:
    """Where nothing has happened, nothing is told."""
    assert not fires(tmp_path, RULES[name], scraped(None), SCRAPES[0])


@pytest.mark.parametrize("name", RULES)
def test_a_rule_asks_for_an_increase_only_of_what_was_there_before(name: str) -> None:
    """A counter whose series are born with their first event has a second half in its rule, for what is new."""
    expression = RULES[name].expr
    clock = hand_clock()
    counters = Counters(_metrics(clock), SupervisorMetrics(2))
    counters.service.publish(status(clock))
    there = {series.partition("{")[0] for series in _pages(counters)}
    asked = re.findall(r"(?:increase|rate|changes)\((\w+)", expression)
    born_late = {counter for counter in asked if counter not in there}
    assert [] == [
        counter for counter in sorted(born_late) if f"({counter} unless {counter} offset 5m) > 0" not in expression
    ]


def test_every_rule_that_counts_events_is_tried() -> None:
    """An alert that asks for an increase has its first event here."""
    assert [] == [name for name, rule in RULES.items() if "increase(" in rule.expr and name not in FIRST_EVENTS]
