"""The real producer against librdkafka's mock brokers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer
from confluent_kafka import TopicPartition as KafkaPartition

import doka.adapters.kafka.letters as letters_module
from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka.columns import AnyMessage
from doka.adapters.kafka.letters import KafkaLetters
from doka.adapters.kafka.settings import MemberSettings
from doka.adapters.kafka.source import KafkaSource
from doka.adapters.system.clock import SystemClock
from doka.domain.events import Event, LetterAcknowledged, LetterRefused
from doka.domain.records import TopicPartition
from doka.domain.routes.mapping import RecordMapping
from tests.dead_letters import Found, Original, letter, read_topic
from tests.integration.kafka.group import Listener, Member, numbered, produce, settings_for
from tests.integration.kafka.raw_headers import produce_raw_headers
from tests.unit.domain.builders import chunk, no_jitter, route_rules
from tests.waiting import eventually

PRODUCE, INIT_PRODUCER_ID = 0, 22  # keys of Kafka's requests
PARTITIONS = 4


@pytest.fixture
def letters(cluster: KafkaCluster) -> Iterator[KafkaLetters]:
    """Give letters to a topic of four partitions."""
    cluster.create_topic("letters", PARTITIONS)
    letters = KafkaLetters(settings_for(cluster.bootstrap_servers, "orders"), "letters", SystemClock())
    yield letters
    letters.close()


def answers_of(letters: KafkaLetters, count: int, within: float = 60) -> list[Event]:
    """Turn until so many answers came."""
    answers: list[Event] = []

    def enough() -> bool:
        answers.extend(letters.answers())
        return len(answers) >= count

    eventually(enough, within=within, what=f"{count} answers, not {answers}")
    return answers


def read_letters(cluster: KafkaCluster, count: int) -> list[Found]:
    """Read the letters back."""
    return read_topic(cluster.bootstrap_servers, "letters", count, partitions=PARTITIONS)


def messages_of(cluster: KafkaCluster, topic: str, count: int) -> list[AnyMessage]:
    """Read a topic as the source's own client does."""
    found: list[AnyMessage] = []
    reader: Consumer = Consumer({"bootstrap.servers": cluster.bootstrap_servers, "group.id": "r", "log_level": 0})
    reader.assign([KafkaPartition(topic, 0, 0)])

    def read() -> bool:
        found.extend(m for m in reader.consume(100, 0.1) if m.error() is None)
        return len(found) >= count

    try:
        eventually(read, what=f"{count} records in {topic}")
    finally:
        reader.close()
    return found


@pytest.mark.parametrize("key", [None, b"", b"key", b"\xff\x00\xfe"])
@pytest.mark.parametrize("value", [None, b"", b"value", b"\x00\xff"])
def test_a_letter_is_the_record(
    cluster: KafkaCluster, letters: KafkaLetters, key: bytes | None, value: bytes | None
) -> None:
    """A record as the client library read it stands in the letters byte for byte, null as null and empty as empty."""
    own = [("a", b"1"), ("a", None), ("b", b""), ("clé", b"\xff\x00")]
    producer = Producer({"bootstrap.servers": cluster.bootstrap_servers, "log_level": 0})
    producer.produce("orders", key=key, value=value, headers=list(own), timestamp=1_234_567, partition=0)
    assert producer.flush(20) == 0
    (original,) = messages_of(cluster, "orders", 1)

    letters.submit(letter(1, original))

    assert [LetterAcknowledged(1)] == answers_of(letters, 1)
    (found,) = read_letters(cluster, 1)
    assert (key, value, 1_234_567) == (found.key, found.value, found.timestamp_ms)
    assert own == list(found.headers)[: len(own)]
    assert {"doka-source-topic": "orders", "doka-source-partition": "3", "doka-source-offset": "41"}.items() <= (
        found.ours.items()
    )


def test_a_key_has_the_partition_that_java_gives_it(cluster: KafkaCluster, letters: KafkaLetters) -> None:
    """Letters stand where another producer of the same key would put them: murmur2, modulo the partitions."""
    keys = [b"21", b"foobar", b"a-little-bit-long-string", b"abc"]
    hashes = [-973932308, -790332482, -985981536, 479470107]  # the values of Kafka's own test of murmur2
    for number, key in enumerate(keys):
        letters.submit(letter(number, Original(own_key=key)))
    answers_of(letters, len(keys))
    expected = {key: (murmur & 0x7FFFFFFF) % PARTITIONS for key, murmur in zip(keys, hashes, strict=True)}
    assert expected == {found.key: found.partition for found in read_letters(cluster, len(keys))}


def test_the_letters_of_a_key_stand_in_their_order(cluster: KafkaCluster, letters: KafkaLetters) -> None:
    """A thousand letters under way at once, each a batch of its own, keep the order in which they were given."""
    for number in range(1000):
        letters.submit(letter(number, Original(own_key=b"k", own_value=b"%d" % number)))
    assert [LetterAcknowledged(number) for number in range(1000)] == answers_of(letters, 1000)
    assert [b"%d" % number for number in range(1000)] == [found.value for found in read_letters(cluster, 1000)]


def test_one_letter_that_is_too_large_is_refused_alone(cluster: KafkaCluster, letters: KafkaLetters) -> None:
    """The broker's refusal reaches the domain with Kafka's name, and touches no other letter."""
    letters.submit(letter(1))
    answers_of(letters, 1)
    cluster.push_errors(PRODUCE, [KafkaError.MSG_SIZE_TOO_LARGE])
    letters.submit(letter(2))
    assert [LetterRefused(2, "MSG_SIZE_TOO_LARGE")] == answers_of(letters, 1)
    letters.submit(letter(3))
    assert [LetterAcknowledged(3)] == answers_of(letters, 1)


def test_a_large_letter_is_not_judged_here(cluster: KafkaCluster, letters: KafkaLetters) -> None:
    """What is too large is the broker's to say: the client's own limit of a megabyte does not hold for letters."""
    value = bytes(3_000_000)
    letters.submit(letter(1, Original(own_value=value)))
    assert [LetterAcknowledged(1)] == answers_of(letters, 1)
    assert [len(value)] == [len(found.value or b"") for found in read_letters(cluster, 1)]


def test_a_lost_acknowledgement_stores_no_second_letter(cluster: KafkaCluster, letters: KafkaLetters) -> None:
    """What the client sends again after a broken connection or a slow replica is one letter all the same."""
    letters.submit(letter(0))
    answers_of(letters, 1)
    cluster.push_errors(PRODUCE, [KafkaError.REQUEST_TIMED_OUT, KafkaError._TRANSPORT])
    letters.submit(letter(1))
    assert [LetterAcknowledged(1)] == answers_of(letters, 1)
    assert 2 == len(read_letters(cluster, 2))


def test_a_topic_that_is_missing_is_told_and_then_found(cluster: KafkaCluster) -> None:
    """Nobody waits half a minute to hear of a misspelt name, and making the topic is cure enough."""
    letters = KafkaLetters(settings_for(cluster.bootstrap_servers, "orders"), "later", SystemClock())
    cluster.fail_topic("later", KafkaError.UNKNOWN_TOPIC_OR_PART)
    letters.submit(letter(1))
    (refused,) = answers_of(letters, 1)
    assert refused in {LetterRefused(1, "UNKNOWN_TOPIC_OR_PART"), LetterRefused(1, "_UNKNOWN_TOPIC")}

    cluster.fail_topic("later", 0)
    numbers = iter(range(2, 1000))

    def stored() -> bool:
        number = next(numbers)
        letters.submit(letter(number))
        return [LetterAcknowledged(number)] == answers_of(letters, 1)

    eventually(stored, within=30, every=0.2, what="a letter in the topic that was made")
    letters.close()


def test_a_right_that_is_missing_ends_no_service(
    cluster: KafkaCluster, letters: KafkaLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fatal error of the client is a refusal with its cause, and the next producer works when the right is there."""
    monkeypatch.setattr(letters_module, "OPEN_AGAIN_NS", 0)
    cluster.push_errors(INIT_PRODUCER_ID, [KafkaError.CLUSTER_AUTHORIZATION_FAILED])
    letters.submit(letter(1))
    letters.submit(letter(2))
    code = "CLUSTER_AUTHORIZATION_FAILED"
    assert {LetterRefused(1, code), LetterRefused(2, code)} == set(answers_of(letters, 2))
    letters.submit(letter(3))
    assert [LetterAcknowledged(3)] == answers_of(letters, 1)


def test_a_sequence_that_the_broker_lost_ends_no_service(
    cluster: KafkaCluster, letters: KafkaLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the idempotent client cannot recover from, a new one can."""
    monkeypatch.setattr(letters_module, "OPEN_AGAIN_NS", 0)
    letters.submit(letter(1))
    answers_of(letters, 1)
    cluster.push_errors(PRODUCE, [KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER])
    letters.submit(letter(2))
    assert [LetterRefused(2, "OUT_OF_ORDER_SEQUENCE_NUMBER")] == answers_of(letters, 1)
    letters.submit(letter(3))
    assert [LetterAcknowledged(3)] == answers_of(letters, 1)


def test_closing_waits_for_no_broker(cluster: KafkaCluster, letters: KafkaLetters) -> None:
    """With letters in flight to brokers that do not answer, close returns at once."""
    clock = SystemClock()
    letters.submit(letter(0))
    answers_of(letters, 1)
    cluster.set_rtt(30_000)
    for number in range(1, 101):
        letters.submit(letter(number))
    assert [] == list(letters.answers())
    before = clock.now()
    letters.close()
    assert clock.now() - before < 1_000_000_000
    cluster.set_rtt(0)


def test_answers_may_be_asked_for_inside_a_rebalance_callback(cluster: KafkaCluster, letters: KafkaLetters) -> None:
    """The drain of a revoke waits for letters there; the two clients do not stand in each other's way."""
    answers: list[Event] = []

    def drain() -> None:
        letters.submit(letter(2))
        answers.extend(answers_of(letters, 1))

    letters.submit(letter(1))
    answers_of(letters, 1)
    produce(cluster, "orders", {0: numbered(5)})
    source = KafkaSource(settings_for(cluster.bootstrap_servers, "orders"), SystemClock())
    listener = Listener(on_revoked=drain)
    source.open(listener)
    member = Member(source, listener)
    member.until(lambda: member.records() == 5, what="the records")
    source.close()
    assert [LetterAcknowledged(2)] == answers


@pytest.mark.parametrize("asked_before", [False, True], ids=["first asked by the letter", "asked before"])
def test_a_header_whose_name_is_not_text_blocks_nothing(
    cluster: KafkaCluster, letters: KafkaLetters, *, asked_before: bool
) -> None:
    """The client library loses such names: a fixed one stands in their place, with the value, each time it is tried."""
    own = [(b"a", b"1"), (b"\xff\xfe", b"2"), (b"\xfd", b"3"), (b"b", b"4")]
    produce_raw_headers(cluster.bootstrap_servers, own)
    (original,) = messages_of(cluster, "orders", 1)
    if asked_before:
        with pytest.raises(SystemError):
            original.headers()
    for number in (1, 2):
        letters.submit(letter(number, original, source=TopicPartition("orders", 0), offset=0))
        assert [LetterAcknowledged(number)] == answers_of(letters, 1)
    unnamed = "doka-header-name-not-utf8"
    for found in read_letters(cluster, 2):
        assert [("a", b"1"), (unnamed, b"2"), (unnamed, b"3"), ("b", b"4")] == list(found.headers)[: len(own)]


def test_a_header_whose_name_is_not_text_is_seen_after_thousands_that_are(cluster: KafkaCluster) -> None:
    """The interpreter specialises a call that was made often, and then passes over the error that hides in an answer."""
    produce_raw_headers(cluster.bootstrap_servers, [(b"\xff", b"1")])
    originals: list[Any] = [Message(key=b"k", value=b"v", headers=[("a", b"1")]) for _ in range(2_000)]
    fetched = chunk(["k"] * 2_001, originals=originals + messages_of(cluster, "orders", 1))

    _, _, poison = RecordMapping(route_rules(envelope=True), no_jitter).map(fetched, 1024 * 1024)

    assert {2_000: "UnreadableHeaders"} == poison


def test_settings_for_reading_do_not_reach_the_producer(
    cluster: KafkaCluster, letters: KafkaLetters, caplog: pytest.LogCaptureFixture
) -> None:
    """The client warns of a key that is not its own; it has nothing to warn of."""
    settings = MemberSettings(
        (cluster.bootstrap_servers,),
        "doka",
        frozenset({"orders"}),
        client={"fetch.min.bytes": 10, "queued.min.messages": 10, "socket.nagle.disable": True},
    )
    other = KafkaLetters(settings, "letters", SystemClock())
    other.submit(letter(1))
    answers_of(other, 1)
    other.close()
    assert [] == [message for message in caplog.messages if "CONFWARN" in message]
