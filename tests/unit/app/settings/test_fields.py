from __future__ import annotations

from typing import Any

import pytest

from doka.app.settings.problems import SettingPath
from doka.app.settings.show import schema
from tests.unit.app.settings.given import STREAM, settings, told


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({("aws", "region"): "Ireland"}, "aws.region is not the name of an AWS region; write it like eu-west-1"),
        (
            {("kafka", "bootstrap_servers"): ["SSL://b-1.example:9098"]},
            (
                "kafka.bootstrap_servers[0] must be HOST:PORT without a scheme, like b-1.example:9098 "
                "(MSK: 9098 IAM, 9096 SCRAM, 9094 TLS, 9092 plaintext)"
            ),
        ),
        (
            {("routes", 0, "topics"): ["^orders.*"]},
            (
                "routes[0].topics[0] is not the name of a Kafka topic: 1 to 249 letters, digits, dots, dashes or "
                "underscores; a * in it makes a pattern"
            ),
        ),
        (
            {("routes", 0, "stream", "name"): "{topic}"},
            (
                "routes[0].stream.name is no template: give each stream a route of its own with its topics, since roles and "
                "IAM go by the ARN of a stream"
            ),
        ),
        (
            {("routes", 0, "stream", "name"): STREAM},
            (
                "routes[0].stream.name is not the name of a Kinesis stream: 1 to 128 letters, digits, dots, dashes or "
                "underscores; an ARN goes into arn"
            ),
        ),
        ({("routes", 0, "stream"): {"role": "analytics"}}, "routes[0].stream needs a name or an arn"),
        (
            {("kafka", "start_from"): "2026-08-01T00:00:00"},
            "kafka.start_from is a time without a zone; add one, like 2026-08-01T00:00:00Z",
        ),
        (
            {("kafka", "start_from"): "yesterday"},
            "kafka.start_from must be earliest, latest or a time like 2026-08-01T00:00:00Z",
        ),
        (
            {("routes", 0, "partition_key"): "field:order.id"},
            "routes[0].partition_key needs a JSON pointer, which starts with a slash, like field:/order/id",
        ),
        (
            {("routes", 0, "partition_key"): "header:"},
            "routes[0].partition_key needs the name of a header, like header:tenant",
        ),
        (
            {("routes", 0, "partition_key"): "constant:"},
            "routes[0].partition_key needs 1 to 256 characters after constant:",
        ),
        (
            {("routes", 0, "partition_key"): "key"},
            "routes[0].partition_key must be kafka_key, random, field:/json/pointer, header:NAME or constant:TEXT",
        ),
        (
            {("routes", 0, "aggregation"): {"lanes": 48}},
            "routes[0].aggregation.lanes must be a power of two, like 64",
        ),
        (
            {("kafka", "client"): {"fetch.min.bytes": [1]}},
            "kafka.client.fetch.min.bytes must be text, a number, or true or false",
        ),
        (
            {("roles", "analytics", "hops", 0, "external_id"): "a"},
            "roles.analytics.hops[0].external_id must be 2 to 1224 letters, digits or any of _ + = , . @ : / -",
        ),
        (
            {("roles", "analytics", "session_policy"): "{"},
            "roles.analytics.session_policy must be a policy document as JSON text with a Statement",
        ),
    ],
)
def test_a_value_that_cannot_be_is_told_in_one_line(changes: dict[SettingPath, Any], expected: str) -> None:
    """The line names the setting, what is wrong, and what to write."""
    assert told(changes) == [expected]


@pytest.mark.parametrize(
    ("path", "good"),
    [
        (("kafka", "bootstrap_servers"), ["localhost:9092", "[::1]:9092", "b-1.x.kafka.eu-west-1.amazonaws.com:9098"]),
        (("routes", 0, "topics"), ["a", "A.b_c-1", "x" * 249]),
    ],
)
def test_usual_names_are_taken(path: SettingPath, good: list[str]) -> None:
    """What brokers and topics are really called."""
    assert told({path: good}) == []


@pytest.mark.parametrize(
    "text", ["kafka_key", "field:/a/b~1c", "header:tenant", "constant:all of them", "constant:" + "x" * 256]
)
def test_every_kind_of_partition_key_is_taken(text: str) -> None:
    """As the contract lists them."""
    assert settings({("routes", 0, "partition_key"): text}).routes[0].partition_key == text


@pytest.mark.parametrize("text", ["earliest", "latest", "2026-08-01T00:00:00Z", "2026-08-01T02:00:00.5+02:00"])
def test_every_start_is_taken(text: str) -> None:
    """The ends of the log, or a time with its zone."""
    assert settings({("kafka", "start_from"): text}).kafka.start_from == text


def test_an_editor_sees_the_patterns() -> None:
    """A wrong name is underlined while it is typed."""
    topics = schema()["$defs"]["RouteSettings"]["properties"]["topics"]
    assert topics["items"] == {"type": "string", "pattern": r"^(?:(?!\.{1,2}$)[A-Za-z0-9._*-]{1,249})$"}
