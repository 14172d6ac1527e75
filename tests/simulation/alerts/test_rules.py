"""A silent hour is impossible: each fault raises an alert of those that are shipped, and calm raises none.

The page is the real one, scraped in virtual time; Prometheus' own tool evaluates the rules on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import pytest

from doka.adapters.simulated.plan import CALM as FAIR
from doka.adapters.simulated.plan import Kind
from scripts.alerts import ALERTS, BURNING, RECORDS, Alert
from tests.promtool import Rule, find_promtool
from tests.simulation.alerts.faults import CALM, FAULTS, Fault
from tests.simulation.alerts.play import minutes, played
from tests.simulation.stage import Stage

RULES = ALERTS
"""The rules of causes; of a budget of 30 days an hour says nothing, but that calm spends none of it."""
ALL: tuple[Rule, ...] = (*ALERTS, *RECORDS, *BURNING)
NAMES = [rule.name for rule in RULES]

BESIDES: Mapping[str, str] = {
    "DokaDataWaits": "the one for whoever takes only one; others name the cause sooner",
    "DokaDataLate": "by the records' own timestamps: it sees what waited before this process came",
    "DokaRouteBlocked": "names the reason, sooner than DokaNotReady does",
    "DokaRecordUnsettled": "a lane that waits, before all of its topic is late",
    "DokaLeaseRunsOut": "minutes before anything waits",
    "DokaRecordsDropped": "says that what can never land was given up, where DokaPoison says that it can never land",
    "DokaLettersFail": "says why what can never land holds its key up",
    "DokaPartitionStuck": "names the reason, sooner than DokaNotReady does",
    "DokaWorkerRestarts": "there is one process on this stage; tests/unit/app/workers has several",
    "DokaReloadRefused": "nor is a configuration read there; tests/integration/app/workers/test_reload.py has what the page shows",
    "DokaAuditLost": "nobody audits on this stage; tests/unit/app/audit/test_continuous.py has what the page then shows",
    "DokaAuditLate": "as above",
}
"""Rules without which no fault would be silent, and why they are there."""

WITNESSES = (
    "what happens on any day",
    "no letter can be sent",
    "a letter is refused once",
    "STS is out of reach",
    "sessions are revoked each minute",
    "three answers of ten are lost",
    "requests with several records of a key land in another order",
    "poison, and it is dropped",
    "the coordinator does not answer",
    "the group lets it in no more",
    "the group declares it dead again and again",
    "the group takes partitions again and again",
    "a quota takes an eighth of the time",
    "retention overtook the group, and it goes on",
    "a batch cannot be read, and it goes on",
    "the loop hangs for half an hour",
    "the process is killed each two minutes",
)
"""Rows in which each rule fires that fires at all, and the day on which none may."""
_ONE_WORKER = pytest.mark.xdist_group("rules that are changed")  # so that these rows are played once


@cache
def shown(name: str) -> Mapping[str, str]:
    """Play a row; give the series that the rules read."""
    return played((CALM | FAULTS)[name], ALL)


def rows(table: Mapping[str, Fault]) -> pytest.MarkDecorator:
    """Give a test each row of a table by its name."""
    names = [pytest.param(name, marks=_ONE_WORKER if name in WITNESSES else ()) for name in table]
    return pytest.mark.parametrize("name", names)


@pytest.fixture
def promtool() -> str:
    """Give its command before anything is played in vain; skip where there is none."""
    return find_promtool()


@rows(FAULTS)
@pytest.mark.usefixtures("promtool")
def test_a_fault_raises_just_what_is_said(tmp_path: Path, name: str) -> None:
    """Just the alerts that are said fire, each in the minute that is said."""
    assert FAULTS[name].raises == minutes(tmp_path, FAULTS[name], shown(name), RULES)


@rows(CALM)
@pytest.mark.usefixtures("promtool")
def test_two_hours_of_calm(tmp_path: Path, name: str) -> None:
    """Nothing fires, from the first scrape on."""
    assert {} == minutes(tmp_path, CALM[name], shown(name), ALL)


@pytest.mark.parametrize("every", [15, 30])
@pytest.mark.usefixtures("promtool")
def test_an_hour_of_calm_at_any_interval_of_scrapes(tmp_path: Path, every: int) -> None:
    """Healthy traffic raises nothing, however often it is looked at."""
    hour = replace(CALM["healthy traffic"], begins=0, plays=3_600)
    assert {} == minutes(tmp_path, hour, played(hour, ALL, every), ALL, every)


def test_a_fault_raises_an_alert_or_says_why_not() -> None:
    """Nothing is silent by oversight."""
    assert [] == [name for name, fault in FAULTS.items() if bool(fault.raises) == bool(fault.harmless)]


def test_all_that_the_world_can_draw_is_played() -> None:
    """Each kind of incident and each fate is in a row of its own."""
    played_kinds, played_fates = set(), set()
    for fault in (*FAULTS.values(), *CALM.values()):
        stage = Stage(fault.plan)
        fault.strike(stage)
        played_kinds |= {incident.kind for incident in stage.incidents}
        played_fates |= stage.fates
    assert set(Kind) == played_kinds | {Kind.TOPIC_RECREATED}  # played in another way, see `recreated`
    assert set(asdict(FAIR)) == played_fates


@pytest.mark.parametrize("rule", NAMES)
def test_no_rule_is_idle(rule: str) -> None:
    """Without it a fault would be silent, or it is said what else it is there for."""
    needed = [name for name, fault in FAULTS.items() if {rule} == set(fault.raises)]
    assert bool(needed) != (rule in BESIDES), needed


# --- a rule that is changed ------------------------------------------------------------------------------------------

UNSHOWN = (
    "DokaPossibleDuplicatesHigher",
    "DokaPossibleDuplicatesLower",
    "DokaWorkerRestartsHigher",
    "DokaWorkerRestartsLower",
    "DokaWorkerRestartsLater",
    "DokaReloadRefusedLater",
    "DokaAuditLostLater",
    "DokaAuditLateHigher",
    "DokaAuditLateLower",
    "DokaAuditLateLater",
)
"""Changes that no row shows: there are no workers, no reloads and no audits on this stage, and doubtful answers are many. tests/integration/alerts does."""


def changed(rule: Alert) -> Iterator[Alert]:
    """Give the rule with a limit three times as high or as low (10 for none), or another time for which it must hold."""
    if rule.limit is not None:
        for word, other in (("Higher", rule.limit * 3 or 10.0), ("Lower", rule.limit / 3)):
            if other != rule.limit:
                yield replace(rule, name=rule.name + word, limit=other)
    for word, minutes_ in (("Later", rule.minutes + 3), ("Sooner", rule.minutes - 1)):
        if minutes_ >= 0:
            yield replace(rule, name=rule.name + word, minutes=minutes_)


@_ONE_WORKER
@pytest.mark.usefixtures("promtool")
def test_a_rule_that_is_changed_shows(tmp_path: Path) -> None:
    """With another threshold, or another time, an alert fires in another minute of some row, or not at all."""
    changes = [(rule, other) for rule in RULES for other in changed(rule)]
    told = set()
    for name in WITNESSES:
        row = (CALM | FAULTS)[name]
        asked = [
            (rule, other)
            for rule, other in changes
            if other.name not in told and (rule.name in row.raises or not row.raises)
        ]
        fired = minutes(tmp_path, row, shown(name), [other for _, other in asked])
        told |= {other.name for rule, other in asked if row.raises.get(rule.name) != fired.get(other.name)}
    assert list(UNSHOWN) == [other.name for _, other in changes if other.name not in told]
