"""How the tests of the command line run a command: at a terminal of a known width."""

from __future__ import annotations

import pytest

from doka.app.cli.main import main


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give help a known width, and no variable of the host."""
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run a command; give its exit code, stdout and stderr."""
    code = main(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err
