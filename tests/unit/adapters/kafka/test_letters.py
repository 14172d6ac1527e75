from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

import doka.adapters.kafka.letters as letters_module
from doka.adapters.kafka.letter_settings import LETTERS_MAX
from doka.adapters.kafka.letters import LOG_IN_AGAIN_NS, OPEN_AGAIN_NS, KafkaLetters
from doka.adapters.kafka.settings import KafkaSecurity, MemberSettings
from doka.domain.errors import InvariantError, UsageError
from doka.domain.events import Event, LetterAcknowledged, LetterRefused
from doka.domain.limits import NS_PER_SECOND
from tests.dead_letters import Original, letter
from tests.manual_clock import ManualClock
from tests.unit.adapters.kafka.scripted import ScriptedTokens

MIB = 1024 * 1024
HELD = 64 * MIB
SECRET = b"a payload that nobody may see"
Report = Callable[[KafkaError | None, Any], None]


class ScriptedProducer:
    """The client library's producer, whose answers a test gives."""

    def __init__(self, keys: Mapping[str, Any]) -> None:
        self.keys = keys
        self.produced: list[tuple[str, Mapping[str, Any]]] = []
        self.reports: list[Report] = []
        self.due: list[Callable[[], None]] = []
        self.refusing: Exception | None = None
        self.purged = False

    def produce(self, topic: str, *, on_delivery: Report, **record: Any) -> None:
        if self.refusing is not None:
            raise self.refusing
        self.produced.append((topic, record))
        self.reports.append(on_delivery)

    def poll(self, timeout: float) -> int:
        assert timeout == 0
        while self.due:
            self.due.pop(0)()
        return 0

    def purge(self, *, blocking: bool) -> None:
        assert not blocking
        self.purged = True
        for report in self.reports:
            self.will(report, KafkaError._PURGE_QUEUE)
        self.reports.clear()

    def will(self, report: Report, code: int | None) -> None:
        """Report at the next poll."""
        error = None if code is None else KafkaError(code, "told by a test")
        self.due.append(lambda: report(error, None))

    def settle(self, code: int | None = None) -> None:
        """Report the oldest letter at the next poll."""
        self.will(self.reports.pop(0), code)

    def fail_for_good(self, code: int) -> None:
        """Raise a fatal error at the next poll, as the library does."""

        def fatal() -> None:
            raise KafkaException(KafkaError(code, "told by a test", fatal=True))

        self.due.append(fatal)


class Bench:
    """Letters on scripted producers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = ManualClock()
        self.producers: list[ScriptedProducer] = []
        self.opening: Exception | None = None
        monkeypatch.setattr(letters_module, "Producer", self._make)
        settings = MemberSettings(("b:9092",), "doka", frozenset({"orders"}), held_bytes=HELD)
        self.letters = KafkaLetters(settings, "letters", self.clock)

    def _make(self, keys: Mapping[str, Any]) -> ScriptedProducer:
        if self.opening is not None:
            raise self.opening
        self.producers.append(ScriptedProducer(keys))
        return self.producers[-1]

    @property
    def producer(self) -> ScriptedProducer:
        """Give the latest producer."""
        return self.producers[-1]

    def submit(self, *numbers: int, size: int = 10) -> None:
        """Start letters with values of so many bytes."""
        for number in numbers:
            self.letters.submit(letter(number, Original(own_value=b"x" * size)))

    def answers(self) -> list[Event]:
        """Take the answers."""
        return list(self.letters.answers())


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Give letters on scripted producers."""
    return Bench(monkeypatch)


def test_nothing_is_opened_before_the_first_letter(bench: Bench) -> None:
    """A service without poison has no second client."""
    assert [] == bench.answers()
    assert [] == bench.producers
    bench.submit(1)
    bench.submit(2)
    assert 1 == len(bench.producers)


def test_a_letter_carries_the_record_unchanged(bench: Bench) -> None:
    """Key, value and time go to the topic as they came; the partition is the client's choice."""
    bench.letters.submit(letter(1, Original(b"k", None, (("h", None),), (1, 123))))
    topic, record = bench.producer.produced[0]
    assert "letters" == topic
    assert (b"k", None, 123) == (record["key"], record["value"], record["timestamp"])
    assert ("h", None) == record["headers"][0]
    assert "partition" not in record


def test_only_a_report_without_error_is_an_acknowledgement(bench: Bench) -> None:
    """Each letter is answered once, when the client reports it: stored, or the name of the error."""
    bench.submit(1, 2, 3)
    assert [] == bench.answers()
    bench.producer.settle()
    bench.producer.settle(KafkaError.MSG_SIZE_TOO_LARGE)
    assert [LetterAcknowledged(1), LetterRefused(2, "MSG_SIZE_TOO_LARGE")] == bench.answers()
    bench.producer.settle(KafkaError._MSG_TIMED_OUT)
    assert [LetterRefused(3, "_MSG_TIMED_OUT")] == bench.answers()
    assert [] == bench.answers()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BufferError("full"), "_QUEUE_FULL"),
        (KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)), "TOPIC_AUTHORIZATION_FAILED"),
    ],
)
def test_what_the_client_refuses_at_once_is_an_answer(bench: Bench, error: Exception, code: str) -> None:
    """Nothing is raised for the broker, and the client stays in use."""
    bench.submit(1)
    bench.producer.refusing = error
    bench.submit(2)
    bench.producer.refusing = None
    bench.producer.settle()
    bench.submit(3)
    assert [LetterRefused(2, code), LetterAcknowledged(1)] == bench.answers()
    assert 1 == len(bench.producers)


def test_letters_under_way_are_bounded_in_number(bench: Bench) -> None:
    """What is above the bound waits in order until one of them was answered: that is no failure."""
    bench.submit(*range(LETTERS_MAX + 1))
    assert ([], LETTERS_MAX) == (bench.answers(), len(bench.producer.produced))
    bench.producer.settle()
    assert [LetterAcknowledged(0)] == bench.answers()
    bench.submit(LETTERS_MAX + 1)
    assert LETTERS_MAX + 1 == len(bench.producer.produced)
    bench.producer.settle(KafkaError._MSG_TIMED_OUT)
    assert [LetterRefused(1, "_MSG_TIMED_OUT")] == bench.answers()
    assert LETTERS_MAX + 2 == len(bench.producer.produced)


def test_letters_under_way_are_bounded_in_bytes(bench: Bench) -> None:
    """An eighth of the held bytes may be copied into letters; what comes above waits."""
    bench.submit(1, 2, size=HELD // 16)
    bench.submit(3)
    assert ([], 1) == (bench.answers(), len(bench.producer.produced))
    bench.producer.settle()
    assert [LetterAcknowledged(1)] == bench.answers()
    assert 2 == len(bench.producer.produced)
    bench.producer.settle()
    bench.answers()
    assert 3 == len(bench.producer.produced)


def test_a_letter_of_any_size_goes_alone(bench: Bench) -> None:
    """A record larger than the bound would else be refused for ever."""
    bench.submit(1, size=HELD)
    bench.submit(2)
    assert ([], 1) == (bench.answers(), len(bench.producer.produced))


def test_a_fatal_error_refuses_all_letters_with_its_cause(bench: Bench) -> None:
    """A producer that ended is given up; what it had acknowledged before stays acknowledged."""
    bench.submit(1, 2, 3)
    bench.producer.settle()
    bench.producer.fail_for_good(KafkaError.CLUSTER_AUTHORIZATION_FAILED)
    bench.producer.settle()
    code = "CLUSTER_AUTHORIZATION_FAILED"
    assert [LetterAcknowledged(1), LetterAcknowledged(2), LetterRefused(3, code)] == bench.answers()
    assert bench.producer.purged


def test_a_fatal_error_met_at_a_letter_is_named_by_its_cause(bench: Bench) -> None:
    """The client says only that it is dead; the next poll says why."""
    bench.submit(1)
    bench.producer.refusing = KafkaException(KafkaError(KafkaError._FATAL))
    bench.producer.fail_for_good(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER)
    bench.submit(2)
    code = "OUT_OF_ORDER_SEQUENCE_NUMBER"
    assert {LetterRefused(1, code), LetterRefused(2, code)} == set(bench.answers())


def test_a_new_producer_follows_a_dead_one_after_a_moment(bench: Bench) -> None:
    """Until then letters are refused with the cause; no producer is made for each of them."""
    bench.submit(1)
    bench.producer.fail_for_good(KafkaError.CLUSTER_AUTHORIZATION_FAILED)
    bench.answers()
    bench.submit(2)
    assert [LetterRefused(2, "CLUSTER_AUTHORIZATION_FAILED")] == bench.answers()
    bench.clock.pass_seconds(OPEN_AGAIN_NS / NS_PER_SECOND)
    bench.submit(3)
    bench.producer.settle()
    assert (2, [LetterAcknowledged(3)]) == (len(bench.producers), bench.answers())


def test_a_producer_that_cannot_be_made_is_tried_once_a_minute(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Each try may hold the loop for 10 s, so letters in between are refused without one."""
    bench.opening = KafkaException(KafkaError(KafkaError.SASL_AUTHENTICATION_FAILED, "no token"))
    bench.submit(1)
    bench.opening = None
    bench.submit(2)
    code = "SASL_AUTHENTICATION_FAILED"
    assert [LetterRefused(1, code), LetterRefused(2, code)] == bench.answers()
    assert "no connection for dead letters" in caplog.text
    bench.clock.pass_seconds(LOG_IN_AGAIN_NS / NS_PER_SECOND)
    bench.submit(3)
    assert 1 == len(bench.producer.produced)


def test_unreadable_headers_are_refused(bench: Bench) -> None:
    """A record whose headers the library cannot give waits for a person; nothing of it is sent."""

    class Unreadable(Original):
        def headers(self) -> list[tuple[str, bytes | None]] | None:
            raise SystemError("the library's own")

    bench.letters.submit(letter(1, Unreadable()))
    assert [LetterRefused(1, "HEADERS_UNREADABLE")] == bench.answers()
    assert [] == bench.producers


def test_closing_gives_up_what_is_under_way(bench: Bench) -> None:
    """After it nothing is acknowledged any more, and a second close does nothing."""
    bench.submit(1)
    bench.letters.close()
    bench.letters.close()
    assert bench.producer.purged
    assert [] == bench.answers()


def test_a_letter_after_the_end_is_our_own_mistake(bench: Bench) -> None:
    """It would be settled by nothing, so it is said loudly."""
    bench.letters.close()
    with pytest.raises(InvariantError):
        bench.submit(1)


def test_an_error_of_the_client_is_said_once_a_minute(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """The client says the same at each attempt to reach a broker."""
    bench.submit(1)
    for broker in range(3):
        bench.producer.keys["error_cb"](KafkaError(KafkaError._TRANSPORT, f"broker {broker} is gone"))
    assert ["dead letters: broker 0 is gone (_TRANSPORT)"] == caplog.messages


def test_no_payload_is_shown(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a repr nor a log line holds a key, a value or a header."""
    caplog.set_level(logging.DEBUG)
    secret = letter(1, Original(SECRET, SECRET, (("h", SECRET),)))
    bench.letters.submit(secret)
    bench.producer.settle(KafkaError.MSG_SIZE_TOO_LARGE)
    shown = f"{bench.letters!r} {bench.answers()!r} {secret!r} {caplog.text}"
    assert SECRET.decode() not in shown
    assert "letters" in repr(bench.letters)


def test_settings_that_cannot_be_are_refused_at_once() -> None:
    """A wrong key is told before anything runs."""
    settings = MemberSettings(("b:9092",), "doka", frozenset({"orders"}), client={"acks": "0"})
    with pytest.raises(UsageError, match="acks may not be set here"):
        KafkaLetters(settings, "letters", ManualClock())


def test_without_a_token_no_producer_is_made(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """It would hold the loop for ten seconds; the letter is refused at once, and the log says what is missing."""
    monkeypatch.setattr(letters_module, "Producer", None)  # to make one would fail
    security = KafkaSecurity("sasl_ssl", "aws_msk_iam")
    settings = MemberSettings(("b:9092",), "doka", frozenset({"orders"}), security=security)
    letters = KafkaLetters(settings, "letters", ManualClock(), ScriptedTokens(last_error="no keys here"))
    letters.submit(letter(1, Original()))

    assert [LetterRefused(1, "_AUTHENTICATION")] == letters.answers()
    missing = "no token for Kafka: no keys here; check the AWS credentials"
    assert [f"no connection for dead letters: {missing}"] == caplog.messages
