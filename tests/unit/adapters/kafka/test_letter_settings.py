from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Producer

from doka.adapters.kafka.client_settings import ALLOWED_CLIENT_KEYS
from doka.adapters.kafka.letter_settings import letter_settings
from doka.adapters.kafka.settings import KafkaSecurity, MemberSettings
from doka.domain.errors import UsageError
from tests.unit.adapters.kafka.scripted import ScriptedTokens

BROKERS = ("b-1.example:9098", "b-2.example:9098")


def settings(**changes: Any) -> MemberSettings:
    """Give settings of a group member."""
    return MemberSettings(bootstrap_servers=BROKERS, group_id="doka", topics=frozenset({"orders"}), **changes)


def test_a_letter_counts_only_when_all_in_sync_replicas_hold_it() -> None:
    """The keys on which an acknowledgement leans are these, whatever librdkafka's defaults become."""
    keys = letter_settings(settings())
    wanted = {"acks": "all", "enable.idempotence": True, "batch.num.messages": 1, "allow.auto.create.topics": False}
    assert wanted == {key: keys[key] for key in wanted}


def test_the_client_library_takes_the_keys() -> None:
    """A producer can be made of them: no key is misspelt, and no two contradict each other."""
    assert isinstance(Producer({**letter_settings(settings()), "log_level": 0}), Producer)


def test_it_logs_in_as_the_group_member_does() -> None:
    """Brokers, security and log-in are those of the consumer; only the client's name differs."""
    security = KafkaSecurity("sasl_ssl", "SCRAM-SHA-512", username="me", password="secret", ca_file="ca.pem")
    keys = letter_settings(settings(security=security, client_id="doka-pod-1"))
    wanted = {
        "bootstrap.servers": "b-1.example:9098,b-2.example:9098",
        "client.id": "doka-pod-1-letters",
        "security.protocol": "sasl_ssl",
        "ssl.ca.location": "ca.pem",
        "ssl.endpoint.identification.algorithm": "https",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "me",
        "sasl.password": "secret",
    }
    assert wanted == {key: keys[key] for key in wanted}


def test_msk_tokens_are_handed_on() -> None:
    """With aws_msk_iam the maker of tokens is the one that was given."""
    tokens = ScriptedTokens()
    keys = letter_settings(settings(security=KafkaSecurity("sasl_ssl", "aws_msk_iam")), tokens)
    assert (keys["sasl.mechanism"], keys["oauth_cb"]) == ("OAUTHBEARER", tokens)


def test_only_the_keys_of_any_client_are_taken_over() -> None:
    """What the operator set for reading does not reach the producer; what holds for connections does."""
    client = {
        "fetch.min.bytes": 10,
        "session.timeout.ms": 6_000,
        "message.max.bytes": 2_000,
        "socket.nagle.disable": True,
    }
    keys = letter_settings(settings(client=client))
    assert {"socket.nagle.disable": True, "message.max.bytes": 1_000_000_000} == {
        key: keys[key] for key in client if key in keys
    }


@pytest.mark.parametrize("key", sorted(ALLOWED_CLIENT_KEYS))
def test_no_key_of_the_operator_weakens_a_letter(key: str) -> None:
    """Whatever is allowed for the group member, a letter's own keys stay as they are."""
    own = letter_settings(settings())
    changed = letter_settings(settings(client={key: "1"}))
    mine = own.keys() - {"socket.keepalive.enable", "reconnect.backoff.max.ms", "log.connection.close"}
    mine -= {"enable.metrics.push"}  # these four are of the connection, and the operator's to change
    assert {k: own[k] for k in mine} == {k: changed[k] for k in mine}


def test_a_key_that_is_not_allowed_is_refused() -> None:
    """The allow-list holds for letters too."""
    with pytest.raises(UsageError, match=r"plugin\.library\.paths may not be set here"):
        letter_settings(settings(client={"plugin.library.paths": "x"}))
