"""The alerts that docs/operating.md names, as a Prometheus evaluates them on the page of a service.

Each case is a first event: before it nothing of its kind had ever happened, so its series may not even have been there.
`promtool` is in Debian's package `prometheus`; where it is missing, only what can be seen in the text is held.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from doka.adapters.telemetry.metrics import Metrics
from doka.domain.facts import CommitFailed, Fact, GapSeen, LetterFailed, RecordsPoisoned
from doka.domain.limits import NS_PER_SECOND
from doka.domain.status import GroupStatus, Status
from tests.architecture.source_tree import ROOT
from tests.unit.adapters.telemetry.given import ORDERS_3, hand_clock, partition_status, status

SCRAPES = (15, 30, 60)
CALM_SCRAPES = 40
AFTER_SCRAPES = 20
PROMTOOL = shutil.which("promtool")
ROW = re.compile(r"^\| ([^|]+) \| `([^`]+)`([^|]*)\|", re.MULTILINE)


def alerts() -> dict[str, tuple[str, int]]:
    """Give the expression of each alert of the page, and for how many minutes it must hold."""
    page = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    table = page.partition("\n## Alerts\n")[2].partition("\n## ")[0]
    found = {}
    for name, expression, more in ROW.findall(table):
        minutes = re.search(r"for (\d+) min", more)
        found[name.strip()] = expression, int(minutes[1]) if minutes else 0
    return found


def counted(*facts: Fact) -> Callable[[Metrics, Status], Status]:
    """Give what lets a service count these facts."""

    def happen(metrics: Metrics, calm: Status) -> Status:
        for fact in facts:
            metrics.count(fact)
        return calm

    return happen


def shown(**changes: Any) -> Callable[[Metrics, Status], Status]:
    """Give what changes the state that a service publishes."""
    return lambda _metrics, calm: replace(calm, **changes)


def _partition(**given: Any) -> Callable[[Metrics, Status], Status]:
    return shown(partitions={ORDERS_3: partition_status(**given)})


def _poisoned(policy: str) -> Fact:
    return RecordsPoisoned("orders", ORDERS_3, 41, "RecordTooLarge", policy)


FIRST_EVENTS: Mapping[str, Callable[[Metrics, Status], Status]] = {
    "data waits too long": _partition(waiting=400 * NS_PER_SECOND),
    "data is late": _partition(waiting=400 * NS_PER_SECOND),
    "it is not ready": shown(group=GroupStatus(joined=False, lost_since=0)),
    "one record does not settle": _partition(unsettled=1, age=130 * NS_PER_SECOND),
    "a partition, or a lane of it, waits for a person": _partition(stuck="it waits", stuck_reason="broker_unreachable"),
    "records were dropped": counted(*[_poisoned("drop")] * 1_000),
    "poison": counted(_poisoned("block")),
    "dead letters fail": counted(LetterFailed("orders", ORDERS_3, 41, "_MSG_TIMED_OUT", NS_PER_SECOND)),
    "records left the log": counted(GapSeen(ORDERS_3, 5, 9, "continue")),
    "commits fail": counted(*[CommitFailed("REBALANCE_IN_PROGRESS")] * 5),
}


def samples(page: bytes) -> dict[str, float]:
    """Give each series of a page with its value."""
    found = {}
    for family in text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            labels = ",".join(f'{key}="{value}"' for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def scraped(happen: Callable[[Metrics, Status], Status] | None) -> dict[str, str]:
    """Give all series as promtool writes them: some calm scrapes, then those after the event."""
    clock = hand_clock()
    metrics = Metrics(clock, "1.2.3", ["orders"], ["analytics"], topics=["orders"])
    calm = replace(status(clock, partition=partition_status(log_end=100, waiting=0)), group=GroupStatus(joined=True))
    metrics.publish(calm)
    before = samples(metrics.page()[0])
    if happen is not None:
        metrics.publish(happen(metrics, calm))
    after = samples(metrics.page()[0])
    return {
        name: f"{_times(before.get(name), CALM_SCRAPES)} {_times(after.get(name), AFTER_SCRAPES)}"
        for name in before.keys() | after.keys()
        if not name.startswith("doka_process")
    }


def _times(value: float | None, scrapes: int) -> str:
    return f"_x{scrapes - 1}" if value is None else f"{value!r}x{scrapes - 1}"


def fires(folder: Path, expression: str, series: Mapping[str, str], every: int, minutes: int) -> bool:
    """Let promtool say whether an expression has a result so many minutes after the event."""
    at = CALM_SCRAPES * every + max(60 * minutes, 60)
    asked = {
        "evaluation_interval": f"{every}s",
        "tests": [
            {
                "interval": f"{every}s",
                "input_series": [{"series": name, "values": values} for name, values in sorted(series.items())],
                "promql_expr_test": [
                    {
                        "expr": f"count({expression}) > bool 0",
                        "eval_time": f"{at}s",
                        "exp_samples": [{"labels": "{}", "value": 1}],
                    }
                ],
            }
        ],
    }
    file = folder / "test.yaml"
    file.write_text(yaml.safe_dump(asked), encoding="utf-8")
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, "test", "rules", file], capture_output=True, text=True, timeout=60, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0 or "got:nil" in said.replace(" ", ""), said
    return done.returncode == 0


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not here: it comes with Debian's package prometheus")
@pytest.mark.parametrize("every", SCRAPES)
@pytest.mark.parametrize("name", FIRST_EVENTS)
def test_an_alert_sees_the_first_event(tmp_path: Path, name: str, every: int) -> None:
    """Whatever the interval of scrapes: the first event of its kind raises the alert."""
    expression, minutes = alerts()[name]
    assert fires(tmp_path, expression, scraped(FIRST_EVENTS[name]), every, minutes)


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not here: it comes with Debian's package prometheus")
@pytest.mark.parametrize("name", FIRST_EVENTS)
def test_no_alert_is_raised_by_a_calm_service(tmp_path: Path, name: str) -> None:
    """Where nothing has happened, nothing is told."""
    expression, minutes = alerts()[name]
    assert not fires(tmp_path, expression, scraped(None), SCRAPES[0], minutes)


@pytest.mark.parametrize("name", alerts())
def test_a_rule_asks_for_an_increase_only_of_what_was_there_before(name: str) -> None:
    """A counter whose series are born with their first event has a second half in its rule, for what is new."""
    expression, _ = alerts()[name]
    there = {
        series.partition("{")[0] for series in samples(Metrics(hand_clock(), "1", ["a"], ["b"], topics=["c"]).page()[0])
    }
    born_late = {counter for counter in re.findall(r"increase\((\w+)", expression) if counter not in there}
    assert [] == [
        counter for counter in sorted(born_late) if f"({counter} unless {counter} offset 5m) > 0" not in expression
    ]


def test_every_rule_that_counts_events_is_tried() -> None:
    """An alert that asks for an increase has its first event here."""
    assert [] == [
        name for name, (expression, _) in alerts().items() if "increase(" in expression and name not in FIRST_EVENTS
    ]
