from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from doka.adapters.system.clock import SystemClock
from doka.adapters.telemetry.merged_page import SUPERVISOR, SupervisorMetrics
from doka.adapters.telemetry.metrics import Metrics
from doka.app.settings.exports import Sender, resource_of, targets_of, to_exports
from doka.app.settings.problems import SettingPath, SettingsError
from doka.domain.limits import NS_PER_SECOND
from tests.collector import collector, metrics_of, series_of
from tests.collector import resource_of as sent_by
from tests.unit.app.settings.given import settings

COLLECTOR = "http://otel-collector:4318"


def test_where_nothing_is_sent_there_is_nothing() -> None:
    """Neither thread nor counter."""
    metrics = Metrics(SystemClock(), "1")
    assert to_exports(settings(), Sender("pod-1", "1", None), SystemClock(), metrics, lambda: 0.0) is None
    assert b"doka_otlp_exports_total{" not in metrics.page()[0]


def test_targets_have_what_the_settings_say(tmp_path: Path) -> None:
    """Each signal its URL; times in ns; headers from their file, blank lines and spaces left out."""
    for name in ("ca.pem", "client.pem", "key.pem"):
        (tmp_path / name).touch()
    (tmp_path / "headers").write_text("Authorization: Bearer a:b=\r\n\nX-Tenant:orders\n")
    otlp: dict[str, Any] = {
        "endpoint": COLLECTOR,
        "headers_file": str(tmp_path / "headers"),
        "timeout_seconds": 2.5,
        "compression": "gzip",
        "ca_file": str(tmp_path / "ca.pem"),
        "certificate_file": str(tmp_path / "client.pem"),
        "key_file": str(tmp_path / "key.pem"),
        "traces": {"enabled": True, "endpoint": "http://t/in"},
    }
    found = targets_of(settings({("otlp",): otlp}).otlp)
    assert {"metrics": f"{COLLECTOR}/v1/metrics", "traces": "http://t/in"} == {s: t.url for s, t in found.items()}
    target = found["traces"]
    assert {"Authorization": "Bearer a:b=", "X-Tenant": "orders"} == target.headers
    assert (2_500_000_000, True) == (target.timeout, target.compressed)
    assert [otlp[name] for name in ("ca_file", "certificate_file", "key_file")] == [
        target.ca_file,
        target.certificate_file,
        target.key_file,
    ]


def test_headers_may_stand_in_the_settings() -> None:
    """A secret is taken out only here."""
    given = settings({("otlp",): {"endpoint": COLLECTOR, "headers": {"Authorization": "Bearer x"}}})
    assert {"Authorization": "Bearer x"} == targets_of(given.otlp)["metrics"].headers


@pytest.mark.parametrize("text", ["hunter2", "X Key: hunter2", "X-Key:", "X-Key: hunter2\x00"])
def test_a_file_that_holds_no_headers_is_told(tmp_path: Path, text: str) -> None:
    """With the form, and never with what stands there."""
    file = tmp_path / "headers"
    file.write_text(text)
    with pytest.raises(SettingsError) as refused:
        targets_of(settings({("otlp",): {"endpoint": COLLECTOR, "headers_file": str(file)}}).otlp)
    told = "otlp.headers_file must name a file with a line like `Authorization: Bearer TOKEN` for each header"
    assert told == str(refused.value)


@pytest.mark.parametrize("name", ["headers_file", "ca_file"])
def test_a_file_that_is_not_there_is_told(name: str) -> None:
    """Before anything runs; where nothing is sent nobody looks."""
    given: dict[SettingPath, Any] = {("otlp",): {"endpoint": COLLECTOR, name: "/nowhere"}}
    with pytest.raises(SettingsError, match=rf"otlp\.{name} names a file that cannot be read"):
        targets_of(settings(given).otlp)
    assert {} == targets_of(settings({**given, ("otlp", "enabled"): False}).otlp)


@pytest.mark.parametrize(
    ("process", "given", "expected"),
    [
        (None, {}, {"service.name": "doka", "service.version": "1.2", "service.instance.id": "pod-1"}),
        (
            0,
            {"service.name": "doka-orders", "k": "v"},
            {"service.name": "doka-orders", "service.version": "1.2", "service.instance.id": "pod-1-0", "k": "v"},
        ),
        (
            SUPERVISOR,
            {"service.instance.id": "mine"},
            {"service.name": "doka", "service.version": "1.2", "service.instance.id": "mine-supervisor"},
        ),
    ],
)
def test_each_process_is_an_instance_of_its_own(
    process: int | str | None, given: dict[str, str], expected: dict[str, str]
) -> None:
    """Also where somebody names the instance; what else is named goes before ours."""
    otlp = settings({("otlp",): {"resource": given}}).otlp
    assert expected == resource_of(otlp, Sender("pod-1", "1.2", process))


def test_a_supervisor_sends_figures_and_no_spans() -> None:
    """What is told as facts happens in the workers."""
    with collector() as far:
        given = settings({("otlp",): {"endpoint": far.url, "traces": {"enabled": True}}})
        exports = to_exports(
            given, Sender("pod-1", "1.2", SUPERVISOR), SystemClock(), SupervisorMetrics(2), lambda: 0.0
        )
        assert exports is not None
        assert exports.spans is None
        exports.open()
        assert exports.close(within=10)
        (request,) = far.taken()
    assert "pod-1-supervisor" == sent_by(metrics_of(request.data))["service.instance.id"]
    assert ("doka_worker_up", (("worker", "1"),)) in series_of(metrics_of(request.data))


def test_what_is_sent_has_begun_with_the_process() -> None:
    """The start time is that of its making, the label that of the worker, and spans are sent beside it."""
    clock = SystemClock()
    with collector() as far:
        given = settings({("otlp",): {"endpoint": far.url, "traces": {"enabled": True, "put_share": 1.0}}})
        before = clock.wall()
        exports = to_exports(given, Sender("pod-1", "1.2", 0), clock, Metrics(clock, "1", ["orders"]), lambda: 0.0)
        after = clock.wall()
        assert exports is not None
        assert exports.spans is not None
        exports.open()
        exports.spans.ended(0)
        assert exports.close(within=10)
        (request,) = far.taken()
        assert [] == far.taken("/v1/traces"), "there was no span"
    data = json.loads(request.body)
    (settled,) = [
        metric
        for metric in data["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
        if metric["name"] == "doka_records_settled_total"
    ]
    (point,) = settled["sum"]["dataPoints"]
    assert before - 1e-3 <= int(point["startTimeUnixNano"]) / NS_PER_SECOND <= after + 1e-3
    assert {"route": "orders", "worker": "0"} == {a["key"]: a["value"]["stringValue"] for a in point["attributes"]}
