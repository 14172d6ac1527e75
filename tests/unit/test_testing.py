from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from doka.app.cli.main import main
from doka.app.simulate.engine import run_side
from doka.domain.batch import Batch, BatchError, NotReadError
from doka.testing import Simulate, batch, simulate, simulated
from tests.architecture.source_tree import ROOT
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


def test_a_function_of_ones_own_is_run_with_it(
    simulate: Simulate, scenario: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over records of a file: of the six of the example one is left out, and two can never land."""
    monkeypatch.chdir(ROOT)
    totals = simulate(scenario, config="examples/transformed.yaml", records="examples/orders.jsonl").totals
    assert (1_800 // 6 * 3, 0) == (totals.settled_otherwise, totals.lost)


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


def clean(orders: Batch) -> None:
    """Do one of each: leave as it is, change, choose a key, drop, refuse."""
    orders.values[1] = b"changed"
    orders.partition_keys[2] = "k"
    orders.values[3] = b"changed and dropped"
    orders.drop(3)
    orders.refuse(4)


def test_a_batch_tells_what_was_made_of_it() -> None:
    """What is left out is not sent, whatever else was done to it."""
    given = batch(values=[b"0", b"1", b"2", b"3", None])
    clean(given)
    assert ["kept", "changed", "changed", "filtered", "poison"] == given.becomes
    assert {1: b"changed"} == given.changed
    assert [(None, b"0"), (None, b"changed"), ("k", b"2")] == given.sent


def test_a_batch_is_what_the_service_gives() -> None:
    """With the columns that were given; what nobody says that it reads is not there."""
    plain = batch(values=[b"a", None])
    assert (2, "topic", 0, [0, 1], [None, None]) == (
        len(plain),
        plain.topic,
        plain.partition,
        list(plain.offsets),
        list(plain.keys),
    )
    with pytest.raises(NotReadError, match="headers"):
        _ = plain.headers
    with pytest.raises(NotReadError, match="timestamps"):
        _ = plain.timestamps_ms
    whole = batch(
        values=[b"a"],
        keys=[b"k"],
        headers=[[("type", b"order")]],
        timestamps_ms=[7],
        topic="orders",
        partition=3,
        offsets=[9],
    )
    assert ([[("type", b"order")]], [7], [b"k"], [9], "orders", 3) == (
        whole.headers, whole.timestamps_ms, whole.keys, whole.offsets, whole.topic, whole.partition,
    )  # fmt: skip


@pytest.mark.parametrize("column", ["keys", "headers", "timestamps_ms", "offsets"])
def test_columns_of_another_length_are_refused(column: str) -> None:
    """A test with a slip in it says so, and does not pass by chance."""
    with pytest.raises(ValueError, match=f"{column} has 1 entries for 2 values"):
        batch(values=[b"a", b"b"], **{column: [None]})  # type: ignore[arg-type]  # on purpose


def test_what_is_no_batch_any_more_says_so_at_each_look() -> None:
    """As the service would, by BatchError."""
    for look in ("becomes", "changed", "sent"):
        given = batch(values=[b"a", b"b"])
        given.values = [b"a"]
        with pytest.raises(BatchError, match="values has 1 entries for 2 records"):
            getattr(given, look)
