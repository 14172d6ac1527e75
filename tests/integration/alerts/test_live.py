from __future__ import annotations

from pathlib import Path

import pytest

from scripts.alerts import ALERTS, BURNING
from tests.integration.alerts.live import ALL, NOT_PLAYED, ROUTES, play
from tests.promtool import find_promtool

FACTOR = 30
"""By which time is shortened: 5 min are 10 s."""


@pytest.fixture
def _there_is_one() -> None:
    find_promtool("prometheus")


def test_each_alert_is_played_or_says_why_not() -> None:
    """None is left out by oversight."""
    played = {name for name, _ in ALL}
    assert {alert.name for alert in (*ALERTS, *BURNING)} == played | NOT_PLAYED.keys()
    assert set() == played & NOT_PLAYED.keys()


@pytest.mark.slow
@pytest.mark.usefixtures("_there_is_one")
def test_each_fault_raises_its_alerts_and_nothing_else_does(tmp_path: Path) -> None:
    """In a real Prometheus that scrapes the running service: nothing in calm, then what each route's fault is to raise."""
    with play(tmp_path, FACTOR) as made:
        made.stay_calm()
        made.strike()
        assert [] == made.of_the_healthy()
        shown = made.dashboard()
        assert [] == shown.empty()  # a query that finds nothing here is wrong
        assert {"job": {"doka"}, "route": set(ROUTES), "topic": set(ROUTES)} == made.choices()
        assert ">no data<" not in shown.page("by a test")


@pytest.mark.slow
@pytest.mark.usefixtures("_there_is_one")
def test_a_service_that_is_gone_starts_again_and_again_or_is_not_all_is_told(tmp_path: Path) -> None:
    """What is lost while nothing runs, too, though it was counted before the first scrape."""
    with play(tmp_path, FACTOR) as made:
        made.stop_and_start()
        made.let_another_join()
        told = {mark.told for mark in made.dashboard().marks}
        assert {"doka-0 : partitions assigned", "doka-0 : partitions revoked"} <= told
