"""The dead letters on a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from doka.adapters.kafka.letter_preflight import look_at_letters
from doka.adapters.kafka.letters import KafkaLetters
from doka.adapters.system.clock import SystemClock
from doka.domain.events import Event, LetterAcknowledged, LetterRefused
from tests.containers.kafka_broker import KafkaBroker
from tests.dead_letters import Original, letter, read_topic
from tests.integration.kafka.group import settings_for
from tests.waiting import eventually

OWN = (("trace", b"1"), ("trace", None), ("empty", b""), ("doka-attempts", b"9"))


class Letters:
    """Letters to one topic, and what was answered."""

    def __init__(self, broker: KafkaBroker, topic: str) -> None:
        self.topic = topic
        self.port = KafkaLetters(settings_for(broker.bootstrap_servers, "orders"), topic, SystemClock())
        self.answers: list[Event] = []

    def until(self, count: int, within: float = 60) -> list[Event]:
        """Turn until so many answers came."""

        def enough() -> bool:
            self.answers.extend(self.port.answers())
            return len(self.answers) >= count

        eventually(enough, within=within, what=f"{count} answers")
        return self.answers


@pytest.fixture
def letters(kafka_broker: KafkaBroker) -> Iterator[Letters]:
    """Give letters to a topic of three partitions on the shared broker."""
    letters = Letters(kafka_broker, kafka_broker.create_topic(3))
    yield letters
    letters.port.close()


def test_a_letter_is_readable_with_all_its_headers(kafka_broker: KafkaBroker, letters: Letters) -> None:
    """Whoever reads the topic finds the record as it was, then where it came from and why it is here."""
    letters.port.submit(letter(1, Original(b"key", b"value", OWN)))
    letters.port.submit(letter(2, Original(b"key", None, None, (0, -1)), offset=42, code="key_too_long", attempts=0))
    assert [LetterAcknowledged(1), LetterAcknowledged(2)] == letters.until(2)
    first, second = read_topic(kafka_broker.bootstrap_servers, letters.topic, 2, partitions=3)
    assert (b"key", b"value", 1_700_000_000_123) == (first.key, first.value, first.timestamp_ms)
    assert list(OWN) == list(first.headers)[: len(OWN)]
    assert "2" == first.ours["doka-attempts"]
    assert (b"key", None, -1) == (second.key, second.value, second.timestamp_ms)
    expected = {
        "doka-source-topic": "orders",
        "doka-source-partition": "3",
        "doka-source-offset": "42",
        "doka-error-code": "key_too_long",
        "doka-attempts": "0",
        "doka-route": "orders",
    }
    ours = second.ours
    failed_at = ours.pop("doka-failed-at")
    assert expected == ours
    assert failed_at.endswith("+00:00")


def test_a_letter_that_the_topic_cannot_take_is_refused_alone(kafka_broker: KafkaBroker) -> None:
    """The broker's limit is told by Kafka's name; the letters beside it are stored."""
    letters = Letters(kafka_broker, kafka_broker.create_topic(config={"max.message.bytes": "10000"}))
    incompressible = Random(1).randbytes(20_000)
    letters.port.submit(letter(1))
    letters.port.submit(letter(2, Original(own_value=incompressible)))
    letters.port.submit(letter(3))
    answers = letters.until(3)
    letters.port.close()
    assert {LetterAcknowledged(1), LetterRefused(2, "MSG_SIZE_TOO_LARGE"), LetterAcknowledged(3)} == set(answers)
    assert 2 == len(read_topic(kafka_broker.bootstrap_servers, letters.topic, 2))


def test_a_record_that_compresses_fits_as_it_did_in_its_own_topic(kafka_broker: KafkaBroker) -> None:
    """A record ten times the broker's limit goes in when its producer's compression had made it fit before."""
    letters = Letters(kafka_broker, kafka_broker.create_topic())
    value = b'{"field": "value"}' * 600_000
    letters.port.submit(letter(1, Original(own_value=value)))
    assert [LetterAcknowledged(1)] == letters.until(1)
    letters.port.close()
    (found,) = read_topic(kafka_broker.bootstrap_servers, letters.topic, 1)
    assert value == found.value


def test_a_topic_that_nobody_made_stays_unmade(kafka_broker: KafkaBroker) -> None:
    """A misspelt name is told within seconds, and no topic of that name appears."""
    letters = Letters(kafka_broker, "nobody-made-this")
    letters.port.submit(letter(1))
    (refused,) = letters.until(1)
    assert refused in {LetterRefused(1, "UNKNOWN_TOPIC_OR_PART"), LetterRefused(1, "_UNKNOWN_TOPIC")}
    kafka_broker.create_topic(name=letters.topic)
    numbers = iter(range(2, 1000))

    def stored() -> bool:
        number = next(numbers)
        letters.port.submit(letter(number))
        return LetterAcknowledged(number) in letters.until(len(letters.answers) + 1)

    eventually(stored, within=60, every=0.5, what="a letter in the topic that was made")
    letters.port.close()


def test_a_paused_broker_acknowledges_nothing_and_then_everything(own_kafka_broker: KafkaBroker) -> None:
    """While the broker is frozen no letter counts; when it goes on each is stored once and acknowledged.

    And closing waits for no frozen broker.
    """
    letters = Letters(own_kafka_broker, own_kafka_broker.create_topic())
    letters.port.submit(letter(0))
    letters.until(1)
    clock = SystemClock()
    own_kafka_broker.pause()
    try:
        for number in range(1, 11):
            letters.port.submit(letter(number, Original(own_value=b"%d" % number)))
        until = clock.now() + 3_000_000_000
        eventually(lambda: letters.until(1) and clock.now() > until, within=10, what="three seconds of silence")
        assert [LetterAcknowledged(0)] == letters.answers
    finally:
        own_kafka_broker.unpause()
    assert [LetterAcknowledged(number) for number in range(11)] == letters.until(11)
    found = read_topic(own_kafka_broker.bootstrap_servers, letters.topic, 11)
    assert [b"%d" % number for number in range(1, 11)] == [letter.value for letter in found[1:]]

    own_kafka_broker.pause()
    try:
        letters.port.submit(letter(11))
        letters.port.answers()
        before = clock.now()
        letters.port.close()
        assert clock.now() - before < 1_000_000_000
    finally:
        own_kafka_broker.unpause()


GOOD = {"retention.ms": "-1", "message.timestamp.type": "LogAppendTime", "min.insync.replicas": "2"}


@pytest.mark.parametrize(
    ("changes", "obstacles", "doubts"),
    [
        ({}, [], []),
        ({"retention.ms": "604800000"}, [], []),
        ({"message.timestamp.type": "CreateTime"}, [], []),
        (
            {"message.timestamp.type": "CreateTime", "retention.ms": "604800000"},
            [],
            ["deletes letters 7 days after the time of their records"],
        ),
        ({"min.insync.replicas": "1"}, [], ["lets one replica alone acknowledge"]),
        ({"cleanup.policy": "compact"}, ["is compacted"], []),
        ({"cleanup.policy": "compact,delete"}, ["is compacted"], []),
    ],
)
def test_a_topic_that_would_lose_letters_is_told(
    kafka_broker: KafkaBroker, changes: dict[str, str], obstacles: list[str], doubts: list[str]
) -> None:
    """The topic's own settings, as a real broker tells them, are judged before the first letter."""
    topic = kafka_broker.create_topic(2, config=GOOD | changes)
    found = look_at_letters(settings_for(kafka_broker.bootstrap_servers, "orders"), topic, SystemClock())
    assert 2 == found.partitions
    for expected, told in ((obstacles, found.obstacles), (doubts, found.doubts)):
        assert len(expected) == len(told)
        assert all(words in obstacle.told for words, obstacle in zip(expected, told, strict=True))
