from __future__ import annotations

import pytest

from tests.unit.app.settings.given import settings, told


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("fetch.min.byte", 1, "kafka.client.fetch.min.byte may not be set; did you mean fetch.min.bytes?"),
        ("max.poll.interval.ms", 49_999, None),
        ("max.poll.interval.ms", "soon", None),
    ],
)
def test_further_client_keys_come_from_the_allow_list(key: str, value: object, expected: str | None) -> None:
    """A key that runs code, skips verification or commits by itself is never passed on."""
    poll = (
        "kafka.client.max.poll.interval.ms must be a whole number of at least 50000 (twice limits.drain_seconds), "
        "since a drain holds up polling"
    )
    assert told({("kafka", "client"): {key: value}}) == [expected or poll]


@pytest.mark.parametrize(
    "key",
    ["plugin.library.paths", "enable.ssl.certificate.verification", "enable.auto.commit", "sasl.kerberos.kinit.cmd"],
)
def test_dangerous_client_keys_are_refused(key: str) -> None:
    """These would run code, trust anybody, or lose records."""
    (line,) = told({("kafka", "client"): {key: "true"}})
    assert line.startswith(f"kafka.client.{key} may not be set; ")


def test_keys_that_are_the_brokers_are_refused_with_its_protocol() -> None:
    """With them, librdkafka does not start under KIP-848."""
    assert told({("kafka", "group_protocol"): "consumer", ("kafka", "client"): {"session.timeout.ms": 6000}}) == [
        "kafka.client.session.timeout.ms is the broker's to decide with group_protocol: consumer; leave it out"
    ]
    assert settings({("kafka", "client"): {"session.timeout.ms": 6000}}).kafka.client == {"session.timeout.ms": 6000}
