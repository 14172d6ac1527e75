"""Each alert on series that are made for it: it fires, it nearly fires, its series were not there before, and it ends.

All at scrapes of 15, 30 and 60 s. A row of the table whose limit or `for` is changed fails here; the last tests show it.
Whole faults, and what they raise beside it, are played in tests/simulation/alerts.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.alerts import ALERTS, BURNING, BURNS, EVERY_SECONDS, OBJECTIVES, PAGE, RECORDS, TICKET, Alert
from tests.architecture.source_tree import ROOT
from tests.integration.alerts.cases import BUDGETS, CALM, CASES, MINUTE, OVER, SPENT, UNDER, Case, Happens, at, gauge
from tests.promtool import PROMTOOL_SECONDS, Rule, ask, find_promtool, written

RULE_FILE = ROOT / "deploy" / "alerts.yaml"
SCRAPES = (15, 30, 60)
EVALUATED = 15
"""How often rules are evaluated (s): at longer scrapes most evaluations fall between two of them."""
BEFORE = 600
"""For how long (s) all was calm."""
GOES_ON = 900
"""How long (s) a case lasts that need not end."""
_TOLD = re.compile(r'\{play="([^"]+)", which="(first|last) of ([^"]+)"\} ([0-9.E+]+)')


@dataclass(frozen=True)
class Play:
    """One case at one interval of scrapes, and when the alert fires for the first and the last time (s after 0)."""

    name: str
    happens: Happens
    case: Case
    fires: tuple[float, float] | None
    """None: it does not."""
    after: float
    """How long (s) it is looked at."""
    begins: float = -BEFORE
    """When its series are there (s)."""

    @property
    def tolerance(self) -> float:
        """By how much (s) it may be another time: what a window holds changes between two scrapes, and between evaluations."""
        return self.happens.every + EVALUATED if self.case.window else 0


def plays(name: str, case: Case) -> Iterator[Play]:
    """Give all that is played of a case."""
    for every in SCRAPES:
        begins = case.fills + case.scrapes * every
        lasts = (
            begins + case.holds + every
        )  # the last evaluation that sees a gauge beyond its limit is the first to fire
        ends = case.window - every if case.window else lasts - EVALUATED
        if case.fills:
            lasts = case.window
            ends = lasts + case.window - case.fills
        over = Happens(OVER, lasts, every)
        fires = (begins + case.holds, ends)
        after = ends + 2 * every + MINUTE
        where = f"{name}, {every} s"

        yield Play(f"{where}: fires, and ends", over, case, fires, after)
        if case.newborn:
            since = -2 * every if case.window else 0  # a counter stands at 0 before its first event
            yield Play(f"{where}: was not there before", over, case, fires, after, since)
        yield Play(f"{where}: calm", Happens(CALM, 0, every), case, None, 3_600 - BEFORE)
        if case.nearly:
            yield Play(f"{where}: nearly", Happens(UNDER, GOES_ON, every), case, None, GOES_ON + case.window)
        if case.holds:
            yield Play(f"{where}: not for long enough", Happens(OVER, case.holds, every), case, None, after)


def as_test(play: Play, alerts: Sequence[Alert], every: int) -> Mapping[str, Any]:
    """Write a play as a test of promtool, which tells by its failure when each alert fires."""
    until = BEFORE + play.after
    moments = [t - BEFORE for t in range(0, int(until) + play.happens.every, play.happens.every)]
    given = [
        {"series": name, "values": written([None if t < play.begins else signal(play.happens, t) for t in moments])}
        for name, signal in play.case.series.items()
    ]
    asked = [
        {
            "expr": f'label_replace(label_replace({least}({least}_over_time({firing})), "play", "{play.name}", "", ""), '
            f'"which", "{which} of {alert.name}", "", "")',
            "eval_time": f"{until:.0f}s",
        }
        for alert in alerts
        for firing in [f'timestamp(ALERTS{{alertname="{alert.name}",alertstate="firing"}})[{until:.0f}s:{every}s]']
        for which, least in (("first", "min"), ("last", "max"))
    ]
    return {"interval": f"{play.happens.every}s", "input_series": given, "promql_expr_test": asked}


Told = Mapping[str, Mapping[str, float]]
"""The plays in which an alert fires, each with the first and the last time (s after 0)."""


def fired(
    folder: Path, alerts: Sequence[Alert], some: Sequence[Play], rules: Sequence[Rule], every: int
) -> Mapping[str, Told]:
    """Give when each of these alerts fires, by its name."""
    said = ask(folder, [as_test(play, alerts, every) for play in some], every=every, rules=[*rules, *alerts])
    found: dict[str, dict[str, dict[str, float]]] = {alert.name: {} for alert in alerts}
    for play, which, name, moment in _TOLD.findall(said):
        found[name].setdefault(play, {})[which] = float(moment) - BEFORE
    told = sum(len(plays) for plays in found.values())
    assert said.count("got:") == 2 * told, f"promtool writes results in another way than is read here: {said}"
    return found


def wrong(some: Sequence[Play], told: Told) -> list[str]:
    """Give the plays that do not come out as they are written."""
    return [
        f"{play.name}: {told.get(play.name)} for {play.fires}"
        for play in some
        if not _as_written(play, told.get(play.name))
    ]


def _as_written(play: Play, told: Mapping[str, float] | None) -> bool:
    if play.fires is None or told is None:
        return play.fires is None and told is None
    first, last = play.fires
    late = told["first"] - first
    if play.case.fills:  # a window that is not full yet may have enough of what little it has
        in_time = late <= play.tolerance and (late >= -play.tolerance or play.begins > -BEFORE)
    else:
        in_time = late == 0
    return in_time and abs(told["last"] - last) <= play.tolerance


def plays_of(name: str) -> list[Play]:
    """Give all that is played of an alert."""
    return [play for number, case in enumerate(CASES[name], 1) for play in plays(f"case {number}", case)]


def test_each_alert_has_its_cases() -> None:
    """A row without one would be tried by nobody."""
    assert [alert.name for alert in ALERTS] == list(CASES)


def changed(alert: Alert) -> Iterator[Alert]:
    """Give a row with another limit, or another time for which it must hold, under a name that says which."""
    if alert.limit is not None:
        yield replace(alert, name=f"{alert.name} with a higher limit", limit=alert.limit * 1.3 or 2)
    if alert.limit:
        yield replace(alert, name=f"{alert.name} with a lower limit", limit=alert.limit * 0.75)
    yield replace(alert, name=f"{alert.name} a minute longer", minutes=alert.minutes + 1)
    if alert.minutes:
        yield replace(alert, name=f"{alert.name} a minute shorter", minutes=alert.minutes - 1)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_fires_when_it_should_and_ends(tmp_path: Path, alert: Alert) -> None:
    """Just beyond its limit and for long enough; at its limit or for less it does not, nor in an hour of calm.

    With any other limit or time something does not come out as it is written.
    """
    some, others = plays_of(alert.name), list(changed(alert))
    told = fired(tmp_path, [alert, *others], some, (), EVALUATED)
    assert [] == wrong(some, told[alert.name])
    assert [] == [other.name for other in others if not wrong(some, told[other.name])]


# --- objectives ------------------------------------------------------------------------------------------------------


def plays_of_budget(objective: str, days: int) -> Iterator[Play]:
    """Give all that is played of the alert of a budget: one of two partitions misses the objective, the other does not."""
    metric, over, under = BUDGETS[objective]
    spent = SPENT[days]
    case = Case({at(metric): gauge(1, over, under), at(metric, 1): gauge(1, 1)}, spent.short)
    for every in SCRAPES:
        lasts = (spent.first // every + 1) * every
        last_missed = (lasts - 1) // EVERY_SECONDS * EVERY_SECONDS
        ends = last_missed - EVERY_SECONDS * (spent.moments - 1) + spent.short
        where = f"{every} s"
        missed = Happens(OVER, lasts, every)
        yield Play(f"{where}: fires, and ends", missed, case, (spent.first, ends), ends + 2 * MINUTE)
        yield Play(f"{where}: was not there before", missed, case, (spent.first, ends), ends + 2 * MINUTE, 0)
        yield Play(f"{where}: nearly", Happens(UNDER, GOES_ON, every), case, None, GOES_ON)
        yield Play(
            f"{where}: not for long enough", replace(missed, lasts=spent.first // every * every), case, None, ends
        )


BUDGET_ALERTS = [
    pytest.param(alert, objective.name, burn.days, id=alert.name)
    for (objective, burn), alert in zip(product(OBJECTIVES, BURNS), BURNING, strict=True)
]


def read_by(rules: Iterable[Rule]) -> list[Rule]:
    """Give the recording rules that these read, and those that they read in turn, in the order of the file."""
    read = " ".join(rule.expr for rule in rules)
    found: list[Rule] = [record for record in RECORDS if re.search(rf"{record.name}\b(?!:)", read)]
    deeper = found and read_by(found)
    return [record for record in RECORDS if record in found or record in deeper]


@pytest.mark.parametrize(("alert", "objective", "days"), BUDGET_ALERTS)
def test_a_budget_that_goes_too_quickly_is_told(tmp_path: Path, alert: Alert, objective: str, days: int) -> None:
    """As soon as it is by the long window, and until the short one has forgotten; never for what is within the objective.

    With any other rate, or a time for which it must hold, it is told at another time.
    """
    records, others, some = read_by([alert]), list(changed(alert)), list(plays_of_budget(objective, days))
    even = [play for play in some if play.happens.every == EVERY_SECONDS]
    uneven = [play for play in some if play not in even]
    told = fired(tmp_path, [alert, *others], even, records, EVERY_SECONDS)
    assert [] == wrong(even, told[alert.name])
    assert [] == wrong(uneven, fired(tmp_path, [alert], uneven, records, EVERY_SECONDS)[alert.name])
    assert [] == [other.name for other in others if not wrong(even, told[other.name])]


def test_each_recording_rule_is_read_by_an_alert() -> None:
    """One that no alert reads would be tried by nobody."""
    assert list(RECORDS) == read_by(BURNING)


# --- what is written -------------------------------------------------------------------------------------------------


def test_the_file_holds_what_the_table_says() -> None:
    """Read as YAML it is the table, no quote or colon having changed a word of it."""
    causes, objectives = yaml.safe_load(RULE_FILE.read_text(encoding="utf-8"))["groups"]
    assert [alert.written() for alert in ALERTS] == causes["rules"]
    assert [*(rule.written() for rule in RECORDS), *(rule.written() for rule in BURNING)] == objectives["rules"]
    assert f"{EVERY_SECONDS}s" == objectives["interval"]


def test_promtool_accepts_the_file() -> None:
    """Expressions and templates are what Prometheus takes."""
    words = [find_promtool(), "check", "rules", str(RULE_FILE)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PROMTOOL_SECONDS, check=False)
    assert f"SUCCESS: {len((*ALERTS, *RECORDS, *BURNING))} rules found" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("alert", [*ALERTS, *BURNING], ids=lambda alert: alert.name)
def test_an_alert_says_what_it_saw_whom_to_call_and_where_to_look(alert: Alert) -> None:
    """Its sentence, its severity, and a heading that there is."""
    page, _, anchor = alert.runbook.partition("#")
    headings = re.findall(r"^#+ (.*)$", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert (True, True, True) == (bool(alert.summary), alert.severity in {PAGE, TICKET}, anchor in anchors)
