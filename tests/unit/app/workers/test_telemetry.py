from __future__ import annotations

from pathlib import Path

import orjson

from doka.adapters.telemetry.line_writer import LineWriter
from doka.adapters.telemetry.logs import Log
from doka.adapters.telemetry.merged_page import SupervisorMetrics
from doka.app.config_options import ConfigOptions
from doka.app.settings.load import load_settings
from doka.app.workers.supervision import Outage
from doka.app.workers.telemetry import SupervisorTelemetry
from doka.domain.limits import NS_PER_SECOND
from tests.unit.adapters.telemetry.given import hand_clock, pipe

MINIMAL = Path(__file__).parents[4] / "examples" / "minimal.yaml"


def test_a_run_is_told_line_by_line_and_counted() -> None:
    """The limits are named as what they are, each death says when it is cured, and restarts are on the page."""
    settings = load_settings(ConfigOptions(MINIMAL), environ={}, hostname="pod-1")
    with pipe() as stdout:
        log = Log(hand_clock(), LineWriter(stdout.writer))
        log.open()
        telemetry = SupervisorTelemetry(log, SupervisorMetrics(2))
        telemetry.opened(settings, 2, 9400)
        telemetry.started(1, 4711)
        telemetry.ended(Outage(1, "was killed by SIGKILL", NS_PER_SECOND // 2))
        telemetry.stopping("stopped by SIGTERM")
        telemetry.ended(Outage(0, "ended with exit code 0", None, clean=True))
        telemetry.ended(Outage(1, "ended with exit code 1", None))
        page, _ = telemetry.page({})
        telemetry.closed(1, "stopped by SIGTERM; worker 1 ended with exit code 1")
        lines = [orjson.loads(line) for line in stdout.read().splitlines()]
    assert [
        ("info", "started"),
        ("info", "worker_started"),
        ("warning", "worker_died"),
        ("info", "stopping"),
        ("info", "worker_ended"),
        ("error", "worker_ended"),
        ("error", "ended"),
    ] == [(line["level"], line["event"]) for line in lines]
    assert "limits are per worker: 64 MiB of records each, 128 MiB together" in lines[0]["message"]
    assert (9400, 2) == (lines[0]["port"], lines[0]["workers"])
    assert "worker 1 was killed by SIGKILL; it is started again in 0.5 s" == lines[2]["message"]
    assert (1, 0.5) == (lines[2]["worker"], lines[2]["restart_seconds"])
    assert b'doka_worker_restarts_total{worker="1"} 1.0' in page
    assert b'doka_worker_restarts_total{worker="0"} 0.0' in page
