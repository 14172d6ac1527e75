"""The Monday after the incident where a command ends otherwise; tests/integration/app/cli/test_demo.py plays it whole."""

from __future__ import annotations

import io
import os

import pytest
from rich.console import Console

from doka.app.demo.recovery import STEPS, recover_on
from doka.app.demo.stage import set_stage

pytestmark = pytest.mark.xdist_group("demo")

TOKEN_SECONDS = 3.0


def test_a_command_that_ends_otherwise_ends_it() -> None:
    """What it should lead to is not claimed, nothing is typed behind it, and the shell is as it was."""
    environment, folder = dict(os.environ), os.getcwd()  # noqa: PTH109 - as it is told to commands
    typed = []

    def type_in(line: object) -> int:
        typed.append(line)
        return 3

    with set_stage(TOKEN_SECONDS) as stage:
        recovery = recover_on(stage, 0, type_in, Console(file=io.StringIO()))

    assert (environment, folder) == (dict(os.environ), os.getcwd())  # noqa: PTH109
    assert [STEPS[0].line.split()] == typed
    assert f"doka {STEPS[0].line}: exit code 3" == recovery.ended_at
    assert (0, None, False) == (recovery.replayed, recovery.lost_after, recovery.whole)
