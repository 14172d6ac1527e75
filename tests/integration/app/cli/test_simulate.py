from __future__ import annotations

import json
from pathlib import Path

import pytest

from doka.app.cli.main import main
from doka.app.cli.simulate import incident
from doka.app.simulate.fuzz import run_seeds
from doka.domain.errors import UsageError
from tests.architecture.source_tree import ROOT
from tests.integration.app.simulate.forwarders import LosesOne

INCIDENT = ["simulate", "incident", "--hours", "2", "--rate", "1", "--jobs", "1"]


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give output a known width, and no colour."""
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)


def test_the_incident_is_told_in_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    """Both sides by the clock, the sums, what it means, and the next thing to type; within 100 columns."""
    assert 0 == main(INCIDENT)
    out = capsys.readouterr().out
    flat = " ".join(out.split())
    for told in (
        "Fri 18:00 to Fri 20:00",
        "token ends; nobody renews it",
        "put refused: ExpiredTokenException",
        "the error is logged, the offset moves on",
        "somebody looks: 3,600 records are gone",
        "all 7,200 records delivered",
        "Its lag was never above 10 records, so no alarm went off",
        "doka lost 0",
        "doka simulate incident --hours 2 --rate 1 --report incident.html",
    ):
        assert told in flat
    assert 100 >= max(map(len, out.splitlines()))


def test_json_is_the_history_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing but JSON on stdout, and the same for the same seed, in however many processes."""
    assert 0 == main([*INCIDENT, "--json"])
    first = capsys.readouterr().out
    data = json.loads(first)
    assert ["original", "doka"] == [side["name"] for side in data["sides"]]
    assert [3_600, 0] == [side["totals"]["lost"] for side in data["sides"]]
    assert 0 == main([*INCIDENT[:-1], "2", "--json"])
    assert first == capsys.readouterr().out


def test_a_report_is_written_where_it_is_asked_for(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """One page; a folder that is not there is a usage error, told before anything else."""
    assert 0 == main([*INCIDENT, "--report", str(tmp_path / "incident.html")])
    assert "<html" in (tmp_path / "incident.html").read_text(encoding="utf-8")
    capsys.readouterr()
    assert 2 == main([*INCIDENT, "--report", str(tmp_path / "no" / "incident.html")])
    assert "cannot be written" in capsys.readouterr().err


def test_the_original_never_renews_whatever_the_scenario_says(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Under `before_expiry` doka loses nothing, and the service of the incident what comes after its only token."""
    file = scenario(tmp_path, "rotation: {policy: before_expiry, margin_seconds: 300}\n")
    assert 0 == main(["simulate", "run", "--scenario", file, "--original", "--json"])
    data = json.loads(capsys.readouterr().out)
    assert [("original", "never", 900), ("doka", "before_expiry", 0)] == [
        (side["name"], side["policy"], side["totals"]["lost"]) for side in data["sides"]
    ]


def test_a_mistyped_option_names_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """The hint leads to the help of the very command."""
    assert 2 == main(["simulate", "incident", "--huors", "2"])
    assert "see doka simulate incident --help" in capsys.readouterr().err


def scenario(tmp_path: Path, text: str) -> str:
    """Write a scenario of a few minutes; give its path."""
    file = tmp_path / "scenario.yaml"
    file.write_text("title: A test\nduration_hours: 0.5\ntoken_minutes: 15\ntraffic: {records_per_second: 1}\n" + text)
    return str(file)


def test_a_scenario_that_holds_ends_with_0(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """It tells the story, the sums and the verdict; the service of the incident only where it is asked for."""
    file = scenario(tmp_path, "faults: [{kind: sts_down, at_minutes: 5, for_minutes: 15}]\n")
    assert 0 == main(["simulate", "run", "--scenario", file])
    out = capsys.readouterr().out
    assert "STS does not answer" in out
    assert "doka: clean" in out
    assert "original" not in out
    assert 0 == main(["simulate", "run", "--scenario", file, "--original", "--jobs", "1"])
    assert "the original service: lost" in capsys.readouterr().out


@pytest.mark.parametrize("expect", ["{delay_minutes: 1}", "{delivered: true}"])
def test_a_missed_bound_ends_with_1(capsys: pytest.CaptureFixture[str], tmp_path: Path, expect: str) -> None:
    """A record that took too long, or never came, closes the gate of a pipeline."""
    file = scenario(tmp_path, f"rotation: {{policy: never}}\nexpect: {expect}\n")
    assert 1 == main(["simulate", "run", "--scenario", file])
    assert "doka: late" in capsys.readouterr().out


def test_waiting_is_fine_where_the_scenario_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Nothing is lost, and nothing else was asked for."""
    file = scenario(tmp_path, "rotation: {policy: never}\nexpect: {delivered: false}\n")
    assert 0 == main(["simulate", "run", "--scenario", file])
    assert "doka: waits" in capsys.readouterr().out


def test_a_wrong_scenario_is_a_usage_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Each line names the file, the line, the key and the cure."""
    assert 2 == main(["simulate", "run", "--scenario", scenario(tmp_path, "trafic: 1\n")])
    assert "scenario.yaml:5: trafic is unknown; did you mean traffic" in capsys.readouterr().err
    assert 2 == main(["simulate", "run", "--scenario", str(tmp_path / "no.yaml")])
    assert "there is no such file; check the path" in capsys.readouterr().err


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    """It goes into an editor as it is."""
    assert 0 == main(["simulate", "schema"])
    assert "doka scenario" == json.loads(capsys.readouterr().out)["title"]


def test_a_part_of_the_grid_is_compared(capsys: pytest.CaptureFixture[str]) -> None:
    """One world and one life; a name that is not there is told with those that are."""
    part = ["simulate", "compare", "--world", "quiet", "--tokens", "15m", "--jobs", "1"]
    assert 0 == main(part)
    out = capsys.readouterr().out
    assert "doka: 0 records lost in 5 cells; clean in 4, waiting in Kafka in 1 (nobody renews)." in out
    assert 0 == main([*part, "--json"])
    assert 5 == len(json.loads(capsys.readouterr().out)["cells"])
    assert 2 == main(["simulate", "compare", "--world", "storm"])
    assert "--world: there is no 'storm'; there are quiet, STS down 5 min" in capsys.readouterr().err


def test_fuzz_tells_its_speed(capsys: pytest.CaptureFixture[str]) -> None:
    """Seeds a second, records and puts; and what held."""
    assert 0 == main(["simulate", "fuzz", "--seeds", "3", "--jobs", "1"])
    out = capsys.readouterr().out
    assert out.startswith("3 seeds, ")
    assert "nothing lost, nothing out of order" in out
    assert 0 == main(["simulate", "fuzz", "--seeds", "3", "--json"])
    assert None is json.loads(capsys.readouterr().out)["failed"]


def test_fuzz_says_how_to_repeat_a_failure(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The first seed that fails, what it was, and the command that runs it alone."""
    monkeypatch.setattr(
        "doka.app.cli.simulate.run_seeds", lambda seeds, tell: run_seeds(seeds, tell, forwarder=LosesOne)
    )
    assert 1 == main(["simulate", "fuzz", "--seeds", "20", "--jobs", "1"])
    out = capsys.readouterr().out
    assert "doka: lost" in out
    assert "Repeat it: doka simulate fuzz --first " in out


def test_a_report_that_cannot_be_written_names_the_cure(tmp_path: Path) -> None:
    """A folder is no file."""
    with pytest.raises(UsageError, match="name a file in a folder that is there"):
        incident(hours=1.0, rate=0.1, seed=1, as_json=True, report=tmp_path, jobs=1)


def test_records_are_for_a_configuration_and_stand_in_the_command_that_repeats_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one there is no function to run; with it, what is run over them is said."""
    monkeypatch.chdir(ROOT)
    file = scenario(tmp_path, "")
    records = ["--records", "examples/orders.jsonl"]
    assert 2 == main(["simulate", "run", "--scenario", file, *records])
    assert "--records is what the routes of a configuration are run over; add --config" in capsys.readouterr().err
    report = tmp_path / "run.html"
    config = ["--config", "examples/transformed.yaml"]
    assert 0 == main(["simulate", "run", "--scenario", file, *config, *records, "--report", str(report)])
    assert "route orders-clean: only and transform are run over the records of orders.jsonl" in capsys.readouterr().out
    assert "--records examples/orders.jsonl" in report.read_text(encoding="utf-8")
