"""The same cases against both adapters of the port `DeadLetters`: the one to Kafka, and the simulated one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import pytest
from confluent_kafka import KafkaError

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka.letters import KafkaLetters
from doka.adapters.kafka.settings import MemberSettings
from doka.adapters.simulated.letters import SimulatedLetters
from doka.adapters.simulated.plan import CALM, Plan
from doka.adapters.simulated.world import World
from doka.adapters.system.clock import SystemClock
from doka.domain.commands import SendLetter
from doka.domain.errors import InvariantError
from doka.domain.events import Event, LetterAcknowledged, LetterRefused
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.ports import DeadLetters
from doka.domain.records import TopicPartition
from tests.dead_letters import Original, letter, read_topic
from tests.waiting import eventually

ORDERS_0 = TopicPartition("orders", 0)
PRODUCE = 0  # the key of Kafka's request
Place = tuple[TopicPartition, int]


class Post(Protocol):
    """A dead-letter topic with weather that a test makes."""

    port: DeadLetters

    def turn(self) -> None:
        """Let a little time pass."""

    def stored(self, count: int) -> list[Place]:
        """Give where the letters in the topic come from, once there are so many."""

    def refuse_the_next(self) -> None:
        """Let the next letter be refused."""

    def fall_silent(self) -> None:
        """Let nobody answer any more."""

    def answer_again(self) -> None:
        """End the silence."""


class KafkaPost:
    """The real adapter on librdkafka's mock brokers."""

    def __init__(self, cluster: KafkaCluster) -> None:
        cluster.create_topic("letters", 1)
        self.cluster = cluster
        servers = (cluster.bootstrap_servers,)
        settings = MemberSettings(servers, "doka", frozenset({"orders"}), client={"reconnect.backoff.max.ms": 100})
        self.port: DeadLetters = KafkaLetters(settings, "letters", SystemClock())

    def turn(self) -> None:
        """Time passes by itself."""

    def stored(self, count: int) -> list[Place]:
        ours = [found.ours for found in read_topic(self.cluster.bootstrap_servers, "letters", count)]
        return [
            (TopicPartition(o["doka-source-topic"], int(o["doka-source-partition"])), int(o["doka-source-offset"]))
            for o in ours
        ]

    def refuse_the_next(self) -> None:
        self.cluster.push_errors(PRODUCE, [KafkaError.MSG_SIZE_TOO_LARGE])

    def fall_silent(self) -> None:
        self.cluster.set_down()

    def answer_again(self) -> None:
        self.cluster.set_up()


class SimulatedPost:
    """The simulated adapter in a world of its own."""

    def __init__(self) -> None:
        self.world = World(Plan(seed=1))
        self.port: DeadLetters = SimulatedLetters(self.world, self.world.begin_life())

    def turn(self) -> None:
        self.world.timeline.pass_to(self.world.timeline.now + 10 * NS_PER_MS)
        self.world.rates = CALM

    def stored(self, count: int) -> list[Place]:
        assert len(self.world.letters) >= count
        return list(self.world.letters)

    def refuse_the_next(self) -> None:
        self.world.rates = replace(CALM, letter_refused=1.0)

    def fall_silent(self) -> None:
        self.world.letters_down_until = self.world.timeline.now + 3600 * NS_PER_SECOND

    def answer_again(self) -> None:
        self.world.letters_down_until = 0


@pytest.fixture(params=["kafka", "simulated"])
def post(request: pytest.FixtureRequest) -> Iterator[Post]:
    """Give each adapter, with a letter behind it: the first one makes the connection."""
    if request.param == "simulated":
        yield SimulatedPost()
        return
    with KafkaCluster() as cluster:
        post = KafkaPost(cluster)
        yield post
        post.port.close()


def from_offset(number: int, offset: int) -> SendLetter:
    """Make a letter of one record of orders[0]."""
    return letter(number, source=ORDERS_0, offset=offset)


def answers_of(post: Post, count: int) -> list[Event]:
    """Turn until so many answers came."""
    answers: list[Event] = []

    def enough() -> bool:
        post.turn()
        answers.extend(post.port.answers())
        return len(answers) >= count

    eventually(enough, within=60, what=f"{count} answers")
    return answers


def test_an_acknowledged_letter_is_in_the_topic(post: Post) -> None:
    """When the answer is there, so is the letter, and it says where it came from."""
    post.port.submit(from_offset(1, 41))
    assert [LetterAcknowledged(1)] == answers_of(post, 1)
    assert [(ORDERS_0, 41)] == post.stored(1)


def test_each_letter_is_answered_once(post: Post) -> None:
    """A hundred letters have a hundred answers, and after them there is silence."""
    for number in range(100):
        post.port.submit(from_offset(number, 1000 + number))
    answers = answers_of(post, 100)
    for _ in range(20):
        post.turn()
        answers += post.port.answers()
    assert {LetterAcknowledged(number) for number in range(100)} == set(answers)
    assert 100 == len(answers)
    assert {(ORDERS_0, 1000 + number) for number in range(100)} == set(post.stored(100))


def test_nothing_is_answered_before_it_was_submitted(post: Post) -> None:
    """Asking costs nothing and invents nothing."""
    assert [] == list(post.port.answers())
    post.turn()
    assert [] == list(post.port.answers())


def test_a_refused_letter_can_be_sent_again(post: Post) -> None:
    """A refusal has a code, is no acknowledgement, and stands in nobody's way."""
    post.port.submit(from_offset(1, 7))
    answers_of(post, 1)
    post.refuse_the_next()
    post.port.submit(from_offset(2, 8))
    (refused,) = answers_of(post, 1)
    assert isinstance(refused, LetterRefused)
    assert (2, True) == (refused.letter, bool(refused.code))
    post.port.submit(from_offset(3, 8))
    assert [LetterAcknowledged(3)] == answers_of(post, 1)
    assert [(ORDERS_0, 7), (ORDERS_0, 8)] == post.stored(2)


def test_silence_is_never_an_acknowledgement(post: Post) -> None:
    """While nobody answers, a letter is under way or refused; when somebody does again, letters are stored."""
    post.port.submit(from_offset(1, 1))
    answers_of(post, 1)
    post.fall_silent()
    post.port.submit(from_offset(2, 2))
    clock = SystemClock()
    until = clock.now() + NS_PER_SECOND // 2
    meanwhile: list[Event] = []

    def passed() -> bool:
        post.turn()
        meanwhile.extend(post.port.answers())
        return clock.now() > until

    eventually(passed, what="half a second of silence")
    assert [] == [event for event in meanwhile if isinstance(event, LetterAcknowledged)]
    post.answer_again()
    post.port.submit(from_offset(3, 3))
    answers = meanwhile + answers_of(post, 2 - len(meanwhile))
    assert {2, 3} == {event.letter for event in answers if isinstance(event, LetterAcknowledged | LetterRefused)}
    assert LetterAcknowledged(3) in answers


def test_after_the_end_nothing_is_answered(post: Post) -> None:
    """Closing gives up what is under way: nobody hears of it, however it ends."""
    post.port.submit(from_offset(1, 1))
    post.port.close()
    for _ in range(20):
        post.turn()
        assert [] == list(post.port.answers())


def test_nothing_is_sent_after_the_end(post: Post) -> None:
    """A letter that could not be answered any more is a broken invariant, not a quiet loss."""
    post.port.close()
    with pytest.raises(InvariantError):
        post.port.submit(letter(1, Original()))
