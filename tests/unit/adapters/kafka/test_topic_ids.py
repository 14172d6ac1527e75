from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaException, TopicCollection, Uuid

from doka.adapters.kafka import topic_ids as topic_ids_module
from doka.adapters.kafka.client import ClientUnusableError
from doka.adapters.kafka.topic_ids import topic_ids
from doka.domain.partitions.start_positions import metadata_of, topic_id_in
from tests.manual_clock import ManualClock


def told(topic_id: Uuid | None) -> Future[Any]:
    """Give an answer."""
    future: Future[Any] = Future()
    future.set_result(SimpleNamespace(topic_id=topic_id))
    return future


def refused() -> Future[Any]:
    """Give a refusal."""
    future: Future[Any] = Future()
    future.set_exception(KafkaException("UNKNOWN_TOPIC_OR_PART"))
    return future


def test_each_topic_that_may_be_seen_has_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing topic, a refused one, and a cluster that knows no ids say nothing."""
    known = Uuid(1, 2)
    answers = {"orders": told(known), "gone": refused(), "old": told(Uuid(0, 0)), "older": told(None)}

    class Client:
        def __init__(self, keys: dict[str, Any]) -> None:
            assert "b:9092" == keys["bootstrap.servers"]

        def describe_topics(self, topics: TopicCollection, request_timeout: float) -> dict[str, Future[Any]]:
            assert request_timeout > 0
            return answers

    monkeypatch.setattr(topic_ids_module, "new_admin_client", Client)

    assert {"orders": str(known)} == topic_ids({"bootstrap.servers": "b:9092"}, ManualClock(), tuple(answers))


@pytest.mark.parametrize("bits", [0, 1, -1, 2**63 - 1, -(2**63), 0x3EFFBF3EFFBF3EFF])
def test_what_the_client_calls_a_topic_is_read_from_a_commit_again(bits: int) -> None:
    """Its letters are those of librdkafka, whichever those are."""
    topic_id = str(Uuid(bits, bits))
    assert topic_id == topic_id_in(metadata_of(None, topic_id))


def test_a_client_that_cannot_be_made_is_said_so() -> None:
    """No token at the moment: the question is asked again."""
    with pytest.raises(ClientUnusableError):
        topic_ids({"no.such.key": 1}, ManualClock(), ("orders",))
