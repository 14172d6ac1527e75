from __future__ import annotations

from pathlib import Path

import pytest

from doka.app.cli.main import main
from doka.app.cli.rehearse import Wanted
from doka.app.config_options import ConfigOptions
from tests.unit.app.cli.conftest import run


def test_the_help_says_what_is_run_and_that_nothing_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    """With examples to copy, and how it ends."""
    code, out, _ = run(capsys, "test", "--help")
    flat = " ".join(out.split())
    assert code == 0
    for taught in (
        "Run a route's filter, transform and mapping over records, and send nothing.",
        "Example doka test --records orders.jsonl --config doka.yaml",
        "Exit codes 0 all is as expected, and the function works",
        "Next doka simulate run --scenario scenario.yaml --config doka.yaml",
    ):
        assert taught in flat


def test_what_is_typed_reaches_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each option under its name."""
    asked: list[tuple[ConfigOptions, Wanted]] = []

    def rehearse(options: ConfigOptions, wanted: Wanted) -> int:
        asked.append((options, wanted))
        return 3

    monkeypatch.setattr("doka.app.cli.rehearse.rehearse", rehearse)
    file = tmp_path / "doka.yaml"
    assert 3 == main(["test", "--config", str(file), *["--route", "r", "--records", "r.jsonl", "--payload", "--json"]])
    assert 3 == main(["test", "--config", str(file), *["--from", "2h", "--limit", "7"]])
    assert [
        Wanted("r", Path("r.jsonl"), None, None, payload=True, as_json=True),
        Wanted(None, None, "2h", 7, payload=False, as_json=False),
    ] == [wanted for _, wanted in asked]
    assert {ConfigOptions(config=file)} == {options for options, _ in asked}
