"""What the settings say of what is sent to a collector: the exporters of one process, in their own words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from doka.adapters.telemetry.merged_page import SUPERVISOR
from doka.adapters.telemetry.metrics import Exported
from doka.app.settings.model import Settings
from doka.app.settings.otlp import HEADER_NAME, OtlpSettings, check_header_value
from doka.app.settings.problems import Problem, SettingsError
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock

if TYPE_CHECKING:
    from doka.adapters.telemetry.otlp.exporter import Exports
    from doka.adapters.telemetry.otlp.posting import Target

SPANS_EVERY_NS = 5 * NS_PER_SECOND
"""As often as the batch processor of OpenTelemetry's SDKs sends by default (OTEL_BSP_SCHEDULE_DELAY)."""


@dataclass(frozen=True, slots=True)
class Sender:
    """One process that sends: the number of a worker, or the word for its supervisor, tells it from others of its host."""

    hostname: str
    version: str
    process: int | str | None


def to_exports(
    settings: Settings, sender: Sender, clock: Clock, metrics: Exported, chance: Callable[[], float]
) -> Exports | None:
    """Give what sends metrics and spans; None where nothing is sent. `chance` draws puts, and spreads tries.

    Raises:
        SettingsError: a file that is named cannot be read.
    """
    otlp = settings.otlp
    targets = dict(targets_of(otlp))
    if sender.process == SUPERVISOR:
        targets.pop("traces", None)  # what is told as facts happens in the workers
    if not targets:
        return None
    from doka.adapters.telemetry.otlp.exporter import Exporter, Exports, Signal
    from doka.adapters.telemetry.otlp.form import Resource, metrics_request
    from doka.adapters.telemetry.otlp.posting import Poster
    from doka.adapters.telemetry.otlp.spans import Spans, traces_request

    counts = metrics.exports
    resource = Resource(resource_of(otlp, sender), sender.version)
    labels = {} if sender.process is None else {"worker": str(sender.process)}
    interval, started = round(otlp.interval_seconds * NS_PER_SECOND), _wall(clock)
    spans = Spans(clock, otlp.traces.put_share, chance, counts.span_dropped) if "traces" in targets else None

    def figures() -> bytes:
        return metrics_request(metrics.families(), resource, start=started, now=_wall(clock), labels=labels)

    def traces() -> bytes | None:
        taken = [] if spans is None else spans.taken()
        return traces_request(taken, resource) if taken else None

    signals = {
        "metrics": Signal("metrics", figures, partial(counts.exported, "metrics"), interval),
        "traces": Signal("traces", traces, partial(counts.exported, "traces"), SPANS_EVERY_NS, patience=interval),
    }
    for signal in targets:
        counts.begin(signal)
    exporters = [Exporter(signals[s], partial(Poster, target, clock), clock, chance) for s, target in targets.items()]
    return Exports(exporters, spans)


def resource_of(settings: OtlpSettings, sender: Sender) -> Mapping[str, str]:
    """Give the attributes of one process: each has an instance of its own, so that no series is written by two."""
    own = {
        "service.name": "doka",
        "service.version": sender.version,
        "service.instance.id": sender.hostname,
    } | settings.resource
    if sender.process is not None:
        own["service.instance.id"] += f"-{sender.process}"
    return own


def targets_of(settings: OtlpSettings) -> Mapping[str, Target]:
    """Give where each signal is sent, by its name; reads the files that are named.

    Raises:
        SettingsError: one of them cannot be read.
    """
    urls = {"metrics": settings.url_of("metrics"), "traces": settings.url_of("traces")}
    named = {signal: url for signal, url in urls.items() if url is not None}
    headers = _headers(settings) if named else {}
    return {signal: _target(settings, url, headers) for signal, url in named.items()}


def _target(settings: OtlpSettings, url: str, headers: Mapping[str, str]) -> Target:
    from doka.adapters.telemetry.otlp.posting import Target

    for name in ("ca_file", "certificate_file", "key_file"):
        file = getattr(settings, name)
        if file is not None:
            _read(file, name)
    return Target(
        url=url,
        headers=headers,
        timeout=round(settings.timeout_seconds * NS_PER_SECOND),
        compressed=settings.compression == "gzip",
        ca_file=settings.ca_file,
        certificate_file=settings.certificate_file,
        key_file=settings.key_file,
    )


def _headers(settings: OtlpSettings) -> Mapping[str, str]:
    """Give the headers, from their setting or their file."""
    if settings.headers_file is None:
        return {name: value.get_secret_value() for name, value in settings.headers.items()}
    found = {}
    for line in _read(settings.headers_file, "headers_file").decode("utf-8", "replace").splitlines():
        name, colon, value = line.partition(":")
        if not line.strip():
            continue
        try:
            if not colon or re.fullmatch(HEADER_NAME, name) is None:
                raise ValueError  # noqa: TRY301 - as for a value that is none
            found[name] = check_header_value(SecretStr(value.strip())).get_secret_value()
        except ValueError:
            told = "must name a file with a line like `Authorization: Bearer TOKEN` for each header"
            raise SettingsError([Problem(told, ("otlp", "headers_file"))]) from None
    return found


def _read(file: str, name: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except (OSError, ValueError):
        told = "names a file that cannot be read; check the path and its permissions"
        raise SettingsError([Problem(told, ("otlp", name))]) from None


def _wall(clock: Clock) -> int:
    return round(clock.wall() * NS_PER_SECOND)
