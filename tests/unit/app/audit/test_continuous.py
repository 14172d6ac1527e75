"""Audits that follow each other: when each begins, what the page says after it, and what a failure or a stop leaves."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from doka.adapters.kafka.not_told import NotToldError
from doka.adapters.telemetry.audit_telemetry import AuditTelemetry
from doka.adapters.telemetry.line_writer import LineWriter
from doka.adapters.telemetry.logs import Log
from doka.app.audit import continuous
from doka.app.audit.continuous import AGAIN_NS, Continuous
from doka.app.audit.reading import Reading
from doka.app.audit.windows import Windows
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from tests.failure_modes import Sample, Seen, Sees
from tests.unit.app.audit.two_sides import TwoSides
from tests.unit.domain.builders import route_rules

pytest_plugins = ["tests.failure_modes.fixtures"]

P0 = TopicPartition("orders", 0)
HOUR_NS = 3_600 * NS_PER_SECOND


LOOK_EVERY_NS = 20 * NS_PER_SECOND  # a page of each second of ten hours would be all that these tests do


@dataclass
class Process:
    """One process that audits each hour, whose waits move the clock."""

    world: TwoSides
    path: Path
    happenings: list[tuple[float, Callable[[], object]]] = field(default_factory=list)
    """What happens so many seconds after the beginning, in this order."""
    seen: list[dict[str, float]] = field(default_factory=list)
    """The page, each time that an audit had ended."""
    every_ns: int = HOUR_NS
    stopping: bool = False
    others: dict[str, TwoSides] = field(default_factory=dict)
    """Further routes, on the same clock."""
    log: Path = Path(os.devnull)
    looks: list[Seen] = field(default_factory=list)
    """What somebody saw who looked at everything, as often as the page was."""

    def run(self, hours: float) -> int:
        """Let it audit for so long; give its exit code."""
        clock, path = self.world.clock, os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        log = Log(clock, LineWriter(path))
        telemetry = AuditTelemetry(
            clock,
            log,
            None,
            version="1",
            routes=["orders", *self.others],
            every_ns=self.every_ns,
        )
        worlds = {"orders": self.world} | self.others
        began, end = clock.now(), clock.now() + round(hours * HOUR_NS)
        look_at = began

        def rest(ns: int) -> None:
            nonlocal look_at
            clock.pass_seconds(ns / NS_PER_SECOND)
            while self.happenings and clock.now() - began >= self.happenings[0][0] * NS_PER_SECOND:
                self.happenings.pop(0)[1]()
            if clock.now() < look_at:
                return
            look_at, shown = clock.now() + LOOK_EVERY_NS, figures(telemetry)
            if not self.seen or self.seen[-1] != shown:
                self.seen.append(shown)
                self.looks.append(self.look(telemetry, log))

        log.open()
        try:
            return Continuous(
                {
                    route: Windows(world.sides(), self.path.with_name(f"{route}.duckdb"), "doka", None, 3_600_000)
                    for route, world in worlds.items()
                },
                self.every_ns,
                clock,
                telemetry,
                why=lambda _, error: str(error),
                stopped=lambda: self.stopping or clock.now() >= end,
                rest=rest,
            ).run()
        finally:
            log.close(1.0)
            os.close(path)

    def look(self, telemetry: AuditTelemetry, log: Log) -> Seen:
        """Look at the pages and the log."""
        assert log.flush(5.0)
        ready, ill = (telemetry.answer(path) for path in ("/readyz", "/healthz"))
        assert ready is not None
        assert ill is not None
        return Seen(
            Sample.of_page(telemetry.metrics.page()[0].decode()),
            json.loads(ready.body)["reasons"],
            json.loads(ill.body)["reasons"],
            [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()],
        )


def figures(telemetry: AuditTelemetry) -> dict[str, float]:
    """Give what an alert asks for."""
    found = {
        sample.name.removeprefix("doka_audit_").removeprefix("doka_") + sample.labels.get("outcome", ""): sample.value
        for family in text_string_to_metric_families(telemetry.metrics.page()[0].decode())
        for sample in family.samples
        if sample.labels.get("route") == "orders"
    }
    names = ("lost_records", "records_total", "judged_until_timestamp_seconds")
    counts = ("audits_totalfailed", "audits_totalcomplete", "audits_totallost")
    succeeded_at = round(telemetry._clock.wall() - found["success_age_seconds"], 3)
    return {name: found[name] for name in (*names, *counts)} | {"succeeded_at": succeeded_at}


@pytest.fixture
def world() -> TwoSides:
    """Give a topic whose ten records all landed and were committed."""
    world = TwoSides()
    write(world, 10)
    world.clock.pass_seconds(1)
    return world


def write(world: TwoSides, records: int, *, lost: int = 0) -> None:
    """Let records come, of which the last ones are committed and do not land."""
    for number in range(records):
        offset = world.append(P0, "k", b"%d" % len(world.logs.get(P0, ())))
        if number < records - lost:
            world.land(P0, offset)
    world.committed[P0] = len(world.logs[P0])


@pytest.fixture
def process(world: TwoSides, tmp_path: Path) -> Process:
    """Give a process that has not begun."""
    return Process(world, tmp_path / "orders.duckdb")


def test_each_window_begins_an_interval_after_the_one_before(process: Process) -> None:
    """At once, and then each hour, whatever came; each record is judged once."""
    began = process.world.clock.wall()
    process.happenings = [(1_800, lambda: write(process.world, 5))]
    assert 0 == process.run(2.5)
    assert [(10, 1), (15, 2), (15, 3)] == [
        (each["records_total"], each["audits_totalcomplete"]) for each in process.seen
    ]
    ended = [each["succeeded_at"] - began for each in process.seen]
    assert [0, 3_600, 7_200] == [pytest.approx(at, abs=2) for at in ended]
    until = [each["judged_until_timestamp_seconds"] - began for each in process.seen]
    assert [0, 3_600, 7_200] == [pytest.approx(at, abs=2) for at in until]


def test_a_loss_is_counted_once_and_until_it_is_sent_again(process: Process) -> None:
    """Three hours long it is the same one; when it was sent again none is left. Stopped while one is known it gives 1."""
    process.happenings = [(600, lambda: write(process.world, 4, lost=1))]
    assert 1 == process.run(3.5)
    assert [0, 1, 1, 1] == [each["lost_records"] for each in process.seen]
    process.seen.clear()
    process.happenings = [(1_800, lambda: process.world.land(P0, 13))]
    assert 0 == process.run(1.5)
    assert [1, 0] == [each["lost_records"] for each in process.seen]


def test_a_failure_is_told_keeps_what_was_proved_and_is_tried_again(process: Process) -> None:
    """Nothing is fresher by it; the window is judged as soon as it can be, and the next follows from there."""
    process.happenings = [
        (600, lambda: write(process.world, 3)),
        (3_500, lambda: setattr(process.world, "failing", NotToldError("nobody answers"))),
    ]
    assert 0 == process.run(1.5)
    first, failed, again = process.seen
    assert first | {"audits_totalfailed": 1} == failed
    assert (13, 2) == (again["records_total"], again["audits_totalcomplete"])
    late = again["succeeded_at"] - first["succeeded_at"]
    assert 3_600 + AGAIN_NS // NS_PER_SECOND == pytest.approx(late, abs=2)


@pytest.mark.failure_mode("an audit that goes on fails: a side, or its file, cannot be used")
def test_a_failure_is_seen_by_whoever_looks(process: Process, sees: Sees) -> None:
    """Until an audit has ended."""
    process.log = process.path.with_name("log")
    process.world.failing = NotToldError("nobody answers")
    assert 0 == process.run(0.5)
    failed, again = process.looks
    sees(failed)
    assert [] == again.reasons


def test_a_stop_in_the_middle_leaves_the_window_to_the_next_process(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no failure, and nothing of it counts; the next process reads it to its end, and the following one at once."""
    with monkeypatch.context() as patch:
        patch.setattr(continuous, "Reading", stopping_after_one_look(process))
        assert 0 == process.run(1)
    assert [] == process.seen
    process.stopping = False
    write(process.world, 5)
    assert 0 == process.run(0.5)
    assert (15, 2, 0) == tuple(
        process.seen[-1][name] for name in ("records_total", "audits_totalcomplete", "audits_totalfailed")
    )


def stopping_after_one_look(process: Process) -> type[Reading]:
    """Give a reading during which somebody stops the process."""

    class Stopped(Reading):
        def run(self, tell: Callable[..., None], stopped: Callable[[], bool]) -> bool:
            process.stopping = True
            return super().run(tell, stopped)

    return Stopped


def test_a_file_that_cannot_be_used_is_a_failure_that_can_be_cured(process: Process) -> None:
    """It says so each time, and goes on when somebody has made room."""
    process.path.write_text("no audit file", encoding="utf-8")
    process.happenings = [(400, process.path.unlink)]
    assert 0 == process.run(0.5)
    assert [(1, 0), (2, 0), (2, 1)] == [
        (each["audits_totalfailed"], each["audits_totalcomplete"]) for each in process.seen
    ]


@pytest.mark.failure_mode("audits that go on, and how records are compared was changed")
def test_a_file_of_another_mapping_is_to_be_put_aside(process: Process, sees: Sees) -> None:
    """Each try says so, with what to type; when it was done the next audit begins anew."""
    process.log = process.path.with_name("log")
    assert 0 == process.run(0.5)
    process.looks.clear()
    process.world.rules = route_rules(partition_key="constant:one")
    process.happenings = [(400, lambda: process.path.rename(process.path.with_name("orders.before")))]
    process.run(0.5)
    failed, again = process.looks[0], process.looks[-1]
    sees(failed)
    assert f"mv {process.path} {process.path}.before" in str(failed.reasons)
    assert [] == again.reasons


def test_a_route_that_cannot_be_audited_holds_no_other_up(process: Process) -> None:
    """Each has its own file, its own interval and its own figures."""
    other = TwoSides(clock=process.world.clock, failing=NotToldError("nobody answers"))
    write(other, 3)
    process.others = {"users": other}
    process.happenings = [(600, lambda: write(process.world, 5))]
    assert 0 == process.run(1.5)
    assert (15, 2, 0) == tuple(
        process.seen[-1][name] for name in ("records_total", "audits_totalcomplete", "audits_totalfailed")
    )
    assert ["orders.duckdb", "users.duckdb"] == sorted(each.name for each in process.path.parent.iterdir())
    assert 3 <= other.asked["whole"]


# --- planted bugs ------------------------------------------------------------------------------------------------------


def says_that_it_is_fresh(patch: pytest.MonkeyPatch) -> None:
    """Let a failed audit pass for one that has judged all."""
    told = AuditTelemetry.failed

    def failed(self: AuditTelemetry, route: str, why: str, again_in_ns: int) -> None:
        self.metrics.succeeded[route] = self._clock.now()
        told(self, route, why, again_in_ns)

    patch.setattr(AuditTelemetry, "failed", failed)


def counts_a_loss_each_hour(patch: pytest.MonkeyPatch) -> None:
    """Add up what each window says."""
    told = AuditTelemetry.audited

    def audited(self: AuditTelemetry, route: str, judgement: object, *rest: object, **named: object) -> None:
        before = self.metrics.lost.labels(route)._value.get()
        told(self, route, judgement, *rest, **named)  # type: ignore[arg-type]
        self.metrics.lost.labels(route).inc(before)

    patch.setattr(AuditTelemetry, "audited", audited)


def gives_a_failed_window_up(patch: pytest.MonkeyPatch) -> None:
    """Wait for the next hour instead of trying again."""
    patch.setattr(continuous, "AGAIN_NS", HOUR_NS)


def takes_a_stopped_window_for_judged(patch: pytest.MonkeyPatch) -> None:
    """Go on behind a window that was not read to its end."""
    patch.setattr(Reading, "run", lambda _self, _tell, stopped: stopped() or True)


PLANTED: dict[Callable[[pytest.MonkeyPatch], None], Callable[..., None]] = {
    says_that_it_is_fresh: test_a_failure_is_told_keeps_what_was_proved_and_is_tried_again,
    counts_a_loss_each_hour: test_a_loss_is_counted_once_and_until_it_is_sent_again,
    gives_a_failed_window_up: test_a_failure_is_told_keeps_what_was_proved_and_is_tried_again,
    takes_a_stopped_window_for_judged: test_each_window_begins_an_interval_after_the_one_before,
}


@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_noticed(
    process: Process, monkeypatch: pytest.MonkeyPatch, bug: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """By the test that says what must hold."""
    bug(monkeypatch)
    with pytest.raises((AssertionError, ValueError)):
        PLANTED[bug](process)
