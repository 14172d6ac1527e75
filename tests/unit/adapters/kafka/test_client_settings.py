from __future__ import annotations

from dataclasses import replace

import pytest
from confluent_kafka import Consumer, KafkaException

from doka.adapters.kafka.client_settings import ALLOWED_CLIENT_KEYS, connection_settings, consumer_settings
from doka.adapters.kafka.settings import GroupProtocol, KafkaSecurity, MemberSettings, SaslMechanism
from doka.domain.errors import UsageError
from tests.unit.adapters.kafka.scripted import ScriptedTokens

SETTINGS = MemberSettings(("b-1:9092", "b-2:9092"), "doka", frozenset({"orders"}))

DECIDED_BY_US = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "enable.partition.eof": True,
    "isolation.level": "read_committed",
    "check.crcs": True,
    "allow.auto.create.topics": False,
    "partition.assignment.strategy": "cooperative-sticky",
    "fetch.queue.backoff.ms": 1,
    "statistics.interval.ms": 0,
    "enable.metrics.push": False,
}
DANGEROUS = [
    "plugin.library.paths",
    "sasl.kerberos.kinit.cmd",
    "enable.ssl.certificate.verification",
    "ssl.certificate.verify_cb",
    "ssl.endpoint.identification.algorithm",
    "ssl.engine.location",
    "ssl.providers",
    "ssl.ca.location",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.token.endpoint.url",
    "sasl.oauthbearer.unsecure.jwt",
    "enable.sasl.oauthbearer.unsecure.jwt",
    "sasl.password",
    "sasl.mechanism",
    "sasl.mechanisms",
    "security.protocol",
    "bootstrap.servers",
    "metadata.broker.list",
    "group.id",
    "enable.auto.commit",
    "auto.commit.enable",
    "auto.commit.interval.ms",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "isolation.level",
    "check.crcs",
    "partition.assignment.strategy",
    "enable.partition.eof",
    "socket_cb",
    "connect_cb",
    "oauth_cb",
    "error_cb",
    "on_commit",
    "rebalance_cb",
    "interceptors",
    "test.mock.num.brokers",
    "default.topic.config",
]


@pytest.mark.parametrize(("key", "value"), DECIDED_BY_US.items())
def test_what_decides_about_loss_is_fixed(key: str, value: object) -> None:
    """Keys that decide about loss, order, trust and cost have our value."""
    assert value == consumer_settings(SETTINGS)[key]


@pytest.mark.parametrize("key", DANGEROUS)
def test_no_dangerous_key_is_passed_on(key: str) -> None:
    """Keys that run code, switch verification off, redirect a login or commit by themselves are never the operator's."""
    with pytest.raises(UsageError, match=key):
        consumer_settings(replace(SETTINGS, client={key: "x"}))


def test_a_misspelt_key_is_told_the_right_one() -> None:
    """An unknown key is refused in one line that names the nearest right one."""
    with pytest.raises(
        UsageError, match=r"fetch\.wait\.max\.sm may not be set here; did you mean fetch\.wait\.max\.ms"
    ):
        consumer_settings(replace(SETTINGS, client={"fetch.wait.max.sm": 1}))


def test_the_operators_keys_win_over_our_defaults() -> None:
    """An allowed key replaces what we would have chosen."""
    assert consumer_settings(replace(SETTINGS, client={"fetch.wait.max.ms": 7}))["fetch.wait.max.ms"] == 7


@pytest.mark.parametrize("key", sorted(ALLOWED_CLIENT_KEYS))
def test_librdkafka_knows_each_allowed_key(key: str) -> None:
    """An allowed key is a property of the client: it may refuse a value, never the name."""
    text = ""
    try:
        Consumer({"group.id": "g", "log_level": 0, key: "no such value"}).close()
    except (KafkaException, ValueError) as error:
        text = str(error)

    assert "No such configuration property" not in text


@pytest.mark.parametrize("held_mib", [1, 8, 64, 1024, 16_384])
def test_the_local_queue_fits_into_the_budget(held_mib: int) -> None:
    """Librdkafka's queue and one answer stay within 3/16 of what may be held, or within the smallest queue of 1 MiB."""
    keys = consumer_settings(replace(SETTINGS, held_bytes=held_mib * 1024 * 1024))

    assert (
        keys["queued.max.messages.kbytes"] * 1024 + keys["fetch.max.bytes"] <= max(1.5, held_mib * 3 / 16) * 1024 * 1024
    )
    assert keys["message.max.bytes"] <= keys["fetch.max.bytes"]


@pytest.mark.parametrize("held_mib", [1, 64, 16_384])
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_librdkafka_takes_all_keys(held_mib: int, protocol: GroupProtocol) -> None:
    """A real client is made of the keys, with either group protocol and any budget."""
    settings = replace(SETTINGS, held_bytes=held_mib * 1024 * 1024, group_protocol=protocol, group_instance_id="pod-0")

    Consumer({**consumer_settings(settings), "log_level": 0}).close()


def test_the_newer_group_protocol_leaves_out_what_it_refuses() -> None:
    """With KIP-848 session, heartbeat and assignor are the broker's."""
    keys = consumer_settings(replace(SETTINGS, group_protocol="consumer"))

    assert not {"session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"} & keys.keys()


@pytest.mark.parametrize(("drain_seconds", "milliseconds"), [(25, 300_000), (120, 480_000)])
def test_the_poll_interval_leaves_room_for_a_drain(drain_seconds: float, milliseconds: int) -> None:
    """A revoke that drains must not look like a dead member."""
    keys = consumer_settings(replace(SETTINGS, drain_seconds=drain_seconds))

    assert milliseconds == keys["max.poll.interval.ms"]


def test_a_poll_interval_below_the_drain_is_refused() -> None:
    """The operator is told which two settings contradict each other."""
    with pytest.raises(UsageError, match=r"max\.poll\.interval\.ms is 45000, but a drain may take 25 s"):
        consumer_settings(replace(SETTINGS, client={"max.poll.interval.ms": 45_000}))


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_passwords_go_to_the_client(mechanism: SaslMechanism) -> None:
    """SASL with a password sets mechanism, user and password, and verifies the broker's name."""
    security = KafkaSecurity("sasl_ssl", mechanism, username="u", password="p")

    keys = consumer_settings(replace(SETTINGS, security=security))

    assert (mechanism, "u", "p") == (keys["sasl.mechanism"], keys["sasl.username"], keys["sasl.password"])
    assert keys["ssl.endpoint.identification.algorithm"] == "https"


def test_files_of_tls_go_to_the_client() -> None:
    """Authority, certificate and key are handed over as the operator named them."""
    security = KafkaSecurity("ssl", ca_file="ca.pem", certificate_file="c.pem", key_file="k.pem", key_password="p")

    keys = consumer_settings(replace(SETTINGS, security=security))

    expected = {
        "ssl.ca.location": "ca.pem",
        "ssl.certificate.location": "c.pem",
        "ssl.key.location": "k.pem",
        "ssl.key.password": "p",
    }
    assert expected == {key: keys[key] for key in expected}


def test_iam_logs_in_by_tokens() -> None:
    """MSK with IAM is OAUTHBEARER with our source of tokens."""
    tokens = ScriptedTokens()
    keys = consumer_settings(replace(SETTINGS, security=KafkaSecurity("sasl_ssl", "aws_msk_iam")), tokens)

    assert ("OAUTHBEARER", tokens) == (keys["sasl.mechanism"], keys["oauth_cb"])


@pytest.mark.parametrize(
    ("security", "text"),
    [
        (KafkaSecurity("sasl_ssl"), "needs a mechanism"),
        (KafkaSecurity("sasl_ssl", "PLAIN", username="u"), "needs username and password"),
        (KafkaSecurity("sasl_plaintext", "aws_msk_iam"), "needs protocol sasl_ssl"),
        (KafkaSecurity("sasl_ssl", "aws_msk_iam"), r"set aws\.region"),
        (KafkaSecurity("ssl", "PLAIN", username="u", password="p"), "needs protocol sasl_ssl, not ssl"),
    ],
)
def test_half_a_login_is_refused(security: KafkaSecurity, text: str) -> None:
    """A security section that cannot work is told at once, with what is missing."""
    with pytest.raises(UsageError, match=text):
        consumer_settings(replace(SETTINGS, security=security))


def test_the_rack_reaches_the_member_and_no_other_client() -> None:
    """Questions and dead letters go to leaders whatever is set."""
    member = MemberSettings(("b-1:9098",), "doka", frozenset({"orders"}), rack="euw1-az1")

    assert "euw1-az1" == consumer_settings(member)["client.rack"]
    assert "client.rack" not in connection_settings(member)
    assert "client.rack" not in consumer_settings(replace(member, rack=None))
