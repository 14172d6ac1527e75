"""The queries of the dashboard for what the live run of the alerts does not play: workers, audits, and what is rare.

promtool asks them of the pages that a supervisor, an audit and a service show when it happens.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from doka.adapters.telemetry.audit_telemetry import AuditMetrics
from doka.adapters.telemetry.merged_page import SupervisorMetrics
from doka.adapters.telemetry.metrics import Metrics
from doka.domain.limits import NS_PER_SECOND
from scripts.dashboard_look import BOARD, filled, panels_of
from tests.integration.alerts.live import NOT_SHOWN, is_not_shown
from tests.manual_clock import ManualClock
from tests.promtool import PROMTOOL_SECONDS, ask, find_promtool
from tests.unit.adapters.telemetry.given import FACTS

EVERY = 15
"""Between two scrapes (s)."""
SCRAPES = 40
_ASKED = re.compile(r'asked="(\d+)"')


def board() -> dict[str, Any]:
    """Give the dashboard as it is committed."""
    read: dict[str, Any] = json.loads(BOARD.read_text(encoding="utf-8"))
    return read


def not_played() -> list[str]:
    """Give the queries that find nothing in the live run."""
    targets = [target for panel in panels_of(board()) for target in panel.get("targets", ())]
    return [filled(target["expr"], "1m") for target in targets if is_not_shown(target["expr"])]


def series_of(page: bytes) -> Iterable[Mapping[str, str]]:
    """Give what a page shows, scraped again and again."""
    for family in text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            labels = {**sample.labels, "job": "doka", "instance": "doka-0"}
            written = ",".join(f'{name}="{value}"' for name, value in labels.items())
            yield {"series": f"{sample.name}{{{written}}}", "values": f"{sample.value:g}x{SCRAPES}"}


def answered(folder: Path, queries: Iterable[str]) -> set[int]:
    """Give the numbers of the queries that find something on the pages of a supervisor, of audits and of a service."""
    service = Metrics(ManualClock(), "0", ["orders"], topics=["orders"])
    for fact in FACTS:
        service.count(fact)
    audits = AuditMetrics(ManualClock(), "0", ["orders"], 3_600 * NS_PER_SECOND)
    audits.judged_until.labels("orders").set(60)
    asked = [
        {"expr": f'label_replace({query}, "asked", "{number}", "", "")', "eval_time": f"{EVERY * SCRAPES}s"}
        for number, query in enumerate(queries)
    ]
    supervisor = SupervisorMetrics(2)
    supervisor.shows_configuration().runs("99fbafcab745", 60.0)
    pages = (generate_latest(supervisor.registry), audits.page()[0], service.page()[0])
    given = [series for page in pages for series in series_of(page)]
    said = ask(folder, [{"interval": f"{EVERY}s", "input_series": given, "promql_expr_test": asked}], every=EVERY)
    return {int(number) for number in _ASKED.findall(said)}


def test_promtool_takes_every_query(tmp_path: Path) -> None:
    """Each is an expression that Prometheus can read."""
    queries = [target["expr"] for panel in panels_of(board()) for target in panel.get("targets", ())]
    queries += [mark["expr"] for mark in board()["annotations"]["list"]]
    rules = [{"record": f"query:{number}", "expr": filled(query, "1m")} for number, query in enumerate(queries)]
    file = tmp_path / "rules.yaml"
    file.write_text(json.dumps({"groups": [{"name": "doka", "rules": rules}]}), encoding="utf-8")
    words = [find_promtool(), "check", "rules", str(file)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PROMTOOL_SECONDS, check=False)
    assert f"SUCCESS: {len(queries)} rules found" in done.stdout, done.stdout + done.stderr


def test_what_the_live_run_does_not_play_is_found_where_it_happens(tmp_path: Path) -> None:
    """Each such query has an answer where there are workers, audits, skips and all that is rare."""
    queries = not_played()
    assert set(NOT_SHOWN) == {metric for metric in NOT_SHOWN if any(metric in query for query in queries)}
    assert set(range(len(queries))) == answered(tmp_path, queries)


@pytest.mark.parametrize("wrong", ["doka_worker_ups", 'doka_worker_up{worker="x"}'])
def test_a_query_that_finds_nothing_is_seen(tmp_path: Path, wrong: str) -> None:
    """The check of answers can fail."""
    assert {1} == answered(tmp_path, [wrong, "doka_worker_up"])
