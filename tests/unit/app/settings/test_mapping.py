from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.aws.sts.settings import Hop, RoleChain
from doka.adapters.compression.gzip import GZIP
from doka.adapters.compression.zstd import ZSTD
from doka.adapters.kafka.settings import KafkaSecurity
from doka.app.settings import SettingsError
from doka.app.settings.mapping import (
    to_log_style,
    to_member_settings,
    to_oauth,
    to_reader_rules,
    to_role_chains,
    to_rules,
    to_stream_targets,
)
from doka.app.settings.problems import SettingPath
from doka.domain.compression import Compression
from doka.domain.limits import NS_PER_SECOND
from doka.domain.partitions.start_positions import LogEdge
from doka.domain.rules import (
    AggregationRules,
    KeyEncoding,
    LimitRules,
    NullKey,
    NullValue,
    OnGap,
    OnPoison,
    OnUnreadable,
    Ordering,
    RoleRules,
    RotationPolicy,
    RouteRules,
    Rules,
)
from tests.manual_clock import ManualClock
from tests.unit.app.settings.given import STREAM, WRITER, Absent, settings

AMBIENT: dict[SettingPath, Any] = {("roles",): Absent, ("routes", 0, "stream", "role"): Absent}
SECURITY: SettingPath = ("kafka", "security")


def test_the_default_rules_are_those_of_the_domain() -> None:
    """The domain's defaults and the operator's are the same numbers."""
    assert to_rules(settings()) == Rules(
        routes=(RouteRules("orders", frozenset({"orders"}), "analytics"),),
        roles=(RoleRules("analytics"),),
        limits=LimitRules(),
        on_gap=OnGap.BLOCK,
    )


def test_a_role_of_audits_is_not_the_services() -> None:
    """The service asks for no lease that it does not use; audits take theirs, or the route's, or the ambient ones."""
    reader = {"hops": [{"role_arn": WRITER}], "rotation": {"margin_seconds": 60}}
    given = settings({("roles", "reader"): reader, ("audit", "role"): "reader"})
    assert ["analytics"] == [role.name for role in to_rules(given).roles]
    assert RoleRules("reader", margin=60 * NS_PER_SECOND) == to_reader_rules(given, given.routes[0])
    for other, name in ((settings(), "analytics"), (settings(AMBIENT), "ambient")):
        assert name == to_reader_rules(other, other.routes[0]).name


def test_every_setting_reaches_the_rules() -> None:
    """Nothing an operator writes is left behind on the way."""
    given = settings(
        {
            ("kafka", "on_gap"): "continue",
            ("kafka", "on_unreadable"): "continue",
            ("roles", "analytics", "rotation"): {
                "policy": "interval",
                "margin_seconds": 1.5,
                "interval_minutes": 0.5,
            },
            ("routes", 0): {
                "name": "sales",
                "topics": ["orders", "returns"],
                "stream": {"name": "orders", "role": "analytics"},
                "partition_key": "header:tenant",
                "null_key": "reject",
                "null_value": "reject",
                "key_encoding": "hex",
                "ordering": "none",
                "envelope": "json",
                "append": "newline",
                "on_poison": "drop",
                "aggregation": {"enabled": True, "target_bytes": 25_600, "linger_ms": 20, "lanes": 128},
            },
            ("limits",): {
                "held_mib": 8,
                "ahead_records": 7,
                "requests_in_flight": 6,
                "request_timeout_seconds": 0.5,
                "request_records": 4,
                "linger_ms": 7,
                "request_mib": 5,
                "max_poison_per_minute": 2,
                "commit_seconds": 0.25,
                "drain_seconds": 3,
            },
        }
    )
    assert to_rules(given) == Rules(
        routes=(
            RouteRules(
                name="sales",
                topics=frozenset({"orders", "returns"}),
                role="analytics",
                partition_key="header:tenant",
                null_key=NullKey.REJECT,
                null_value=NullValue.REJECT,
                key_encoding=KeyEncoding.HEX,
                ordering=Ordering.NONE,
                envelope=True,
                newline=True,
                on_poison=OnPoison.DROP,
                aggregation=AggregationRules(25_600, 20 * NS_PER_SECOND // 1_000, 128),
            ),
        ),
        roles=(RoleRules("analytics", RotationPolicy.INTERVAL, 3 * NS_PER_SECOND // 2, 30 * NS_PER_SECOND),),
        limits=LimitRules(
            held_bytes=8 * 1024 * 1024 * 5 // 16,
            ahead_records=7,
            requests_in_flight=6,
            request_timeout=NS_PER_SECOND // 2,
            request_records=4,
            linger=7_000_000,
            request_bytes=576 * 1024,
            body_bytes=8 * 1024 * 1024 * 3 // 16,
            key_cache_bytes=8 * 1024 * 1024 // 16,
            poison_per_minute=2,
            commit_every=NS_PER_SECOND // 4,
            drain=3 * NS_PER_SECOND,
        ),
        on_gap=OnGap.CONTINUE,
        on_unreadable=OnUnreadable.CONTINUE,
    )


def test_a_route_without_a_role_leans_on_the_ambient_credentials() -> None:
    """They are a role like any other, with no hop."""
    given = settings(AMBIENT)
    assert to_rules(given).roles == (RoleRules("ambient"),)
    assert to_rules(given).routes[0].role == "ambient"
    assert to_role_chains(given, "pod-1") == {"ambient": RoleChain("ambient", region="eu-west-1")}


def test_a_role_chain_has_all_that_was_said_about_it() -> None:
    """STS is asked for exactly what the operator wrote, with the host's name filled in."""
    hub = "arn:aws:iam::111122223333:role/hub"
    given = settings(
        {
            ("roles", "analytics"): {
                "hops": [{"role_arn": hub, "duration_seconds": 7200}, {"role_arn": WRITER, "external_id": "ex-1"}],
                "session_name": "doka-{hostname}.prd",
                "source_identity": "team",
                "tags": {"Team": "data"},
                "session_policy": '{"Statement": []}',
            },
            ("aws", "endpoint_urls"): {"sts": "https://sts.eu-west-1.amazonaws.com"},
        }
    )
    assert to_role_chains(given, "pod-1") == {
        "analytics": RoleChain(
            name="analytics",
            region="eu-west-1",
            hops=(Hop(hub, None, 7200), Hop(WRITER, "ex-1", 3600)),
            session_name="doka-pod-1.prd",
            source_identity="team",
            tags=(("Team", "data"),),
            session_policy='{"Statement": []}',
            sts_endpoint_url="https://sts.eu-west-1.amazonaws.com",
        ),
        "ambient": RoleChain("ambient", region="eu-west-1", sts_endpoint_url="https://sts.eu-west-1.amazonaws.com"),
    }


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        ({"name": "orders"}, StreamTarget("orders", "orders", None, "eu-west-1")),
        ({"name": "orders", "region": "eu-central-1"}, StreamTarget("orders", "orders", None, "eu-central-1")),
        (
            {"arn": STREAM.replace("eu-west-1", "us-east-1")},
            StreamTarget("orders", "orders", STREAM.replace("eu-west-1", "us-east-1"), "us-east-1"),
        ),
    ],
)
def test_a_stream_is_where_its_settings_say(stream: dict[str, str], expected: StreamTarget) -> None:
    """Its own region goes first, then the ARN's, then that of the rest."""
    given = settings({("routes", 0, "stream"): {**stream, "role": "analytics"}})
    assert to_stream_targets(given) == {"orders": expected}


@pytest.mark.parametrize(("compress", "expected"), [("none", None), ("gzip", GZIP), ("zstd", ZSTD)])
def test_what_compresses_goes_by_its_name(compress: str, expected: Compression | None) -> None:
    """The domain is handed what does it."""
    (route,) = to_rules(settings({("routes", 0, "compress"): compress})).routes
    assert expected is route.compression


def test_the_kinesis_endpoint_reaches_every_stream() -> None:
    """A VPC endpoint, or a stand-in."""
    url = "https://vpce-1.kinesis.eu-west-1.vpce.amazonaws.com"
    assert to_stream_targets(settings({("aws", "endpoint_urls", "kinesis"): url}))["orders"].endpoint_url == url


def test_the_group_member_is_told_everything() -> None:
    """Where, as whom, what, and within which bounds."""
    given = settings(
        {
            ("kafka", "start_from"): "2026-08-01T02:00:00+02:00",
            ("kafka", "group_protocol"): "consumer",
            ("kafka", "group_instance_id"): "doka-0",
            ("kafka", "client"): {"fetch.min.bytes": "10", "client.rack": "a", "log.connection.close": True},
            ("routes", 1): {
                "topics": ["clicks"],
                "stream": {"name": "clicks", "role": "analytics"},
                "envelope": "json",
            },
            ("limits",): {"held_mib": 8, "drain_seconds": 20},
        }
    )
    member = to_member_settings(given, hostname="pod-1")
    assert (member.bootstrap_servers, member.group_id) == (("b-1.example:9098",), "doka")
    assert (member.topics, member.topics_with_originals) == (frozenset({"orders", "clicks"}), frozenset({"clicks"}))
    assert member.start_from == 1_785_542_400_000  # 2026-08-01T00:00:00Z
    assert (member.group_protocol, member.group_instance_id, member.client_id) == ("consumer", "doka-0", "doka-pod-1")
    assert (member.region, member.held_bytes, member.drain_seconds) == ("eu-west-1", 8 * 1024 * 1024, 20)
    assert member.client == {"fetch.min.bytes": 10, "client.rack": "a", "log.connection.close": True}
    assert member.security == KafkaSecurity(protocol="sasl_ssl", mechanism="aws_msk_iam")


@pytest.mark.parametrize("text", ["earliest", "latest"])
def test_the_ends_of_the_log_go_by_their_names(text: str) -> None:
    """Only a time becomes a number."""
    assert LogEdge(text) is to_member_settings(settings({("kafka", "start_from"): text}), hostname="h").start_from


def test_secrets_come_from_their_files(tmp_path: Path) -> None:
    """Without the line break that editors put at the end."""
    files = {name: tmp_path / name for name in ("password", "key_password", "ca", "certificate", "key")}
    for name, file in files.items():
        file.write_text(f"the {name}\r\n")
    given = settings(
        {
            SECURITY: {
                "mechanism": "scram_sha_512",
                "username": "me",
                "password_file": str(files["password"]),
                "key_password_file": str(files["key_password"]),
                "ca_file": str(files["ca"]),
                "certificate_file": str(files["certificate"]),
                "key_file": str(files["key"]),
            }
        }
    )
    assert to_member_settings(given, hostname="h").security == KafkaSecurity(
        protocol="sasl_ssl",
        mechanism="SCRAM-SHA-512",
        username="me",
        password="the password",
        ca_file=str(files["ca"]),
        certificate_file=str(files["certificate"]),
        key_file=str(files["key"]),
        key_password="the key_password",
    )


@pytest.mark.parametrize("content", ["", "\n", "two\nlines\n", None])
def test_a_secret_file_without_one_secret_is_told(tmp_path: Path, content: str | None) -> None:
    """Missing, empty, or something else than a password: the setting is named, the content is not."""
    file = tmp_path / "password"
    if content is not None:
        file.write_text(content)
    given = settings({SECURITY: {"mechanism": "plain", "username": "me", "password_file": str(file)}})
    with pytest.raises(SettingsError) as refused:
        to_member_settings(given, hostname="h")
    assert str(refused.value) == (
        "kafka.security.password_file names a file that cannot be read; check the path and its permissions"
        if content is None
        else "kafka.security.password_file must name a file with the secret on its only line"
    )


def test_a_missing_certificate_is_told(tmp_path: Path) -> None:
    """Before the client library says so in its own way."""
    given = settings({SECURITY: {"protocol": "ssl", "ca_file": str(tmp_path / "none.pem")}})
    with pytest.raises(SettingsError) as refused:
        to_member_settings(given, hostname="h")
    assert str(refused.value) == (
        "kafka.security.ca_file names a file that cannot be read; check the path and its permissions"
    )


@pytest.mark.parametrize(
    ("log", "terminal", "style"),
    [
        ({}, False, "json"),
        ({}, True, "colour"),
        ({"format": "json"}, True, "json"),
        ({"format": "text"}, True, "colour"),
        ({"format": "text"}, False, "console"),
    ],
)
def test_a_terminal_gets_text_unless_a_format_was_asked_for(log: dict[str, str], terminal: bool, style: str) -> None:  # noqa: FBT001 - a parameter of the table
    """Machines read JSON, people at a terminal read sentences, and who asks for one of them gets it."""
    assert to_log_style(settings({("log",): log}), terminal=terminal) == style


def test_tokens_are_made_only_where_they_log_in() -> None:
    """MSK with IAM takes tokens; nothing else does."""
    assert to_oauth(settings(), ManualClock()) is not None
    assert to_oauth(settings({SECURITY: {"protocol": "ssl"}}), ManualClock()) is None


def test_poison_goes_to_the_dead_letters_where_there_is_a_topic() -> None:
    """A topic for them is the wish that they be used; a route that says otherwise keeps its own way."""
    other = {"topics": ["clicks"], "stream": {"name": "clicks", "role": "analytics"}, "on_poison": "block"}
    given = settings({("dead_letters", "topic"): "letters", ("routes", 1): other})
    assert [route.on_poison for route in to_rules(given).routes] == [OnPoison.DEAD_LETTER, OnPoison.BLOCK]
    assert to_member_settings(given, hostname="pod-1").topics_with_originals == {"orders"}


def test_poison_blocks_where_there_is_no_topic_for_it() -> None:
    """Nothing is dropped, and nothing is sent anywhere, unless somebody asked for it."""
    nowhere: list[dict[SettingPath, Any]] = [{}, {("dead_letters",): None}, {("dead_letters", "topic"): None}]
    for changes in nowhere:
        assert [route.on_poison for route in to_rules(settings(changes)).routes] == [OnPoison.BLOCK]


@pytest.mark.parametrize(("rack", "expected"), [("eu-west-1a", "euw1-az1"), ("euw1-az1", "euw1-az1")])
def test_a_zone_becomes_what_the_brokers_call_its_rack(rack: str, expected: str) -> None:
    """A name of a zone is looked up, a rack stays as it is, and none is none."""
    named = settings({("kafka", "rack"): rack, ("kafka", "racks"): {"eu-west-1a": "euw1-az1"}})

    assert expected == to_member_settings(named, hostname="h").rack
    assert to_member_settings(settings(), hostname="h").rack is None
