from __future__ import annotations

from confluent_kafka import KafkaException

from doka.adapters.kafka.client import ClientUnusableError
from doka.adapters.kafka.question import Question
from tests.waiting import eventually


def test_one_question_at_a_time_and_each_answer_once() -> None:
    """The next is refused until the answer was taken."""
    question: Question[int, int] = Question(lambda number: number + 1, 0)
    assert question.ask(1)
    assert not question.ask(5)

    assert 2 == eventually(question.answer, what="the answer")
    assert None is question.answer()
    assert question.ask(5)


def test_a_question_that_fails_is_answered_by_nothing() -> None:
    """No token for a client, or a broker that does not answer: the way is free for the next try."""
    for error in (ClientUnusableError("no token"), KafkaException("away")):

        def fail(_: int, error: Exception = error) -> str:
            raise error

        question: Question[int, str] = Question(fail, "nothing")
        question.ask(1)
        assert "nothing" == eventually(question.answer, what="the answer")
        assert question.ask(2)
