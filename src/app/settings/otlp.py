"""The settings of what is sent to a collector by OTLP: where to, how often, and whether traces are."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from doka.app.settings.fields import Flag, Matching, Section, Text, check_http_url

HEADER_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}"  # a token, RFC 9110 5.6.2


def check_collector_url(text: str) -> str:
    """Take the URL of a collector.

    Raises:
        ValueError: it is not `scheme://host[:port][/path]`.
    """
    return check_http_url(
        text,
        example="http://otel-collector:4318",
        secrets="put them into a header, by otlp.headers_file",
        end="; what a collector wants besides goes into a header, by otlp.headers_file",
    )


def check_header_value(value: SecretStr) -> SecretStr:
    """Take the value of a header.

    Raises:
        ValueError: it holds what would end the header, or what no header may hold; the text does not repeat it.
    """
    text = value.get_secret_value()
    if re.fullmatch(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?", text) is None:
        raise ValueError("must be printable ASCII on one line, without space at its ends")
    return value


CollectorUrl = Annotated[str, AfterValidator(check_collector_url)]
HeaderName = Annotated[str, Matching(HEADER_NAME, "is not the name of an HTTP header")]
HeaderValue = Annotated[SecretStr, AfterValidator(check_header_value)]


class OtlpMetrics(Section):
    """The figures of /metrics, under the same names."""

    enabled: Flag = Field(default=True, description="Send them, where there is an endpoint.")
    endpoint: CollectorUrl | None = Field(
        default=None, description="URL for metrics, used as it is; by default /v1/metrics below otlp.endpoint."
    )


class OtlpTraces(Section):
    """Spans of lease renewals, rebalances, drains, stops, blocked routes, and of one put in many."""

    enabled: Flag = Field(default=False, description="Send them, where there is an endpoint.")
    endpoint: CollectorUrl | None = Field(
        default=None, description="URL for traces, used as it is; by default /v1/traces below otlp.endpoint."
    )
    put_share: Annotated[float, Field(strict=True, ge=0, le=1)] = Field(
        default=0.001, description="Share of the puts that have a span: 0 none, 0.001 one in a thousand, 1 all."
    )


class OtlpSettings(Section):
    """What is sent to an OpenTelemetry collector, by OTLP/HTTP as JSON. Without an endpoint nothing is."""

    enabled: Flag = Field(default=True, description="Send what is asked for below.")
    endpoint: CollectorUrl | None = Field(
        default=None,
        description="URL of the collector; /v1/metrics and /v1/traces are added to it.",
        examples=["http://otel-collector:4318"],
    )
    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=dict, description="Headers of each request, such as a token; better in headers_file."
    )
    headers_file: Text | None = Field(
        default=None, description="File that holds the headers, a line `Name: value` each."
    )
    interval_seconds: Annotated[float, Field(strict=True, ge=1, le=3_600)] = Field(
        default=60.0, description="How often metrics are sent."
    )
    timeout_seconds: Annotated[float, Field(strict=True, ge=0.1, le=120)] = Field(
        default=10.0, description="When a request without an answer is given up."
    )
    compression: Literal["none", "gzip"] = Field(default="none", description="How requests are compressed.")
    ca_file: Text | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's own."
    )
    certificate_file: Text | None = Field(default=None, description="PEM file of the client certificate (mutual TLS).")
    key_file: Text | None = Field(default=None, description="PEM file of the client certificate's private key.")
    resource: dict[Text, Text] = Field(
        default_factory=dict,
        description="Attributes of this service, over service.name (doka), service.version and service.instance.id "
        "(the host's name, and the number of the worker).",
        examples=[{"service.namespace": "orders"}],
    )
    metrics: OtlpMetrics = Field(default=OtlpMetrics(), description="The figures of /metrics.")
    traces: OtlpTraces = Field(default=OtlpTraces(), description="Spans of what is rare.")

    def url_of(self, signal: Literal["metrics", "traces"]) -> str | None:
        """Give where a signal is sent; None where it is not."""
        chosen = self.metrics if signal == "metrics" else self.traces
        if not self.enabled or not chosen.enabled:
            return None
        if chosen.endpoint is not None or self.endpoint is None:
            return chosen.endpoint
        return f"{self.endpoint.rstrip('/')}/v1/{signal}"
