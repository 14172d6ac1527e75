"""The variables of OpenTelemetry that each of its SDKs obeys: they fill what `otlp` leaves out.

Operators and platforms set them for all pods alike, so a value that cannot be obeyed is told and passed over: it must
not keep a service from its records. Only OTEL_SDK_DISABLED goes over the file, since it is there to switch off.
https://opentelemetry.io/docs/specs/otel/protocol/exporter/
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pydantic import SecretStr

from doka.app.settings.otlp import HEADER_NAME, check_collector_url, check_header_value
from doka.app.settings.problems import SettingPath

DISABLED = "OTEL_SDK_DISABLED"
EXPORTER = "OTEL_EXPORTER_OTLP_"
ENDPOINT = f"{EXPORTER}ENDPOINT"
METRICS_ENDPOINT, TRACES_ENDPOINT = f"{EXPORTER}METRICS_ENDPOINT", f"{EXPORTER}TRACES_ENDPOINT"
HEADERS = f"{EXPORTER}HEADERS"
RESOURCE, SERVICE_NAME = "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME"
INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL"
TIMEOUT, COMPRESSION = f"{EXPORTER}TIMEOUT", f"{EXPORTER}COMPRESSION"
PROTOCOLS = (f"{EXPORTER}METRICS_PROTOCOL", f"{EXPORTER}PROTOCOL")
FILES = {
    f"{EXPORTER}CERTIFICATE": "ca_file",
    f"{EXPORTER}CLIENT_CERTIFICATE": "certificate_file",
    f"{EXPORTER}CLIENT_KEY": "key_file",
}
SIGNALS = {"OTEL_METRICS_EXPORTER": "metrics", "OTEL_TRACES_EXPORTER": "traces"}
NOT_OBEYED = tuple(
    f"{EXPORTER}{signal}_{what}"
    for signal in ("METRICS", "TRACES")
    for what in ("HEADERS", "TIMEOUT", "COMPRESSION", "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")
)
"""Of one signal only: here both go the same way."""


@dataclass(slots=True)
class OtelVariables:
    """What the variables say: values by their path with the variable's name, and what of them cannot be obeyed."""

    values: dict[SettingPath, tuple[str, Any]] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    disabled: bool = False


def variables() -> tuple[str, ...]:
    """Name the variables that are read here."""
    return (
        *(ENDPOINT, METRICS_ENDPOINT, TRACES_ENDPOINT, HEADERS, RESOURCE, SERVICE_NAME, INTERVAL, TIMEOUT, COMPRESSION),
        *FILES,
        *SIGNALS,
        *PROTOCOLS,
        DISABLED,
    )


def otel_variables(environ: Mapping[str, str]) -> OtelVariables:
    """Read them; an empty one is as good as none."""
    found = OtelVariables()
    if environ.get(DISABLED, "").strip().lower() == "true":
        found.disabled = True
        return found
    given = {name: value.strip() for name, value in environ.items() if name.startswith("OTEL_") and value.strip()}
    by_grpc = next((name for name in PROTOCOLS if given.get(name) == "grpc"), None)
    if by_grpc is None:
        _take(found, given, ENDPOINT, "endpoint", check_collector_url)
        _take(found, given, METRICS_ENDPOINT, "metrics.endpoint", check_collector_url)
        _take(found, given, TRACES_ENDPOINT, "traces.endpoint", check_collector_url)
    elif given.keys() & {ENDPOINT, METRICS_ENDPOINT, TRACES_ENDPOINT}:
        found.doubts.append(
            f"{by_grpc} is grpc, which doka does not speak, so no endpoint is taken from variables; set otlp.endpoint to "
            "the collector's port for OTLP over HTTP, which is 4318 as a rule"
        )
    _take(found, given, HEADERS, "headers", _headers)
    resource = given.get(SERVICE_NAME)
    if resource is not None:
        found.values["otlp", "resource", "service.name"] = SERVICE_NAME, resource
    for name, value in (_read(found, given, RESOURCE, _pairs) or {}).items():
        found.values.setdefault(("otlp", "resource", name), (RESOURCE, value))
    _take(found, given, INTERVAL, "interval_seconds", lambda text: _seconds(text, 1, 3_600))
    _take(found, given, TIMEOUT, "timeout_seconds", lambda text: _seconds(text, 0.1, 120))
    _take(found, given, COMPRESSION, "compression", _compression)
    for name, setting in FILES.items():
        _take(found, given, name, setting, _file)
    pair = [("otlp", setting) for setting in ("certificate_file", "key_file")]
    if (
        sum(path in found.values for path in pair) == 1
    ):  # half of it is an error in the file, and no more than a doubt here
        (half,) = [path for path in pair if path in found.values]
        name, _value = found.values.pop(half)
        found.doubts.append(f"{name} is not obeyed: a client certificate needs its key, and a key its certificate")
    for name, signal in SIGNALS.items():
        exporters = {exporter.strip() for exporter in given.get(name, "otlp").split(",")}
        if exporters == {"none"}:
            found.values["otlp", signal, "enabled"] = name, False
        elif exporters != {"otlp"}:
            found.doubts.append(f"{name} names what doka does not have; it knows otlp and none")
    found.doubts += [
        f"{name} is not obeyed: metrics and traces go the same way here" for name in NOT_OBEYED if name in given
    ]
    return found


def _take(found: OtelVariables, given: Mapping[str, str], name: str, setting: str, read: Callable[[str], Any]) -> None:
    value = _read(found, given, name, read)
    if value is not None:
        found.values["otlp", *setting.split(".")] = name, value


def _read(found: OtelVariables, given: Mapping[str, str], name: str, read: Callable[[str], Any]) -> Any | None:
    """Give what a variable says; None where it is not set or says nothing that can be obeyed, which is told."""
    if name not in given:
        return None
    try:
        return read(given[name])
    except ValueError as error:
        found.doubts.append(f"{name} is not obeyed: it {error}")
        return None


def _pairs(text: str) -> dict[str, str]:
    """Read `name=value,name=value`, percent-encoded, as W3C Baggage has it.

    Raises:
        ValueError: a part is no pair.
    """
    found = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        name = _decoded(name)
        if not part.strip():
            continue
        if not equals or not name:
            raise ValueError("must be pairs like name=value, with commas between them")
        found[name] = _decoded(value)
    return {name: value for name, value in found.items() if value}


def _decoded(text: str) -> str:
    try:
        return unquote(text.strip(), errors="strict")
    except UnicodeDecodeError:
        raise ValueError("must be UTF-8 where it is percent-encoded") from None


def _headers(text: str) -> dict[str, str]:
    found = _pairs(text)
    for name, value in found.items():
        if re.fullmatch(HEADER_NAME, name) is None:
            raise ValueError("names a header that is none")
        check_header_value(SecretStr(value))
    return found


def _file(text: str) -> str:
    if not Path(text).is_file():
        raise ValueError("names a file that is not there")
    return text


def _seconds(text: str, least: float, most: float) -> float:
    milliseconds = float(text) if re.fullmatch(r"[0-9]{1,12}(\.[0-9]*)?", text) else -1.0
    if not least * 1_000 <= milliseconds <= most * 1_000:
        raise ValueError(f"must be from {least * 1_000:.0f} to {most * 1_000:.0f} milliseconds")
    return milliseconds / 1_000


def _compression(text: str) -> str:
    if text not in {"none", "gzip"}:
        raise ValueError("must be none or gzip")
    return text
