"""The JSON of OTLP: what a resource, its attributes and the families of a registry look like in it.

The mapping is that of protobuf to JSON, with the exceptions that the OTLP specification names: 64-bit integers are text,
what is not finite is a word, enumerations are numbers, and ids are hexadecimal.
https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import orjson
from prometheus_client.core import Metric
from prometheus_client.samples import Sample

SCOPE = "doka"
CUMULATIVE = 2  # AGGREGATION_TEMPORALITY_CUMULATIVE
_UNITS = {"seconds": "s", "bytes": "By"}
"""As UCUM spells what a name ends in; who makes names of units again then finds it there already."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Who sends: the attributes of the process, and the version of what it runs."""

    attributes: Mapping[str, str]
    version: str

    def of(self, kind: str, items: list[dict[str, Any]]) -> dict[str, Any]:
        """Give the request for some items; `kind` is Metrics or Spans."""
        scope = {"scope": {"name": SCOPE, "version": self.version}, _lower(kind): items}
        return {
            f"resource{kind}": [{"resource": {"attributes": attributes(self.attributes)}, f"scope{kind}": [scope]}],
        }


def attributes(given: Mapping[str, str | int | float | bool]) -> list[dict[str, Any]]:
    """Give attributes as OTLP has them: a list of keys with values that say their kind."""
    return [{"key": key, "value": _any_value(value)} for key, value in given.items()]


def metrics_request(
    families: Iterable[Metric], resource: Resource, *, start: int, now: int, labels: Mapping[str, str] | None = None
) -> bytes:
    """Give the request for all families of a registry, as they are at `now`; both times in ns since the epoch.

    What only grows is cumulative since `start`, when it was born. `labels` are added to each series that does not have them.
    Names are those of the page that scrapers read, `_total` included, so that a query or a rule finds either.
    """
    times = {"startTimeUnixNano": str(start), "timeUnixNano": str(max(now, start))}
    metrics = [metric for family in families if (metric := _metric(family, times, labels or {})) is not None]
    return orjson.dumps(resource.of("Metrics", metrics))


def _metric(family: Metric, times: Mapping[str, str], further: Mapping[str, str]) -> dict[str, Any] | None:
    """Give one family; None for one without a series."""
    name = family.name
    match family.type:
        case "counter":
            name = f"{family.name}_total"
            counted = [sample for sample in family.samples if sample.name == name]
            points = [_point(sample, times, further) for sample in counted]
            data: dict[str, Any] = {
                "sum": {"aggregationTemporality": CUMULATIVE, "isMonotonic": True, "dataPoints": points}
            }
        case "histogram":
            points = [_distribution(samples, times, further) for samples in _by_series(family)]
            data = {"histogram": {"aggregationTemporality": CUMULATIVE, "dataPoints": points}}
        case _:
            now = {"timeUnixNano": times["timeUnixNano"]}
            points = [_point(sample, now, further) for sample in family.samples]
            data = {"gauge": {"dataPoints": points}}
    if not points:
        return None
    unit = _UNITS.get(name.removesuffix("_total").rpartition("_")[2], "")
    return {"name": name, "description": family.documentation, "unit": unit, **data}


def _point(sample: Sample, times: Mapping[str, str], further: Mapping[str, str]) -> dict[str, Any]:
    return {**times, "attributes": attributes({**further, **sample.labels}), "asDouble": number(sample.value)}


def _by_series(family: Metric) -> Iterator[list[Sample]]:
    """Give the samples of each series of a histogram: its buckets, its count and its sum."""
    series: dict[tuple[tuple[str, str], ...], list[Sample]] = {}
    for sample in family.samples:
        key = tuple((name, value) for name, value in sample.labels.items() if name != "le")
        series.setdefault(key, []).append(sample)
    yield from series.values()


def _distribution(samples: list[Sample], times: Mapping[str, str], further: Mapping[str, str]) -> dict[str, Any]:
    """Give one series of a histogram: how many fell into each bucket, where the page says how many up to each bound."""
    buckets = [(float(sample.labels["le"]), round(sample.value)) for sample in samples if "le" in sample.labels]
    counts = [0, *(count for _, count in buckets)]
    labels = {name: value for name, value in samples[0].labels.items() if name != "le"}
    return {
        **times,
        "attributes": attributes({**further, **labels}),
        "count": str(counts[-1]),
        "sum": number(next(sample.value for sample in samples if sample.name.endswith("_sum"))),
        "bucketCounts": [str(upper - lower) for lower, upper in pairwise(counts)],
        "explicitBounds": [bound for bound, _ in buckets if math.isfinite(bound)],
    }


def number(value: float) -> float | str:
    """Give a number as the JSON of protobuf has it: what is not finite is a word."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _any_value(value: str | float | bool) -> dict[str, Any]:  # noqa: FBT001 - a value, no switch
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": number(value)} if isinstance(value, float) else {"stringValue": value}


def _lower(kind: str) -> str:
    return kind[0].lower() + kind[1:]
