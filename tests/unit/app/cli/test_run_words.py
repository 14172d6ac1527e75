from __future__ import annotations

from pathlib import Path

import pytest

from doka.app.cli.main import main
from doka.app.config_options import ConfigOptions


def test_what_is_typed_reaches_the_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The files, the permissions, the number of workers and whether it is watched arrive as they were given; what is left out has its default."""
    ran: list[tuple[list[ConfigOptions], int, bool]] = []

    def start(options: list[ConfigOptions], workers: int, *, watch: bool) -> int:
        ran.append((options, workers, watch))
        return 3

    monkeypatch.setattr("doka.app.cli.run.run", start)
    file = tmp_path / "doka.yaml"
    assert 3 == main(["run", "--config", str(file)])
    assert 3 == main(["run", "--legacy-config", str(file), "--workers", "2", "--allow-plaintext", "--watch"])
    assert 3 == main(["run", "--allow-insecure-endpoints"])
    assert 3 == main(["run", "-c", str(file), "--config", "other.yaml"])
    assert [
        ([ConfigOptions(config=file)], 1, False),
        ([ConfigOptions(legacy_config=file, allow_plaintext=True)], 2, True),
        ([ConfigOptions(allow_insecure_endpoints=True)], 1, False),
        ([ConfigOptions(config=file), ConfigOptions(config=Path("other.yaml"))], 1, False),
    ] == ran


def test_the_help_of_run_says_that_limits_are_per_worker(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever doubles the workers doubles the memory, and reads so first."""
    assert 0 == main(["run", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "Every limit holds for each worker" in told
    assert "one more of them than --workers says" in told
