"""A log collector that has stopped to read: the pipe fills, and the service goes on."""

from __future__ import annotations

import re

import orjson
import pytest

from doka.adapters.telemetry.line_writer import QUEUED_LINES_MAX
from doka.app.service import build
from doka.app.settings.load import settings_from
from doka.domain.facts import LeaseRenewed
from tests.containers.service import settings
from tests.failure_modes import Sample, Seen, Sees
from tests.unit.adapters.telemetry.given import pipe
from tests.waiting import eventually

pytest_plugins = ["tests.failure_modes.fixtures"]

LINES = QUEUED_LINES_MAX + 2_000  # more than the queue and the pipe take


@pytest.mark.failure_mode("stdout is not read")
def test_lines_that_nobody_takes_are_counted_and_told_later(sees: Sees) -> None:
    """Telling never waits; what was dropped stands on the page, and in the log when it is read again."""
    with pipe() as stdout:
        given = settings("127.0.0.1:1", "http://127.0.0.1:1", {"orders": "orders"}, group_id="doka")
        container = build(settings_from(given, hostname="host"), "host")
        container.server.override(None)
        container.log_fd.override(stdout.writer)
        telemetry, health = container.telemetry(), container.health()
        telemetry.open()
        for serial in range(LINES):
            telemetry.tell(LeaseRenewed("writer", serial, None))
        answer = health.answer("/metrics")
        assert answer is not None
        said = bytearray()

        def all_is_told() -> bool:
            said.extend(stdout.read())
            return LINES == said.count(b'"lease_renewed"') + sum(map(int, re.findall(rb'"missing":(\d+)', said)))

        eventually(all_is_told, what="each line, or that it is missing")
        telemetry.close()
    lines = [orjson.loads(line) for line in said.splitlines()]
    sees(Seen(Sample.of_page(answer.body.decode()), log=lines))
