"""What is seen of continuous audits: what stands on the page from the start, and what each ending of an audit changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from doka.adapters.telemetry.audit_telemetry import LATE_NS, STALLED_AFTER_NS, AuditTelemetry
from doka.adapters.telemetry.http_server import HealthServer
from doka.adapters.telemetry.line_writer import LineWriter
from doka.adapters.telemetry.logs import Log
from doka.domain.audit.fates import Fate, Judgement
from doka.domain.errors import UsageError
from doka.domain.limits import NS_PER_SECOND
from tests.manual_clock import ManualClock
from tests.unit.adapters.telemetry.given import Pipe, get, hand_clock, pipe

HOUR_NS = 3_600 * NS_PER_SECOND
UNTIL_MS = 1_700_000_000_000


@dataclass
class Seen:
    """A telemetry that is open, and what can be read of it."""

    telemetry: AuditTelemetry
    clock: ManualClock
    stdout: Pipe

    def figures(self) -> dict[str, float]:
        """Give each figure of route orders by its short name."""
        page = self.telemetry.metrics.page()[0].decode()
        return {
            sample.name.removeprefix("doka_audit_") + sample.labels.get("outcome", ""): sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
            if sample.labels.get("route") == "orders"
        }

    def audited(self, lost: int = 0, not_judged: int = 0, *, whole: bool = True, until_ms: int = UNTIL_MS) -> None:
        """Tell of a window of a hundred records, of which thirty are those of earlier windows."""
        judgement = judged(lost, not_judged, until_ms)
        self.telemetry.audited("orders", judgement, 70, 4 * NS_PER_SECOND, whole=whole, told="as it is.")

    def ready(self) -> tuple[int, list[str]]:
        """Ask whether it is ready, and why not."""
        answer = self.telemetry.answer("/readyz")
        assert answer is not None
        return answer.code, orjson.loads(answer.body)["reasons"]


def judged(lost: int, not_judged: int, until_ms: int) -> Judgement:
    """Give a judgement with these counts."""
    counts = dict.fromkeys(Fate, 0) | {Fate.LOST: lost, Fate.NOT_JUDGED: not_judged}
    return Judgement(100, 0, counts, 0, 0, {}, 0, 0, UNTIL_MS - 9, until_ms, True, None, (), 1)  # noqa: FBT003 - all was read


@contextmanager
def seen(port: int | None = None) -> Iterator[Seen]:
    """Open the telemetry of an hourly audit of two routes."""
    clock = hand_clock()
    with pipe() as stdout:
        log = Log(clock, LineWriter(stdout.writer))
        server = None if port is None else HealthServer(clock, "127.0.0.1", port)
        telemetry = AuditTelemetry(clock, log, server, version="1.2.3", routes=["orders", "users"], every_ns=HOUR_NS)
        telemetry.open()
        try:
            yield Seen(telemetry, clock, stdout)
        finally:
            telemetry.close(within=5)


def test_all_series_stand_there_before_the_first_audit() -> None:
    """Outcomes at 0, so that a rule sees the first; the first success is waited for from the start on."""
    with seen() as at:
        at.clock.pass_seconds(5)
        assert {
            "lost_records": 0, "judged_until_timestamp_seconds": 0, "success_age_seconds": 5,
            "duration_seconds": 0, "every_seconds": 3_600, "records_total": 0, "not_judged_records_total": 0,
            "doka_audits_totalcomplete": 0, "doka_audits_totallost": 0, "doka_audits_totalnot_whole": 0,
            "doka_audits_totalfailed": 0,
        } == at.figures()  # fmt: skip
        reasons = [f"route {name}: no audit has ended yet" for name in ("orders", "users")]
        assert (503, reasons) == at.ready()


def test_an_audit_that_judged_all_is_a_proof() -> None:
    """The page says up to when, and a line says it to a person."""
    with seen() as at:
        at.clock.pass_seconds(60)
        at.audited()
        at.clock.pass_seconds(5)
        found = at.figures()
        assert (UNTIL_MS / 1_000, 5, 4, 70, 1) == tuple(
            found[name]
            for name in (
                "judged_until_timestamp_seconds", "success_age_seconds", "duration_seconds", "records_total",
                "doka_audits_totalcomplete",
            )
        )  # fmt: skip
        assert ["route users: no audit has ended yet"] == at.ready()[1]
        at.telemetry.close(within=5)
        line = orjson.loads(at.stdout.read().splitlines()[-1])
    assert ("info", "audited", "route orders: as it is.", "complete", 70, 0) == tuple(
        line[name] for name in ("level", "event", "message", "outcome", "records", "lost")
    )


def test_a_loss_is_told_as_long_as_it_is_one() -> None:
    """It is no reason to be unready, for the audit does what it should; it counts once, and no more when it was found."""
    with seen() as at:
        at.audited(lost=3)
        at.audited(lost=3)
        assert (3, 2, 0) == tuple(
            at.figures()[name] for name in ("lost_records", "doka_audits_totallost", "doka_audits_totalcomplete")
        )
        assert ["route users: no audit has ended yet"] == at.ready()[1]
        at.audited()
        assert 0 == at.figures()["lost_records"]
        at.telemetry.stands("orders", 2)
        assert 2 == at.figures()["lost_records"]
        at.telemetry.close(within=5)
        levels = [orjson.loads(line)["level"] for line in at.stdout.read().splitlines()]
    assert ["info", "error", "error", "info"] == levels


def test_a_failed_audit_moves_nothing_but_its_counter() -> None:
    """What was proved stays as old as it is, and readiness says what failed until one ends well."""
    with seen() as at:
        at.audited()
        at.audited(until_ms=UNTIL_MS)
        before = at.figures()
        at.clock.pass_seconds(3_600)
        at.telemetry.failed("orders", "the broker is away", 300 * NS_PER_SECOND)
        assert before | {"doka_audits_totalfailed": 1, "success_age_seconds": 3_600} == at.figures()
        assert "route orders: the last audit failed: the broker is away" in at.ready()[1]
        at.audited()
        assert ["route users: no audit has ended yet"] == at.ready()[1]


def test_a_part_that_could_not_be_judged_is_no_success() -> None:
    """It has an outcome of its own, and what was not judged is counted apart."""
    with seen() as at:
        at.clock.pass_seconds(9)
        at.audited(not_judged=5, whole=False, until_ms=UNTIL_MS - 9)
        found = at.figures()
        assert (9, 0, 65, 5, 1) == tuple(
            found[name]
            for name in (
                "success_age_seconds", "judged_until_timestamp_seconds", "records_total",
                "not_judged_records_total", "doka_audits_totalnot_whole",
            )
        )  # fmt: skip
        assert "route orders: a part of the last window could not be judged" in at.ready()[1]


def test_one_that_is_late_is_not_ready() -> None:
    """After twice the interval and ten minutes."""
    with seen() as at:
        at.audited()
        at.clock.pass_seconds((2 * HOUR_NS + LATE_NS) / NS_PER_SECOND)
        at.telemetry.turned()
        assert ["route users: no audit has ended yet"] == at.ready()[1]
        at.clock.pass_seconds(1)
        assert "route orders: the last audit that judged all ended 2.2 h ago" in at.ready()[1]


def test_it_lives_while_something_is_read_or_told() -> None:
    """A large window is judged in silence for minutes; only what lasts longer is a process that hangs."""
    with seen(port=0) as at:
        port = at.telemetry.port
        assert port is not None
        at.clock.pass_seconds(STALLED_AFTER_NS / NS_PER_SECOND)
        assert 200 == get(port, "/healthz")[0]
        at.clock.pass_seconds(1)
        assert (503, 503) == (get(port, "/healthz")[0], get(port, "/readyz")[0])
        at.telemetry.turned()
        assert 200 == get(port, "/healthz")[0]
        assert "doka_audit_lost_records" in get(port, "/metrics")[1]
        assert 404 == get(port, "/else")[0]
        with pytest.raises(UsageError, match=f"http.port: 127.0.0.1 port {port} cannot be listened on"), seen(port):
            pass


@pytest.mark.parametrize(("code", "level"), [(0, "info"), (1, "error")])
def test_the_end_is_told(code: int, level: str) -> None:
    """As by the service."""
    with seen() as at:
        at.telemetry.ended(code, "it was stopped")
        at.telemetry.close(within=5)
        line = orjson.loads(at.stdout.read().splitlines()[-1])
    assert (level, "ended", f"doka ended with exit code {code}: it was stopped") == (
        line["level"],
        line["event"],
        line["message"],
    )
