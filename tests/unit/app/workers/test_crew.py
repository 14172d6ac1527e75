from __future__ import annotations

from pathlib import Path

import orjson
import pytest
import yaml

from doka.adapters.system.clock import SystemClock
from doka.adapters.telemetry.line_writer import LineWriter
from doka.adapters.telemetry.logs import Log
from doka.adapters.telemetry.merged_page import SupervisorMetrics
from doka.app.config_options import ConfigOptions
from doka.app.settings.load import settings_from
from doka.app.workers.crew import Crew, Shared, _named
from doka.app.workers.together import Configured
from tests.unit.app.given import LONELY


@pytest.mark.parametrize(
    ("json", "line", "expected"),
    [
        (True, b'{"event":"x","worker":0}', b'{"event":"x","worker":0,"config":"eu"}'),
        (True, b"no line of ours", b"no line of ours"),
        (False, b"12:00 it runs", b"[eu] 12:00 it runs"),
    ],
)
def test_a_line_says_of_which_configuration_it_is(json: bool, line: bytes, expected: bytes) -> None:  # noqa: FBT001
    """As JSON it is still JSON; for a person the name comes first; what no worker of ours wrote is left as it is."""
    written: list[bytes] = []
    _named(written.append, b"eu", line, json=json)
    assert [expected] == written
    if line.startswith(b"{"):
        assert "eu" == orjson.loads(written[0])["config"]


@pytest.fixture
def crews(tmp_path: Path) -> list[Crew]:
    """Give a crew that is watched and one that is not, of one file; nothing is started."""
    file = tmp_path / "doka.yaml"
    file.write_text(yaml.safe_dump({"anything": True}))
    metrics, clock = SupervisorMetrics(1), SystemClock()
    writer = LineWriter(1, metrics.line_dropped)
    shared = Shared("pod-1", "json", 1, clock=clock, writer=writer, log=Log(clock, writer), stdout=1, shown=None)
    configured = Configured(ConfigOptions(file), settings_from(LONELY, hostname="pod-1"), "eu")
    return [Crew.of(configured, SupervisorMetrics(1), shared, watch=watch) for watch in (True, False)]


def test_who_is_not_watched_reloads_nothing(crews: list[Crew]) -> None:
    """And looks at nothing meanwhile."""
    watched, still = crews
    assert still.reloads is None
    assert watched.reloads is not None
    assert watched.configured.settings == watched.reloads.running
    with still.watched():
        assert [] == [*still.inbox.reloads_wished()]


def test_what_was_changed_in_the_start_is_no_secret(crews: list[Crew]) -> None:
    """The file says something else than it said when it was read: that is a wish of its own."""
    with crews[0].watched():
        ((why, state),) = crews[0].inbox.reloads_wished()
    assert why.endswith("was changed in the start")
    assert b"" == state
