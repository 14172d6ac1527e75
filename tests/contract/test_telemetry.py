"""The same cases against both adapters of the port `Telemetry`: the service's, and the one in process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from doka.adapters.simulated.telemetry import RecordingTelemetry
from doka.adapters.telemetry.health import Health
from doka.adapters.telemetry.line_writer import LineWriter
from doka.adapters.telemetry.logs import Log
from doka.adapters.telemetry.metrics import Metrics
from doka.adapters.telemetry.telemetry import ServiceTelemetry
from doka.domain.ports import Telemetry
from tests.unit.adapters.telemetry.given import FACTS, ORDERS_3, hand_clock, pipe, status


@pytest.fixture(params=["service", "recording"])
def telemetry(request: pytest.FixtureRequest) -> Iterator[Telemetry]:
    """Give each adapter; the service's writes to a pipe that nobody reads."""
    if request.param == "recording":
        yield RecordingTelemetry()
        return
    clock = hand_clock()
    metrics = Metrics(clock, "1")
    with pipe() as stdout:
        log = Log(clock, LineWriter(stdout.writer, metrics.line_dropped, limit=100))
        service = ServiceTelemetry(metrics, log, Health(clock, metrics.page), None, "1.2.3")
        service.open()
        yield service
        service.close(within=0.1)


def test_it_takes_whatever_comes_in_any_order(telemetry: Telemetry) -> None:
    """Every fact, status and count is taken before and after any other, without an answer and without an error."""
    clock = hand_clock()
    for fact in (*FACTS, *reversed(FACTS)):
        assert telemetry.tell(fact) is None  # type: ignore[func-returns-value]  # a command has no answer
        telemetry.fetched(ORDERS_3, 0, 0)
        telemetry.publish(status(clock))
        telemetry.turned(clock.now())
    telemetry.ended(1, "halted")
    telemetry.tell(FACTS[0])


def test_it_does_not_wait_for_anybody(telemetry: Telemetry) -> None:
    """A hundred thousand facts are taken while nobody reads what is written."""
    for _ in range(100_000 // len(FACTS)):
        for fact in FACTS:
            telemetry.tell(fact)
