from __future__ import annotations

import os
import signal

import pytest

from doka.adapters.system.inbox import ThreadInbox
from doka.adapters.system.signals import STOP_SIGNALS, StopSignals
from doka.domain.events import Event, StopRequested
from tests.waiting import eventually


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
    """SIGTERM and SIGINT each leave a stop that names them, and interrupt nothing."""
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
