from __future__ import annotations

import json

import pytest

from doka.app.settings.show import as_data, in_one_line
from tests.unit.app.settings.given import settings, told

COLLECTOR = "http://otel-collector:4318"


def test_nothing_is_sent_unless_it_is_asked_for() -> None:
    """Without an endpoint there is nobody to send to."""
    otlp = settings().otlp
    assert (None, None) == (otlp.url_of("metrics"), otlp.url_of("traces"))


@pytest.mark.parametrize(
    ("given", "metrics", "traces"),
    [
        ({"endpoint": COLLECTOR}, f"{COLLECTOR}/v1/metrics", None),
        ({"endpoint": f"{COLLECTOR}/tenant/"}, f"{COLLECTOR}/tenant/v1/metrics", None),
        (
            {"endpoint": COLLECTOR, "traces": {"enabled": True}},
            f"{COLLECTOR}/v1/metrics",
            f"{COLLECTOR}/v1/traces",
        ),
        ({"metrics": {"endpoint": f"{COLLECTOR}/in"}}, f"{COLLECTOR}/in", None),
        (
            {
                "endpoint": COLLECTOR,
                "metrics": {"enabled": False},
                "traces": {"enabled": True, "endpoint": "http://t/"},
            },
            None,
            "http://t/",
        ),
        ({"enabled": False, "endpoint": COLLECTOR, "traces": {"enabled": True}}, None, None),
    ],
)
def test_where_each_signal_goes(given: dict[str, object], metrics: str | None, traces: str | None) -> None:
    """Below the endpoint of all, or to its own, as it is."""
    otlp = settings({("otlp",): given}).otlp
    assert (metrics, traces) == (otlp.url_of("metrics"), otlp.url_of("traces"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("collector:4318", "must be a URL like http://otel-collector:4318"),
        ("ftp://collector", "must be a URL like http://otel-collector:4318"),
        ("http://[::1", "must be a URL like http://otel-collector:4318"),
        ("http://a b", "must be a URL like http://otel-collector:4318"),
        (
            "https://me:hunter2@collector",
            "must not hold a user name or password; put them into a header, by otlp.headers_file",
        ),
        (
            "https://collector?api-key=hunter2",
            "must end with the path; what a collector wants besides goes into a header, by otlp.headers_file",
        ),
    ],
)
def test_an_endpoint_that_is_none_is_refused(url: str, expected: str) -> None:
    """With the cure, and without repeating what stands there."""
    assert [f"otlp.endpoint {expected}"] == told({("otlp",): {"endpoint": url}})


def test_a_header_cannot_bring_another() -> None:
    """A line break in a value would."""
    (line,) = told({("otlp",): {"headers": {"X-Key": "a\r\nX-Other: hunter2"}}})
    assert "otlp.headers.X-Key must be printable ASCII on one line, without space at its ends" == line
    (line,) = told({("otlp",): {"headers": {"X Key": "a"}}})
    assert "is not the name of an HTTP header" in line


def test_headers_are_secrets() -> None:
    """`doka config show` and the log show stars."""
    given = settings({("otlp",): {"endpoint": COLLECTOR, "headers": {"Authorization": "Bearer hunter2"}}})
    assert {"Authorization": "**********"} == as_data(given)["otlp"]["headers"]
    for text in (json.dumps(as_data(given)), in_one_line(given), repr(given)):
        assert "hunter2" not in text
