"""The same cases against both adapters of the port `Inbox`."""

from __future__ import annotations

import pytest

from doka.adapters.simulated.inbox import SimulatedInbox
from doka.adapters.system.inbox import ThreadInbox
from doka.domain.events import StopRequested
from doka.domain.ports import Inbox

FIRST, SECOND, THIRD = StopRequested("1"), StopRequested("2"), StopRequested("3")


@pytest.fixture(params=["threads", "simulated"])
def inbox(request: pytest.FixtureRequest) -> Inbox:
    """Give each inbox, empty."""
    return ThreadInbox() if request.param == "threads" else SimulatedInbox()


def test_an_empty_inbox_gives_nothing(inbox: Inbox) -> None:
    """Nothing is waited for."""
    assert [] == list(inbox.drain())


def test_events_come_once_and_in_order(inbox: Inbox) -> None:
    """What was left is taken oldest first, and is gone then."""
    inbox.put(FIRST)
    inbox.put(SECOND)
    assert [FIRST, SECOND] == list(inbox.drain())
    assert [] == list(inbox.drain())


def test_what_is_left_after_a_drain_comes_with_the_next(inbox: Inbox) -> None:
    """An event that is left while others are read is not lost."""
    inbox.put(FIRST)
    taken = inbox.drain()
    inbox.put(SECOND)
    inbox.put(THIRD)
    assert ([FIRST], [SECOND, THIRD]) == (list(taken), list(inbox.drain()))
