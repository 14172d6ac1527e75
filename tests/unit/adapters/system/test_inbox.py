from __future__ import annotations

import threading

from doka.adapters.system.inbox import ThreadInbox
from doka.domain.events import StopRequested
from doka.domain.ports import Inbox


def test_an_empty_inbox_gives_nothing() -> None:
    """Draining does not wait for the first event."""
    inbox: Inbox = ThreadInbox()
    assert list(inbox.drain()) == []


def test_events_come_out_once_and_oldest_first() -> None:
    """What was put is drained in the order of its arrival, and is gone then."""
    inbox = ThreadInbox()
    events = [StopRequested(str(number)) for number in range(5)]
    for event in events:
        inbox.put(event)
    assert [events, []] == [list(inbox.drain()), list(inbox.drain())]


def test_no_event_is_lost_or_doubled_between_many_writers_and_the_reader() -> None:
    """Four threads that put while the loop drains: every event comes out once, each thread's in its own order."""
    inbox = ThreadInbox()
    each = 5_000

    def write(writer: int) -> None:
        for number in range(each):
            inbox.put(StopRequested(f"{writer} {number}"))

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in writers:
        thread.start()
    taken: list[str] = []
    while any(thread.is_alive() for thread in writers):
        taken += [event.reason for event in inbox.drain() if isinstance(event, StopRequested)]
    taken += [event.reason for event in inbox.drain() if isinstance(event, StopRequested)]
    for writer in range(4):
        mine = [reason for reason in taken if reason.startswith(f"{writer} ")]
        assert [f"{writer} {number}" for number in range(each)] == mine
    assert 4 * each == len(taken)
