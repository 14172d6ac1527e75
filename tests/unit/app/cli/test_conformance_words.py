from __future__ import annotations

from pathlib import Path

import pytest

from doka.app.cli.conformance import Wanted
from doka.app.cli.main import main
from doka.app.config_options import ConfigOptions
from tests.unit.app.cli.conftest import run


def test_the_help_says_what_it_makes_what_it_needs_and_how_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    """Before somebody lets it make streams in an account."""
    code, out, _ = run(capsys, "conformance", "--help")
    flat = " ".join(out.split())
    assert code == 0
    for taught in (
        "on a stream made for that and removed again",
        "It says what it costs and asks before it makes anything",
        "Permissions doka policy --for conformance --config doka.yaml",
        "Example doka conformance --route orders --config doka.yaml",
    ):
        assert taught in flat


def test_what_is_typed_reaches_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each option under its name."""
    asked: list[tuple[ConfigOptions, Wanted]] = []

    def ask(options: ConfigOptions, wanted: Wanted) -> int:
        asked.append((options, wanted))
        return 3

    monkeypatch.setattr("doka.app.cli.conformance.conformance", ask)
    file = tmp_path / "doka.yaml"
    words = (
        "--route orders --case in_turn --case dry_run --wait-for-expiry --on-demand --page e.md --prices p.yaml --yes"
    )
    assert 3 == main(["conformance", "--config", str(file), *words.split(), "--with-account", "--json"])
    assert 3 == main(["conformance", "--config", str(file)])
    everything = Wanted(
        "orders",
        ("in_turn", "dry_run"),
        wait_for_expiry=True,
        on_demand=True,
        page=Path("e.md"),
        prices=Path("p.yaml"),
        with_account=True,
        yes=True,
        as_json=True,
    )
    assert [everything, Wanted(None, ())] == [wanted for _, wanted in asked]
    assert {ConfigOptions(config=file)} == {options for options, _ in asked}
