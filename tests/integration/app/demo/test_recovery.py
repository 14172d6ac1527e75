"""The Monday after the incident, on the demo's own parts; what the stream holds is counted here, by nobody's word."""

from __future__ import annotations

import io
import json
import os
from collections import Counter

import pytest
from rich.console import Console

from doka.adapters.system.clock import SystemClock
from doka.app.cli.main import main
from doka.app.demo.actors import OriginalActor
from doka.app.demo.play import Play, perform
from doka.app.demo.recovery import STEPS, recover_on
from doka.app.demo.screen import Screen
from doka.app.demo.stage import set_stage

pytestmark = pytest.mark.xdist_group("demo")

RECORDS, TOKEN_SECONDS = 5_000, 3.0


def test_what_was_lost_is_found_and_sent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first audit names as many as are missing, the replay sends so many, and the stream has each record once.

    Leases end in the middle of each command; a setting of another doka in the environment is not asked.
    """
    monkeypatch.setenv("DOKA_KAFKA__GROUP_ID", "another")
    environment, folder = dict(os.environ), os.getcwd()  # noqa: PTH109 - as it is told to commands
    quiet = Console(file=io.StringIO())
    with set_stage(TOKEN_SECONDS) as stage:
        play = Play(RECORDS, TOKEN_SECONDS, "never", original=True)
        last = perform(play, stage, OriginalActor(stage), Screen(quiet, play.title), SystemClock())
        landed = len(stage.read_back())
        issued = stage.gate.counts().leases_issued
        recovery = recover_on(stage, last.fed, main, quiet)
        found = Counter(json.loads(data)["number"] for _, data in stage.read_back())

        assert stage.gate.counts().leases_issued - issued > len(STEPS)
    assert recovery.ended_at is None
    assert RECORDS > landed
    assert (RECORDS - landed, RECORDS - landed, 0) == (recovery.lost, recovery.replayed, recovery.lost_after)
    assert Counter(range(RECORDS)) == found
    assert (environment, folder) == (dict(os.environ), os.getcwd())  # noqa: PTH109


def test_a_command_that_ends_otherwise_ends_it() -> None:
    """What it should lead to is not claimed, and nothing is typed behind it."""
    typed = []

    def type_in(line: object) -> int:
        typed.append(line)
        return 3

    with set_stage(TOKEN_SECONDS) as stage:
        recovery = recover_on(stage, 0, type_in, Console(file=io.StringIO()))

    assert [STEPS[0].line.split()] == typed
    assert f"doka {STEPS[0].line}: exit code 3" == recovery.ended_at
    assert (0, None, False) == (recovery.replayed, recovery.lost_after, recovery.whole)
