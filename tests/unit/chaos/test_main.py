"""`make chaos` as it is typed."""

from __future__ import annotations

import pytest

from tests.chaos.__main__ import main
from tests.containers import engine


def test_without_an_engine_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no container engine answers, one line says so and the code is 2."""
    monkeypatch.setattr(engine, "trouble", lambda: "no socket")
    assert 2 == main(["--rounds", "1"])
    (line,) = capsys.readouterr().err.splitlines()
    assert "container engine" in line
    assert "no socket" in line


def test_rounds_must_be_some() -> None:
    """A number that means nothing is refused before anything starts."""
    with pytest.raises(SystemExit) as refused:
        main(["--rounds", "0"])
    assert 2 == refused.value.code
