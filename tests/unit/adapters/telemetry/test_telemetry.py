from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import pytest

from doka.adapters.system.clock import SystemClock
from doka.adapters.telemetry.health import Health
from doka.adapters.telemetry.http_server import HealthServer
from doka.adapters.telemetry.line_writer import LineWriter
from doka.adapters.telemetry.logs import Log
from doka.adapters.telemetry.metrics import Metrics
from doka.adapters.telemetry.otlp.exporter import Exporter, Exports, Signal
from doka.adapters.telemetry.otlp.posting import Answer
from doka.adapters.telemetry.otlp.spans import Spans
from doka.adapters.telemetry.telemetry import ServiceTelemetry
from doka.domain.errors import UsageError
from doka.domain.facts import Fact
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Telemetry
from tests.manual_clock import ManualClock
from tests.unit.adapters.telemetry.given import FACTS, ORDERS_3, Pipe, get, hand_clock, pipe, status


@contextmanager
def service(metrics: Metrics | None = None) -> Iterator[tuple[ServiceTelemetry, Pipe, ManualClock]]:
    """Give the whole telemetry, open, on a free port, with a pipe as its stdout."""
    clock = hand_clock()
    counted = metrics or Metrics(clock, "1.2.3", ["orders"], ["analytics"])
    with pipe() as stdout:
        log = Log(clock, LineWriter(stdout.writer, counted.line_dropped))
        health = Health(clock, counted.page)
        telemetry = ServiceTelemetry(counted, log, health, HealthServer(clock, "127.0.0.1", 0), "1.2.3")
        telemetry.open()
        try:
            yield telemetry, stdout, clock
        finally:
            telemetry.close(within=5)


def test_one_telling_reaches_all_three() -> None:
    """A fact is counted and logged, a status shown in metrics and readiness, a turn in liveness."""
    with service() as (telemetry, stdout, clock):
        port: Telemetry = telemetry
        assert telemetry.port is not None
        assert 503 == get(telemetry.port, "/readyz")[0]
        port.fetched(ORDERS_3, 500, 12_345)
        for fact in FACTS:
            port.tell(fact)
        port.publish(status(clock))
        clock.pass_seconds(61)
        assert 503 == get(telemetry.port, "/healthz")[0]
        port.turned(clock.now())
        assert 200 == get(telemetry.port, "/healthz")[0]
        assert 200 == get(telemetry.port, "/readyz")[0]
        code, page = get(telemetry.port, "/metrics")
        assert telemetry.close(within=5)
        told = [orjson.loads(line) for line in stdout.read().splitlines()]
    assert 200 == code
    assert {
        'doka_records_fetched_total{topic="orders"} 500.0',
        'doka_records_settled_total{route="orders"} 500.0',
        'doka_lease_seconds_left{role="analytics"} -1.0',
        "doka_telemetry_errors_total 0.0",
    } <= set(page.splitlines())
    assert 1 + len(FACTS) == len(told)  # the first says that the service started


def test_the_start_is_told() -> None:
    """The first line says at which port the pages are, which else nobody could know of `http.port: 0`."""
    with service() as (telemetry, stdout, _clock):
        port = telemetry.port
        assert telemetry.close(within=5)
        (told,) = [orjson.loads(line) for line in stdout.read().splitlines()]
    assert ("info", "started", port) == tuple(told[name] for name in ("level", "event", "port"))


@pytest.mark.parametrize(("code", "level"), [(0, "info"), (1, "error")])
def test_the_end_is_told(code: int, level: str) -> None:
    """How a run ended is a line with the exit code and the reason, louder when it was not clean."""
    with service() as (telemetry, stdout, _clock):
        telemetry.ended(code, "stopped by SIGTERM")
        assert telemetry.close(within=5)
        _, told = [orjson.loads(line) for line in stdout.read().splitlines()]
    assert (level, "ended", code, "stopped by SIGTERM") == tuple(told[n] for n in ("level", "event", "code", "reason"))


def test_the_end_is_written_before_the_call_returns() -> None:
    """Whoever ends the process right after saying why has said it: nothing is left to a thread that never turns."""
    with service() as (telemetry, stdout, _clock):
        telemetry.ended(1, "leaving the consumer group hung")
        told = [orjson.loads(line)["event"] for line in stdout.read().splitlines()]
        assert telemetry.close(within=5)
    assert ["started", "ended"] == told


class BrokenMetrics(Metrics):
    """Metrics that fail at every call."""

    def count(self, fact: Fact) -> None:
        """Fail."""
        raise RuntimeError

    def fetched(self, partition: object, records: int, payload_bytes: int) -> None:
        """Fail."""
        raise RuntimeError

    def publish(self, status: object) -> None:
        """Fail."""
        raise RuntimeError


def test_an_error_of_telemetry_never_reaches_the_loop() -> None:
    """Whatever breaks in here is counted, the loop goes on, and what does not break tells all the same."""
    clock = hand_clock()
    with service(BrokenMetrics(clock, "1")) as (telemetry, stdout, _clock):
        telemetry.fetched(ORDERS_3, 1, 1)
        telemetry.tell(FACTS[0])
        telemetry.publish(status(clock))
        assert telemetry.port is not None
        assert "doka_telemetry_errors_total 3.0" in get(telemetry.port, "/metrics")[1].splitlines()
        assert 200 == get(telemetry.port, "/readyz")[0]
        assert telemetry.close(within=5)
        told = [orjson.loads(line)["event"] for line in stdout.read().splitlines()]
    assert ["started", "records_settled"] == told


def test_a_taken_port_is_told_before_anything_runs() -> None:
    """Open fails with the operator's error, and leaves nothing running behind."""
    clock = hand_clock()
    metrics = Metrics(clock, "1")
    with socket.create_server(("127.0.0.1", 0)) as taken, pipe() as stdout:
        log = Log(clock, LineWriter(stdout.writer))
        server = HealthServer(clock, "127.0.0.1", taken.getsockname()[1])
        telemetry = ServiceTelemetry(metrics, log, Health(clock, metrics.page), server, "1.2.3")
        with pytest.raises(UsageError, match=r"http\.port"):
            telemetry.open()
        assert telemetry.close(within=1)
        assert b"" == stdout.read()


def test_without_a_server() -> None:
    """Where nothing shall listen, logs and counts work all the same."""
    clock = hand_clock()
    metrics = Metrics(clock, "1")
    with pipe() as stdout:
        telemetry = ServiceTelemetry(
            metrics, Log(clock, LineWriter(stdout.writer)), Health(clock, metrics.page), None, "1.2.3"
        )
        telemetry.open()
        telemetry.tell(FACTS[0])
        assert telemetry.port is None
        assert telemetry.close(within=5)
        assert b"records_settled" in stdout.read()


class Far:
    """A collector that takes all; what came, and what the log had said by then."""

    def __init__(self) -> None:
        self.got: list[bytes] = []

    def post(self, body: bytes, within: int) -> Answer:
        self.got.append(body)
        return Answer(taken=True)

    def close(self) -> None:
        pass


def test_facts_become_spans_where_they_are_wanted_and_the_last_go_at_the_end() -> None:
    """Each fact is offered once, the end closes what is open, and what waits is sent before the log ends."""
    clock, far = hand_clock(), Far()
    metrics = Metrics(clock, "1")
    spans = Spans(clock, 1.0, lambda: 0.0, metrics.exports.span_dropped)

    def gather() -> bytes:
        return orjson.dumps([span.name for span in spans.taken()])

    signal = Signal(
        "traces", gather, lambda outcome: metrics.exports.exported("traces", outcome), 3_600 * NS_PER_SECOND
    )
    exports = Exports([Exporter(signal, lambda: far, SystemClock(), lambda: 0.0)], spans)
    with pipe() as stdout:
        log, health = Log(clock, LineWriter(stdout.writer)), Health(clock, metrics.page)
        telemetry = ServiceTelemetry(metrics, log, health, None, "1.2.3", exports=exports)
        telemetry.open()
        for fact in FACTS:
            telemetry.tell(fact)
        telemetry.ended(0, "stopped by SIGTERM")
        assert telemetry.close(within=5)
    (body,) = far.got
    expected = ["put", "route blocked", "lease renewal", "lease renewal", "rebalance", "group out of reach", "stop"]
    assert expected == orjson.loads(body)
    assert b'doka_otlp_exports_total{outcome="sent",signal="traces"} 1.0' in metrics.page()[0]


def test_spans_that_break_do_not_reach_the_loop() -> None:
    """As with any other part, it is counted, and the rest is told."""
    clock = hand_clock()
    metrics = Metrics(clock, "1")

    def breaks() -> float:
        raise RuntimeError

    exports = Exports([], Spans(clock, 1.0, breaks, lambda: None))
    with pipe() as stdout:
        log, health = Log(clock, LineWriter(stdout.writer)), Health(clock, metrics.page)
        telemetry = ServiceTelemetry(metrics, log, health, None, "1.2.3", exports=exports)
        telemetry.open()
        telemetry.tell(FACTS[0])
        assert telemetry.close(within=5)
        assert b"records_settled" in stdout.read()
    assert b"doka_telemetry_errors_total 1.0" in metrics.page()[0]
