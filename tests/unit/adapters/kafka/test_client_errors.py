from __future__ import annotations

import logging

import pytest
from confluent_kafka import KafkaError

from doka.adapters.kafka.client import SAY_AGAIN_NS
from doka.adapters.kafka.client_errors import REFUSED_AGAIN_NS, REFUSED_FOR_NS, ClientErrors


@pytest.mark.parametrize("code", [KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._MAX_POLL_EXCEEDED])
def test_what_heals_never_ends_the_source(code: int) -> None:
    """Lost connections and missed polls are no end, however long they last."""
    errors = ClientErrors()
    for now in range(0, 10 * REFUSED_FOR_NS, REFUSED_FOR_NS // 3):
        errors.note(KafkaError(code), now)

    assert errors.end(now) is None


@pytest.mark.parametrize("code", [KafkaError._AUTHENTICATION, KafkaError._SSL])
def test_a_refusal_ends_it_when_it_lasts(code: int) -> None:
    """A refused login, group or certificate is given a minute, counted from the first refusal."""
    errors = ClientErrors()
    for now in (0, REFUSED_FOR_NS // 2, REFUSED_FOR_NS - 1):
        errors.note(KafkaError(code, "because"), now)
        assert errors.end(now) is None
    errors.note(KafkaError(code, "because"), REFUSED_FOR_NS)

    assert "because, for a minute now; check kafka.security" in (errors.end(REFUSED_FOR_NS) or "")


def test_a_group_that_refuses_says_so_once() -> None:
    """The client tells a refused group a single time, so that refusal lasts until an assignment or a record comes."""
    errors = ClientErrors()
    errors.note(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED, "no right"), 0)

    assert errors.end(REFUSED_FOR_NS - 1) is None
    assert "may not read as its consumer group: no right" in (errors.end(REFUSED_FOR_NS) or "")
    errors.healthy()
    assert errors.end(10 * REFUSED_FOR_NS) is None


def test_two_refusals_far_apart_are_two() -> None:
    """A refusal that was mended is over, though no record came to prove it."""
    errors = ClientErrors()
    for now in range(0, 20 * REFUSED_FOR_NS, REFUSED_AGAIN_NS + 1):
        errors.note(KafkaError(KafkaError._AUTHENTICATION), now)

    assert errors.end(now) is None


def test_records_prove_that_a_refusal_is_over() -> None:
    """One broker that refuses while others deliver does not end the source."""
    errors = ClientErrors()
    for now in range(0, 3 * REFUSED_FOR_NS, REFUSED_FOR_NS // 3):
        errors.note(KafkaError(KafkaError._AUTHENTICATION), now)
        errors.healthy()

    assert errors.end(now) is None


def test_a_fatal_error_ends_it_at_once() -> None:
    """What the client itself calls fatal is the end."""
    errors = ClientErrors()
    errors.note(KafkaError(KafkaError.FENCED_INSTANCE_ID, "fenced", fatal=True), 0)
    errors.healthy()

    assert "the Kafka client cannot go on: fenced (FENCED_INSTANCE_ID)" == errors.end(0)


FENCED = (
    "Fatal error: Broker: Static consumer fenced by other consumer with same group.instance.id: Fatal consumer error: "
    "Broker: Static consumer fenced by other consumer with same group.instance.id"
)  # what librdkafka 2.12 says of a real broker's refusal


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        (FENCED, "another member has the same kafka.group_instance_id and took its place; give each member its own"),
        (
            (
                "Fatal error: Broker: The instance ID is still used by another member in the consumer group: "
                "ConsumerGroupHeartbeat fatal error: Broker: The instance ID is still used by another member in the "
                "consumer group"
            ),
            (
                "another member has the same kafka.group_instance_id; give each member its own, or wait until the group "
                "has given up one that was killed (45 s)"
            ),
        ),
        (
            (
                "Fatal error: Broker: API version not supported: ConsumerGroupHeartbeat fatal error: "
                "Broker: API version not supported"
            ),
            "the cluster does not offer this group protocol; set kafka.group_protocol: classic",
        ),
    ],
)
def test_a_fatal_error_in_band_ends_it_with_the_cure(text: str, cure: str) -> None:
    """Among the records it comes as `_FATAL` whose `fatal()` is False; the words name the setting to mend."""
    errors, error = ClientErrors(), KafkaError(KafkaError._FATAL, text)
    assert not error.fatal()
    errors.note(error, 0)

    assert f"the Kafka client cannot go on: {text.removeprefix('Fatal error: ')} (_FATAL); {cure}" == errors.end(0)


def test_the_first_fatal_error_that_names_a_cause_is_kept() -> None:
    """A commit is answered with a bare `Local: Fatal error`, before or after the client says which."""
    errors = ClientErrors()
    errors.note(KafkaError(KafkaError._FATAL, "Local: Fatal error"), 0)
    assert "the Kafka client cannot go on: Local: Fatal error (_FATAL)" == errors.end(0)
    errors.note(KafkaError(KafkaError._FATAL, FENCED), 0)
    told = errors.end(0)
    errors.note(KafkaError(KafkaError._FATAL, "Local: Fatal error"), 0)

    assert told == errors.end(0)
    assert "took its place" in (told or "")


def test_a_broker_that_is_away_is_said_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """Whichever of its connections fails and however it is worded; another broker has its own line."""
    errors = ClientErrors()
    words = [
        "GroupCoordinator: b1.example:9092: Connect to ipv4#10.0.0.1:9092 failed: Connection refused (after 0ms)",
        "b1.example:9092/bootstrap: Connect to ipv4#10.0.0.1:9092 failed: Connection refused (after 1ms)",
        "b1.example:9092/1: Disconnected (after 30001ms in state UP)",
    ]
    with caplog.at_level(logging.WARNING, "doka.kafka"):
        for now, text in enumerate(words):
            errors.note(KafkaError(KafkaError._TRANSPORT, text), now)
            errors.note(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"), now)
        errors.note(KafkaError(KafkaError._RESOLVE, "b2.example:9092/2: Failed to resolve"), 3)
        errors.note(KafkaError(KafkaError._TRANSPORT, words[1]), SAY_AGAIN_NS)

    assert [0, None, 1] == [next((i for i, w in enumerate(words) if w in said), None) for said in caplog.messages]


def test_the_same_error_is_said_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """A broker that is away for an hour makes sixty lines, not one for each attempt."""
    errors = ClientErrors()
    with caplog.at_level(logging.WARNING, "doka.kafka"):
        for now in (0, 1, SAY_AGAIN_NS - 1, SAY_AGAIN_NS):
            errors.note(KafkaError(KafkaError._TRANSPORT, "down"), now)
        errors.note(KafkaError(KafkaError._TRANSPORT, "down"), 2, "orders")

    assert ["down (_TRANSPORT)", "down (_TRANSPORT)", "orders: down (_TRANSPORT)"] == caplog.messages


def test_a_refused_login_ends_with_the_cure_that_is_known() -> None:
    """What knows it is asked about the refusal that came last."""
    errors = ClientErrors(lambda error: f"look at {error.str()}")
    for now in (0, REFUSED_FOR_NS // 2, REFUSED_FOR_NS):
        errors.note(KafkaError(KafkaError._AUTHENTICATION, f"refusal at {now}"), now)

    refusal = f"refusal at {REFUSED_FOR_NS}"
    assert f"Kafka refuses the login: {refusal}, for a minute now; look at {refusal}" == errors.end(REFUSED_FOR_NS)


def test_a_token_that_is_not_made_is_told_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The one before is good for a while; it is said once a minute, with the reason of its source."""
    errors = ClientErrors()
    with caplog.at_level(logging.WARNING, "doka.kafka"):
        for now in (0, REFUSED_FOR_NS // 2, REFUSED_FOR_NS):
            errors.no_token("no answer", now)

    assert ["no new token for Kafka: no answer; the one before is used as long as it lasts"] * 2 == caplog.messages
    assert errors.end(10 * REFUSED_FOR_NS) is None


def test_a_session_of_another_name_is_no_refused_login() -> None:
    """It ends a connection, and the next is let in; on an idle topic nothing else would prove that."""
    errors = ClientErrors()
    for now in (0, REFUSED_FOR_NS // 2, REFUSED_FOR_NS):
        words = "SASL authentication error: Cannot change principals during re-authentication from IAM.A: IAM.B"
        errors.note(KafkaError(KafkaError._AUTHENTICATION, words), now)

    assert errors.end(REFUSED_FOR_NS) is None
