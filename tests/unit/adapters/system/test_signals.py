from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from doka.adapters.system.first_signals import STOP_SIGNALS, change_nothing, leave
from doka.adapters.system.inbox import ThreadInbox
from doka.adapters.system.signals import StopSignals
from doka.domain.events import Event, StopRequested
from tests.manual_clock import ManualClock
from tests.waiting import eventually


@pytest.fixture(autouse=True)
def heard_hangups() -> Iterator[None]:
    """Let SIGHUP be heard: under nohup it is ignored, and doka leaves it so."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


class BrokenInbox(ThreadInbox):
    """An inbox that cannot take anything."""

    def __init__(self) -> None:
        super().__init__()
        self.tried = 0

    def put(self, event: Event) -> None:
        """Count the try, and raise."""
        self.tried += 1
        raise MemoryError


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_stop_signal_becomes_an_event(number: signal.Signals) -> None:
    """Each of the four leaves a stop that names it, and interrupts nothing."""
    inbox = ThreadInbox()
    with StopSignals(inbox):
        os.kill(os.getpid(), number)
        events = eventually(inbox.drain, what="the event of the signal")
    assert [StopRequested(number.name)] == list(events)


def test_a_second_signal_is_only_a_second_event() -> None:
    """Two signals leave two events; nothing else happens."""
    inbox = ThreadInbox()
    events: list[Event] = []
    with StopSignals(inbox):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
            events += eventually(inbox.drain, what="the event of the signal")
    assert [StopRequested("SIGTERM"), StopRequested("SIGTERM")] == events


def test_leaving_restores_the_handlers_that_were_there() -> None:
    """After the block the process handles both signals as before."""
    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    with StopSignals(ThreadInbox()):
        during = [signal.getsignal(number) for number in STOP_SIGNALS]
    assert before == [signal.getsignal(number) for number in STOP_SIGNALS]
    assert before != during


def test_nothing_leaves_the_handler() -> None:
    """Even an inbox that raises disturbs nothing of what the signal interrupted."""
    inbox = BrokenInbox()
    with StopSignals(inbox):
        os.kill(os.getpid(), signal.SIGTERM)
        eventually(lambda: inbox.tried, what="the handler to run")
    assert inbox.tried == 1


def test_a_second_interrupt_is_insisting() -> None:
    """Ctrl-C twice calls what ends the process, after both events; SIGTERM may come as often as it likes."""
    inbox, insisted, clock = ThreadInbox(), [], ManualClock()
    with StopSignals(inbox, lambda: insisted.append(True), clock):
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
            eventually(inbox.drain, what="the event of the signal")
        assert [] == insisted
        clock.pass_seconds(0.5)
        os.kill(os.getpid(), signal.SIGINT)
        assert [StopRequested("SIGINT")] == eventually(inbox.drain, what="the event of the second interrupt")
    assert [True] == insisted


def test_one_press_of_ctrl_c_that_comes_twice_insists_on_nothing() -> None:
    """A terminal interrupts every process of its group, and a supervisor may forward it: within half a second it is one."""
    inbox, insisted, clock = ThreadInbox(), [], ManualClock()
    with StopSignals(inbox, lambda: insisted.append(True), clock):
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)
            eventually(inbox.drain, what="the event of the signal")
            clock.pass_seconds(0.2)
    assert [] == insisted


def test_insisting_that_fails_disturbs_nothing() -> None:
    """Whatever goes wrong while the process is to be left, the drain goes on."""
    inbox, tried, clock = ThreadInbox(), [], ManualClock()

    def fail() -> None:
        tried.append(True)
        raise OSError

    with StopSignals(inbox, fail, clock):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            eventually(inbox.drain, what="the event of the signal")
            clock.pass_seconds(1)
    assert [True] == tried


def test_a_hangup_that_the_starter_ignores_stays_ignored() -> None:
    """Under nohup the end of the terminal is no stop."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        inbox = ThreadInbox()
        with StopSignals(inbox):
            assert signal.SIG_IGN == signal.getsignal(signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGUSR1)
            assert [StopRequested("SIGUSR1")] == eventually(inbox.drain, what="the event of the other signal")
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_stop_after_the_service_has_ended_changes_nothing() -> None:
    """The first handler does not come back: it would end a service that was halted with exit code 0."""
    before = signal.signal(signal.SIGTERM, leave)
    try:
        with StopSignals(ThreadInbox()):
            pass
        assert change_nothing == signal.getsignal(signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_what_means_something_else_is_left_alone() -> None:
    """Where a SIGHUP asks for another thing than a stop, whoever heeds it keeps it."""
    heard: list[int] = []
    signal.signal(signal.SIGHUP, lambda number, _frame: heard.append(number))
    inbox = ThreadInbox()
    with StopSignals(inbox, but_not=frozenset({signal.SIGHUP})):
        os.kill(os.getpid(), signal.SIGHUP)
        eventually(lambda: heard, what="the signal")
        assert [] == [*inbox.drain()]
        os.kill(os.getpid(), signal.SIGUSR1)
        eventually(inbox.drain, what="the stop")
