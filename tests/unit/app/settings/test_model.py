from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from doka.app.settings import Settings, SettingsError, settings_from
from doka.app.settings.problems import SettingPath
from tests.unit.app.settings.given import data, settings


def test_the_defaults_are_those_of_the_contract() -> None:
    """What a file does not say has the value that the published configuration shows."""
    given = settings()
    assert given.model_dump(
        exclude={"kafka": {"bootstrap_servers", "group_id"}, "aws": {"region"}, "routes": True}
    ) == {
        "kafka": {
            "start_from": "earliest",
            "discovery_seconds": 30,
            "rack": None,
            "racks": {},
            "on_gap": "block",
            "on_unreadable": "block",
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
        "audit": {"role": None},
        "limits": {
            "held_mib": 64,
            "ahead_records": 50_000,
            "requests_in_flight": 16,
            "request_timeout_seconds": 10.0,
            "request_records": 500,
            "linger_ms": 5,
            "request_mib": 10,
            "max_poison_per_minute": 100,
            "commit_seconds": 1.0,
            "drain_seconds": 25.0,
        },
        "http": {"host": "127.0.0.1", "port": 9400, "page": True, "hosts": (), "runbook": None},
        "log": {"level": "info", "format": "json"},
        "otlp": {
            "enabled": True,
            "endpoint": None,
            "headers": {},
            "headers_file": None,
            "interval_seconds": 60.0,
            "timeout_seconds": 10.0,
            "compression": "none",
            "ca_file": None,
            "certificate_file": None,
            "key_file": None,
            "resource": {},
            "metrics": {"enabled": True, "endpoint": None},
            "traces": {"enabled": False, "endpoint": None, "put_share": 0.001},
        },
    }
    assert given.routes[0].model_dump(exclude={"stream"}) == {
        "topics": ("orders",),
        "topics_max": 100,
        "name": "orders",
        "decode": {
            "registry": None,
            "framing": "confluent",
            "region": None,
            "username": None,
            "password": None,
            "password_file": None,
            "ca_file": None,
            "certificate_file": None,
            "key_file": None,
            "descriptor_file": None,
            "timeout_seconds": 5,
            "unions": "plain",
            "bytes": "base64",
            "decimals": "text",
            "timestamps": "iso",
        },
        "only": {"in": (), "pointer": None, "header": None},
        "transform": {"file": None, "function": None},
        "partition_key": "kafka_key",
        "null_key": "random",
        "null_value": "empty",
        "key_encoding": "utf8",
        "ordering": "key",
        "aggregation": {"enabled": False, "target_bytes": 51_200, "linger_ms": 100, "lanes": 64},
        "envelope": "none",
        "append": "none",
        "compress": "none",
        "on_poison": "block",
    }


def test_settings_cannot_be_changed() -> None:
    """What was checked stays as it was checked."""
    given = settings()
    with pytest.raises(ValidationError, match="frozen"):
        given.limits.held_mib = 1


def test_an_empty_section_means_its_defaults() -> None:
    """`limits:` with nothing below it, which YAML reads as null, is no error."""
    sections = ("limits", "http", "log", "dead_letters", "audit", "otlp")
    empty: dict[SettingPath, Any] = {(name,): None for name in sections}
    empty[("kafka", "client")] = None
    empty[("kafka", "security")] = None
    assert settings(empty) == settings()


def test_the_environment_of_the_process_never_enters_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what the loader gives counts, whatever the environment of the process holds."""
    monkeypatch.setenv("KAFKA", '{"group_id": "stray"}')
    monkeypatch.setenv("HTTP", '{"port": 1}')
    assert settings_from(data(), hostname="pod-1") == settings()


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
def test_a_secret_in_the_wrong_place_is_never_repeated(path: SettingPath) -> None:
    """Whatever setting a password was pasted into, no message shows it."""
    secret = "p4ss word/with:odd*signs and more than any of the names may hold" * 5
    with pytest.raises(SettingsError) as refused:
        settings_from(data({path: secret}), hostname="pod-1")
    assert "p4ss" not in str(refused.value)
    assert "p4ss" not in repr(refused.value.problems)
    assert refused.value.__cause__ is None


def test_the_settings_class_has_a_field_for_each_part_of_the_contract() -> None:
    """The names of the top are fixed."""
    assert list(Settings.model_fields) == [
        "kafka",
        "aws",
        "roles",
        "routes",
        "dead_letters",
        "audit",
        "limits",
        "http",
        "log",
        "otlp",
    ]
