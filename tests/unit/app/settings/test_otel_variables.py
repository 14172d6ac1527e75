from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from doka.app.config_options import ConfigOptions
from doka.app.settings.load import load_settings
from doka.app.settings.model import Settings
from doka.app.settings.otel_variables import NOT_OBEYED, otel_variables, variables
from tests.unit.app.settings.test_load import SMALLEST

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
COLLECTOR = "http://otel-collector:4318"


def loaded(tmp_path: Path, otlp: str = "", **environ: str) -> Settings:
    """Give the settings of a small file with these lines below `otlp`, under these variables."""
    file = tmp_path / "doka.yaml"
    file.write_text(SMALLEST + (f"otlp: {otlp}\n" if otlp else ""))
    return load_settings(ConfigOptions(file), environ=environ, hostname="pod-1")


def test_each_variable_fills_its_setting(tmp_path: Path) -> None:
    """As an SDK would obey them: percent-encoding, milliseconds, the endpoint of a signal as it is."""
    ca, certificate, key = (str(tmp_path / name) for name in ("ca.pem", "client.pem", "key.pem"))
    for file in (ca, certificate, key):
        Path(file).touch()
    otlp = loaded(
        tmp_path,
        OTEL_EXPORTER_OTLP_ENDPOINT=f"{COLLECTOR}/",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="http://traces:1/in",
        OTEL_EXPORTER_OTLP_HEADERS="api-key=a%20b%3D, x-tenant = orders",
        OTEL_RESOURCE_ATTRIBUTES="service.name=other,deployment.environment.name=prd%2C1",
        OTEL_SERVICE_NAME="doka-orders",
        OTEL_METRIC_EXPORT_INTERVAL="15000",
        OTEL_EXPORTER_OTLP_TIMEOUT="2500",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
        OTEL_EXPORTER_OTLP_CERTIFICATE=ca,
        OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=certificate,
        OTEL_EXPORTER_OTLP_CLIENT_KEY=key,
    ).otlp
    assert f"{COLLECTOR}/v1/metrics" == otlp.url_of("metrics")
    assert "http://traces:1/in" == otlp.traces.endpoint
    assert {"api-key": "a b=", "x-tenant": "orders"} == {n: v.get_secret_value() for n, v in otlp.headers.items()}
    assert {"service.name": "doka-orders", "deployment.environment.name": "prd,1"} == otlp.resource
    assert (15, 2.5, "gzip") == (otlp.interval_seconds, otlp.timeout_seconds, otlp.compression)
    assert (ca, certificate, key) == (otlp.ca_file, otlp.certificate_file, otlp.key_file)
    assert not otlp.traces.enabled, "spans are asked for by the file, not by an endpoint for them"


def test_the_endpoint_of_metrics_is_used_as_it_is(tmp_path: Path) -> None:
    """No path is added to it, and it goes before that of all."""
    otlp = loaded(tmp_path, **{ENDPOINT: COLLECTOR, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://m:1/in/"}).otlp
    assert "http://m:1/in/" == otlp.url_of("metrics")


def test_the_file_goes_before_them(tmp_path: Path) -> None:
    """They fill what it leaves out, one attribute at a time."""
    given = "{endpoint: 'http://mine:4318', headers_file: /h, resource: {service.name: mine}}"
    otlp = loaded(
        tmp_path,
        given,
        **{ENDPOINT: COLLECTOR},
        OTEL_EXPORTER_OTLP_HEADERS="a=b",
        OTEL_RESOURCE_ATTRIBUTES="service.name=theirs,k=v",
    ).otlp
    assert ("http://mine:4318", {}, {"service.name": "mine", "k": "v"}) == (otlp.endpoint, otlp.headers, otlp.resource)


def test_they_can_switch_off(tmp_path: Path) -> None:
    """OTEL_SDK_DISABLED goes before the file; an exporter that is none switches its signal off."""
    assert loaded(tmp_path, f"{{endpoint: '{COLLECTOR}'}}", OTEL_SDK_DISABLED="True").otlp.url_of("metrics") is None
    assert loaded(tmp_path, OTEL_METRICS_EXPORTER="none", **{ENDPOINT: COLLECTOR}).otlp.url_of("metrics") is None
    assert loaded(tmp_path, OTEL_SDK_DISABLED="yes", **{ENDPOINT: COLLECTOR}).otlp.url_of("metrics") is not None


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_EXPORTER_OTLP_HEADERS": "a=b", "OTEL_SERVICE_NAME": "x", "OTEL_METRIC_EXPORT_INTERVAL": "1000"},
        {ENDPOINT: "", "OTEL_SERVICE_NAME": ""},
        {"OTEL_TRACES_EXPORTER": "otlp"},
    ],
)
def test_without_an_endpoint_they_change_nothing(tmp_path: Path, environ: dict[str, str]) -> None:
    """What a platform sets for all pods has no meaning where nothing is sent; an empty one is as good as none."""
    assert loaded(tmp_path) == loaded(tmp_path, **environ)


@pytest.mark.parametrize(
    ("environ", "doubt"),
    [
        ({ENDPOINT: "collector:4318"}, f"{ENDPOINT} is not obeyed: it must be a URL like http://otel-collector:4318"),
        (
            {"OTEL_EXPORTER_OTLP_HEADERS": "hunter2"},
            "OTEL_EXPORTER_OTLP_HEADERS is not obeyed: it must be pairs like name=value, with commas between them",
        ),
        (
            {"OTEL_EXPORTER_OTLP_HEADERS": "a=hunter2%0d%0ab: c"},
            "OTEL_EXPORTER_OTLP_HEADERS is not obeyed: it must be printable ASCII on one line, without space at its ends",
        ),
        (
            {"OTEL_EXPORTER_OTLP_HEADERS": "a b=hunter2"},
            "OTEL_EXPORTER_OTLP_HEADERS is not obeyed: it names a header that is none",
        ),
        (
            {"OTEL_METRIC_EXPORT_INTERVAL": "60s"},
            "OTEL_METRIC_EXPORT_INTERVAL is not obeyed: it must be from 1000 to 3600000 milliseconds",
        ),
        (
            {"OTEL_EXPORTER_OTLP_TIMEOUT": "0"},
            "OTEL_EXPORTER_OTLP_TIMEOUT is not obeyed: it must be from 100 to 120000 milliseconds",
        ),
        (
            {"OTEL_EXPORTER_OTLP_COMPRESSION": "zstd"},
            "OTEL_EXPORTER_OTLP_COMPRESSION is not obeyed: it must be none or gzip",
        ),
        (
            {"OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere/ca.pem"},
            "OTEL_EXPORTER_OTLP_CERTIFICATE is not obeyed: it names a file that is not there",
        ),
        (
            {"OTEL_EXPORTER_OTLP_CLIENT_KEY": __file__},
            (
                "OTEL_EXPORTER_OTLP_CLIENT_KEY is not obeyed: a client certificate needs its key, and a key its "
                "certificate"
            ),
        ),
        (
            {"OTEL_METRICS_EXPORTER": "prometheus"},
            "OTEL_METRICS_EXPORTER names what doka does not have; it knows otlp and none",
        ),
        (
            {"OTEL_EXPORTER_OTLP_METRICS_HEADERS": "a=b"},
            "OTEL_EXPORTER_OTLP_METRICS_HEADERS is not obeyed: metrics and traces go the same way here",
        ),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", ENDPOINT: "http://collector:4317"},
            (
                "OTEL_EXPORTER_OTLP_PROTOCOL is grpc, which doka does not speak, so no endpoint is taken from variables; set "
                "otlp.endpoint to the collector's port for OTLP over HTTP, which is 4318 as a rule"
            ),
        ),
    ],
)
def test_what_cannot_be_obeyed_is_told_and_stops_nothing(tmp_path: Path, environ: dict[str, str], doubt: str) -> None:
    """A variable that somebody set for all pods must not keep this one from its records; no value is repeated."""
    assert [doubt] == otel_variables(environ).doubts
    assert "hunter2" not in doubt
    loaded(tmp_path, **{ENDPOINT: COLLECTOR} | environ)


def test_bytes_that_are_no_text_are_told() -> None:
    """Percent-encoding can hold anything."""
    told = "OTEL_RESOURCE_ATTRIBUTES is not obeyed: it must be UTF-8 where it is percent-encoded"
    assert [told] == otel_variables({"OTEL_RESOURCE_ATTRIBUTES": "a=%ff"}).doubts


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
def test_what_goes_over_http_is_served_by_json(protocol: str) -> None:
    """One port of a collector takes both."""
    found = otel_variables({ENDPOINT: COLLECTOR, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol})
    assert ([], (ENDPOINT, COLLECTOR)) == (found.doubts, found.values["otlp", "endpoint"])


def test_the_manual_names_each_of_them() -> None:
    """docs/environment.md is the list of all that is obeyed."""
    page = (Path(__file__).parents[4] / "docs" / "environment.md").read_text(encoding="utf-8")
    missing = [name for name in (*variables(), *NOT_OBEYED) if f"`{name}`" not in page]
    assert [] == missing


def test_the_variables_that_are_named_are_those_that_are_read() -> None:
    """Each of them, with a value that fits none, is told or changes something."""
    odd: dict[str, Any] = {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    nothing = otel_variables({ENDPOINT: COLLECTOR})
    for name in variables():
        value = odd.get(name, "grpc" if name.endswith("PROTOCOL") else "%ff")
        found = otel_variables({ENDPOINT: COLLECTOR, name: value})
        assert found != nothing, name
