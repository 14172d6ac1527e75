"""How a command that sends shows how it goes."""

from __future__ import annotations

import pytest

from doka.app.cli.progress import LINE_EVERY_NS, progress_shown
from doka.domain.status import Status


def test_without_a_terminal_there_is_a_line_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, whatever stdout is for."""
    now = 0
    with progress_shown(lambda status: f"at {status.at}", lambda: now, as_json=True) as show:
        for at in range(0, 3 * LINE_EVERY_NS, LINE_EVERY_NS // 4):
            now = at
            show(Status(at=at // LINE_EVERY_NS, held_bytes=0, held_bytes_max=1))
    assert ("", "at 1\nat 2\n") == capsys.readouterr()
