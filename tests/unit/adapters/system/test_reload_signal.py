from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from doka.adapters.system.reload_signal import ReloadSignal
from tests.waiting import eventually


@pytest.fixture(autouse=True)
def _heard() -> Iterator[None]:
    """Let SIGHUP be heard: under nohup it is ignored, and doka leaves it so."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def test_a_hangup_is_a_wish_while_it_is_entered() -> None:
    """Each one calls, and what was there before comes back."""
    wishes: list[str] = []
    with ReloadSignal(lambda: wishes.append("please")):
        for count in (1, 2):
            os.kill(os.getpid(), signal.SIGHUP)
            eventually(lambda count=count: len(wishes) == count, what="the wish")  # type: ignore[misc]
    assert signal.SIG_DFL == signal.getsignal(signal.SIGHUP)


def test_one_that_is_ignored_stays_ignored() -> None:
    """As under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with ReloadSignal(lambda: pytest.fail("it was ignored")):
        assert signal.SIG_IGN == signal.getsignal(signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.SIG_IGN == signal.getsignal(signal.SIGHUP)


def test_what_goes_wrong_in_a_wish_leaves_no_handler() -> None:
    """It stands on top of whatever was interrupted."""
    called: list[bool] = []

    def wished() -> None:
        called.append(True)
        raise RuntimeError("no")

    with ReloadSignal(wished):
        os.kill(os.getpid(), signal.SIGHUP)
        eventually(lambda: called, what="the wish")
