from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from doka.app.cli.main import main
from doka.app.simulate.engine import run_side
from doka.testing import Simulate, simulate, simulated
from tests.integration.app.simulate.forwarders import LosesOne
from tests.unit.app.simulate.test_own_settings import CONFIG

__all__ = ["simulate"]  # the fixture, as a user's conftest has it

SCENARIO = "title: A test\nduration_hours: 0.5\ntraffic: {records_per_second: 1}\n"


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """Write a scenario of half an hour."""
    file = tmp_path / "scenario.yaml"
    file.write_text(SCENARIO, encoding="utf-8")
    return file


def test_one_line_runs_a_scenario(simulate: Simulate, scenario: Path, tmp_path: Path) -> None:
    """It gives the side that was run, by the rules of a configuration where one is named."""
    assert 1_800 == simulate(scenario).totals.delivered
    config = tmp_path / "doka.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    assert "interval 7 min, before_expiry" == simulate(str(scenario), config=str(config)).policy


def test_a_lost_record_fails_the_test(scenario: Path) -> None:
    """The message names the scenario, the seed, the verdict and the reason."""
    with pytest.raises(AssertionError, match=r"scenario.yaml, seed 7: lost: 1 record is lost"):
        simulated(scenario, seed=7, forwarder=LosesOne)


def test_a_lost_record_is_seen_in_every_form(
    scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A forwarder that leaves one record out is seen in the exit code, the totals, the table and the page."""
    monkeypatch.setattr("doka.app.cli.simulate.run_side", partial(run_side, forwarder=LosesOne))
    page = tmp_path / "report.html"
    assert 1 == main(["simulate", "run", "--scenario", str(scenario), "--report", str(page), "--json"])
    totals = json.loads(capsys.readouterr().out)["sides"][0]["totals"]
    assert (1, 1_799, 1_800) == (totals["lost"], totals["delivered"], totals["committed"])
    assert "1 record is lost" in page.read_text(encoding="utf-8")
    assert 1 == main(["simulate", "run", "--scenario", str(scenario)])
    out = capsys.readouterr().out
    assert "doka: lost" in out
    assert "1 record is lost: below the committed offset, and nowhere, the first 10 s after the start" in out
