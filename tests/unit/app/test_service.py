from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from doka.adapters.system.first_signals import STOP_SIGNALS
from doka.adapters.system.inbox import ThreadInbox
from doka.app import service as service_module
from doka.app.container import Container
from doka.app.runtime import Ending
from doka.app.service import LAST_LINES_SECONDS, build, serve
from doka.app.settings.load import settings_from
from doka.app.settings.model import Settings
from doka.app.version import version
from doka.domain.errors import UsageError
from doka.domain.events import StopRequested
from doka.domain.records import TopicPartition
from doka.domain.status import PartitionStatus, Status
from tests.unit.app.given import LONELY
from tests.waiting import eventually

ENDING = Ending(3, "it could not go on")


class Parts:
    """Telemetry and loop of a service in one, which write down when they are used."""

    def __init__(self, turn: Callable[[], Ending]) -> None:
        self.deeds: list[Any] = []
        self.at_open: Callable[[], None] = lambda: None
        self._turn = turn

    def open(self) -> None:
        self.at_open()
        self.deeds.append("open")

    def run(self) -> Ending:
        self.deeds.append("run")
        return self._turn()

    def ended(self, code: int, reason: str) -> None:
        self.deeds.append(("ended", code, reason))

    def close(self, within: float) -> bool:
        self.deeds.append(("close", within))
        return True


def _settings() -> Settings:
    return settings_from(LONELY, hostname="host")


def _service(turn: Callable[[], Ending]) -> tuple[Container, Parts]:
    """Put a service together whose loop is one call of `turn`."""
    container, parts = build(_settings(), "host"), Parts(turn)
    container.telemetry.override(parts)
    container.runtime.override(parts)
    return container, parts


def _ahead(records: int) -> PartitionStatus:
    """Give a partition of which so many records landed and are not committed."""
    return PartitionStatus("orders", records, 0, 0, records, None, None, paused=False, stuck=None)


def _handlers() -> list[Any]:
    return [signal.getsignal(number) for number in STOP_SIGNALS]


@pytest.mark.parametrize(("terminal", "style"), [(True, "colour"), (False, "json")])
def test_the_container_is_told_everything(monkeypatch: pytest.MonkeyPatch, terminal: bool, style: str) -> None:  # noqa: FBT001 - a column
    """The very settings, the host, the version that is installed, and lines as the terminal wants them."""
    monkeypatch.setattr(sys, "stdout", type("Stdout", (), {"isatty": lambda _self: terminal})())
    settings = _settings()
    container = build(settings, "host")

    assert settings is container.settings()
    assert ("host", version(), style) == (
        container.hostname(),
        container.version(),
        container.log_style(),
    )


def test_each_service_has_parts_of_its_own() -> None:
    """Two of them share neither inbox nor loop."""
    first, second = build(_settings(), "host"), build(_settings(), "host")

    assert first.inbox() is not second.inbox()


def test_telemetry_is_open_while_the_loop_runs() -> None:
    """It is opened first and closed last, with time for its last lines; the loop's ending is handed on."""
    container, parts = _service(lambda: ENDING)

    assert ENDING == serve(container)
    assert ["open", "run", ("close", LAST_LINES_SECONDS)] == parts.deeds


def test_a_signal_reaches_the_loop_and_the_handlers_come_back() -> None:
    """A SIGTERM while it runs is an event in the service's own inbox; afterwards all is as before."""

    def stopped() -> Ending:
        os.kill(os.getpid(), signal.SIGTERM)
        inbox = container.inbox()
        assert isinstance(inbox, ThreadInbox)
        return Ending(0, str(eventually(inbox.drain, what="the event of the signal")))

    container, _parts = _service(stopped)
    before = _handlers()

    assert Ending(0, str([StopRequested("SIGTERM")])) == serve(container)
    assert before == _handlers()


def test_a_second_interrupt_leaves_at_once_and_says_what_will_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C twice ends the process with 1, and the last line counts what landed and is not committed."""
    monkeypatch.setattr(service_module, "leave_now", lambda why: why())

    def interrupted() -> Ending:
        container.health().publish(
            Status(
                0,
                0,
                1,
                partitions={TopicPartition("orders", 0): _ahead(1_200), TopicPartition("orders", 1): _ahead(34)},
            )
        )
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            eventually(container.inbox().drain, what="the event of the signal")
            _let_go_of_the_key()
        return ENDING

    container, parts = _service(interrupted)
    serve(container)
    told = (
        "left at once, by a second SIGINT: 1,234 records that landed and are not committed will be sent again, and "
        "perhaps what was under way"
    )
    assert [("ended", 1, told)] == [deed for deed in parts.deeds if deed[0] == "ended"]


def _let_go_of_the_key() -> None:
    """Wait until another SIGINT is another press."""
    pressed = time.monotonic()
    eventually(lambda: time.monotonic() - pressed >= 0.5, what="the end of one press of the key")


def test_a_signal_before_the_pages_are_served_is_not_lost() -> None:
    """A stop that comes while telemetry opens waits in the inbox for the loop."""
    container, parts = _service(lambda: Ending(0, str(container.inbox().drain())))
    parts.at_open = lambda: os.kill(os.getpid(), signal.SIGTERM)

    assert Ending(0, str([StopRequested("SIGTERM")])) == serve(container)


@pytest.mark.parametrize("error", [UsageError("the port is taken"), KeyboardInterrupt()])
def test_whatever_leaves_the_loop_closes_telemetry_and_restores_the_signals(error: BaseException) -> None:
    """The error goes on to the caller; no socket, thread or handler stays behind."""

    def fail() -> Ending:
        raise error

    container, parts = _service(fail)
    before = _handlers()

    with pytest.raises(type(error)):
        serve(container)
    assert ("close", LAST_LINES_SECONDS) == parts.deeds[-1]
    assert before == _handlers()
