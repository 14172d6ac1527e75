from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from app.settings import Settings, SettingsError, settings_from
from app.settings.problems import Path
from tests.unit.app.settings.given import STREAM, Absent, data, settings, told


def test_the_defaults_are_those_of_the_contract() -> None:
    """What a file does not say has the value that the published configuration shows."""
    given = settings()
    assert given.model_dump(
        exclude={"kafka": {"bootstrap_servers", "group_id"}, "aws": {"region"}, "routes": True}
    ) == {
        "kafka": {
            "start_from": "earliest",
            "on_gap": "block",
            "group_protocol": "classic",
            "group_instance_id": None,
            "security": {
                "protocol": "sasl_ssl",
                "mechanism": "aws_msk_iam",
                "allow_plaintext": False,
                **dict.fromkeys(
                    (
                        "ca_file",
                        "username",
                        "password",
                        "password_file",
                        "certificate_file",
                        "key_file",
                        "key_password",
                        "key_password_file",
                    )
                ),
            },
            "client": {},
        },
        "aws": {"endpoint_urls": {"kinesis": None, "sts": None}, "allow_insecure_endpoints": False},
        "roles": {
            "analytics": {
                "hops": (
                    {
                        "role_arn": "arn:aws:iam::210987654321:role/doka-writer",
                        "external_id": None,
                        "duration_seconds": 3600,
                    },
                ),
                "session_name": "doka-{hostname}",
                "source_identity": None,
                "tags": {},
                "session_policy": None,
                "rotation": {"policy": "before_expiry", "margin_seconds": 600.0, "interval_minutes": 30.0},
            }
        },
        "dead_letters": {"topic": None},
        "limits": {
            "held_mib": 64,
            "ahead_records": 50_000,
            "requests_in_flight": 16,
            "request_timeout_seconds": 10.0,
            "request_records": 500,
            "request_mib": 10,
            "commit_seconds": 1.0,
            "drain_seconds": 25.0,
        },
        "http": {"host": "127.0.0.1", "port": 9400},
        "log": {"level": "info", "format": "json"},
    }
    assert given.routes[0].model_dump(exclude={"stream"}) == {
        "topics": ("orders",),
        "name": "orders",
        "partition_key": "kafka_key",
        "null_key": "random",
        "null_value": "empty",
        "key_encoding": "utf8",
        "ordering": "key",
        "aggregation": {"enabled": False, "target_bytes": 51_200, "linger_ms": 100, "lanes": 64},
        "envelope": "none",
        "on_poison": "block",
    }


def test_settings_cannot_be_changed() -> None:
    """What was checked stays as it was checked."""
    given = settings()
    with pytest.raises(ValidationError, match="frozen"):
        given.limits.held_mib = 1


def test_a_route_is_called_like_its_stream_unless_it_has_a_name() -> None:
    """The name in metrics is the route's own, else the stream's, else the one in the ARN."""
    stream: Path = ("routes", 0, "stream")
    assert settings().routes[0].name == "orders"
    assert settings({("routes", 0, "name"): "sales"}).routes[0].name == "sales"
    assert settings({stream: {"arn": STREAM, "role": "analytics"}}).routes[0].name == "orders"


def test_an_empty_section_means_its_defaults() -> None:
    """`limits:` with nothing below it, which YAML reads as null, is no error."""
    empty: dict[Path, Any] = {(name,): None for name in ("limits", "http", "log", "dead_letters")}
    empty[("kafka", "client")] = None
    empty[("kafka", "security")] = None
    assert settings(empty) == settings()


def test_mechanism_is_only_filled_in_where_there_is_a_log_in() -> None:
    """TLS alone logs nobody in."""
    assert settings({("kafka", "security"): {"protocol": "ssl"}}).kafka.security.mechanism is None


def test_the_environment_of_the_process_never_enters_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what the loader gives counts, whatever pydantic-settings could find."""
    monkeypatch.setenv("KAFKA", '{"group_id": "stray"}')
    monkeypatch.setenv("HTTP", '{"port": 1}')
    assert settings_from(data(), hostname="pod-1") == settings()


def test_secrets_are_never_printed() -> None:
    """Neither repr nor str of settings holds a password."""
    given = settings(
        {("kafka", "security"): {"mechanism": "scram_sha_512", "username": "me", "password": "hunter2-secret"}}
    )
    assert "hunter2" not in repr(given)
    assert "hunter2" not in str(given)
    password = given.kafka.security.password
    assert password is not None
    assert password.get_secret_value() == "hunter2-secret"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({("kafka", "group_id"): Absent}, "kafka.group_id is missing; write it like `group_id: doka`"),
        ({("aws", "region"): Absent}, "aws.region is missing; write it like `region: eu-west-1`"),
        ({("kafka",): Absent}, "kafka is missing"),
        (
            {("routes",): Absent},
            "routes is missing; write it like `routes: [{topics: [orders], stream: {name: orders}}]`",
        ),
        (
            {("routes",): []},
            "routes needs at least one entry; write it like `routes: [{topics: [orders], stream: {name: orders}}]`",
        ),
        (
            {("routes", 0, "topics"): []},
            "routes[0].topics needs at least one entry; write it like `topics: [orders]`",
        ),
        ({("routes", 0, "topics"): "orders"}, "routes[0].topics must be a list; write it like `topics: [orders]`"),
        (
            {("kafka", "bootstrap_servers"): "b-1.example:9098"},
            'kafka.bootstrap_servers must be a list; write it like `bootstrap_servers: ["b-1.example:9098"]`',
        ),
        ({("kafka", "group_id"): 7}, "kafka.group_id must be text; put the number in quotes"),
        (
            {("kafka", "group_id"): True},
            "kafka.group_id must be text; YAML reads yes, no, on, off, true and false as switches, so put it in quotes",
        ),
        ({("kafka", "group_id"): None}, "kafka.group_id must be text; it is empty"),
        ({("kafka", "group_id"): ["a"]}, "kafka.group_id must be text; it is a list or a group"),
        ({("kafka", "group_id"): ""}, "kafka.group_id must not be empty"),
        ({("kafka", "group_id"): "g" * 250}, "kafka.group_id is too long; 249 characters are the most"),
        ({("limits", "held_mib"): "64"}, "limits.held_mib must be a whole number from 8 to 65536"),
        ({("limits", "held_mib"): True}, "limits.held_mib must be a whole number from 8 to 65536"),
        ({("limits", "held_mib"): 64.5}, "limits.held_mib must be a whole number from 8 to 65536"),
        ({("limits", "held_mib"): 7}, "limits.held_mib must be from 8 to 65536"),
        ({("limits", "request_records"): 501}, "limits.request_records must be from 1 to 500"),
        ({("limits", "request_mib"): 11}, "limits.request_mib must be from 1 to 10"),
        ({("limits", "commit_seconds"): "1"}, "limits.commit_seconds must be a number from 0.05 to 60"),
        ({("limits", "drain_seconds"): float("nan")}, "limits.drain_seconds must be a number from 1 to 3600"),
        (
            {("roles", "analytics", "rotation"): {"interval_minutes": 0}},
            "roles.analytics.rotation.interval_minutes must be above 0, up to 720",
        ),
        (
            {("roles", "analytics", "hops", 0, "duration_seconds"): 899},
            "roles.analytics.hops[0].duration_seconds must be from 900 to 43200",
        ),
        (
            {("roles", "analytics", "hops", 0, "duration_seconds"): 43_201},
            "roles.analytics.hops[0].duration_seconds must be from 900 to 43200",
        ),
        (
            {("routes", 0, "ordering"): "keys"},
            "routes[0].ordering must be key, key_in_request or none; did you mean key?",
        ),
        ({("routes", 0, "envelope"): None}, "routes[0].envelope must be none or json"),
        (
            {("kafka", "security", "mechanism"): "SCRAM-SHA-512"},
            (
                "kafka.security.mechanism must be aws_msk_iam, scram_sha_256, scram_sha_512 or plain; "
                "did you mean scram_sha_512?"
            ),
        ),
        (
            {("aws", "allow_insecure_endpoints"): "yes"},
            "aws.allow_insecure_endpoints must be true or false, without quotes",
        ),
        ({("http",): "x"}, "http must be a group of settings: lines of `name: value` below it, further to the right"),
        (
            {("roles", "analytics"): None},
            "roles.analytics must be a group of settings: lines of `name: value` below it, further to the right",
        ),
        (
            {("roles", "a b"): {"hops": [{"role_arn": "arn:aws:iam::210987654321:role/x"}]}},
            "roles.a b has a name that must be 1 to 128 letters, digits, dots, dashes or underscores",
        ),
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
            "routes[0].topics[0] is not the name of a Kafka topic: 1 to 249 letters, digits, dots, dashes or underscores",
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
def test_a_wrong_value_is_told_in_one_line(changes: dict[Path, Any], expected: str) -> None:
    """The line names the setting, what is wrong, and what to write."""
    assert told(changes) == [expected]


def test_several_problems_are_told_at_once() -> None:
    """Nobody should mend a file one error at a time."""
    lines = told({("kafka", "group_id"): 7, ("limits", "held_mib"): 7, ("aws", "region"): "x"})
    assert [line.split()[0] for line in lines] == ["kafka.group_id", "aws.region", "limits.held_mib"]


@pytest.mark.parametrize(
    "path",
    [
        ("kafka", "group_id"),
        ("kafka", "start_from"),
        ("kafka", "bootstrap_servers", 0),
        ("kafka", "security", "protocol"),
        ("kafka", "security", "allow_plaintext"),
        ("kafka", "client"),
        ("aws", "region"),
        ("aws", "endpoint_urls", "sts"),
        ("roles", "analytics", "hops", 0, "role_arn"),
        ("roles", "analytics", "hops", 0, "external_id"),
        ("roles", "analytics", "session_name"),
        ("roles", "analytics", "source_identity"),
        ("roles", "analytics", "session_policy"),
        ("roles", "analytics", "tags"),
        ("routes", 0, "topics", 0),
        ("routes", 0, "name"),
        ("routes", 0, "stream", "name"),
        ("routes", 0, "stream", "arn"),
        ("routes", 0, "partition_key"),
        ("routes", 0, "ordering"),
        ("limits", "held_mib"),
        ("http", "port"),
        ("log", "level"),
    ],
)
def test_a_secret_in_the_wrong_place_is_never_repeated(path: Path) -> None:
    """Whatever setting a password was pasted into, no message shows it."""
    secret = "p4ss word/with:odd*signs and more than any of the names may hold" * 5
    with pytest.raises(SettingsError) as refused:
        settings_from(data({path: secret}), hostname="pod-1")
    assert "p4ss" not in str(refused.value)
    assert "p4ss" not in repr(refused.value.problems)
    assert refused.value.__cause__ is None


def test_the_settings_class_has_a_field_for_each_part_of_the_contract() -> None:
    """The names of the top are fixed."""
    assert list(Settings.model_fields) == ["kafka", "aws", "roles", "routes", "dead_letters", "limits", "http", "log"]
