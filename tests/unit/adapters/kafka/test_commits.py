from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from confluent_kafka import KafkaError
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.kafka.commits import SentCommits
from doka.domain.commands import CommitOffsets
from doka.domain.events import CommitAnswered
from doka.domain.partitions.start_positions import Birth
from doka.domain.records import TopicPartition
from tests.unit.adapters.kafka.scripted import P0, P1, ScriptedConsumer


def answer(offsets: dict[TopicPartition, int], error: KafkaError | None = None) -> list[Any]:
    """Make what librdkafka hands to its callback (its own class lets nobody else set an error)."""
    return [
        SimpleNamespace(topic=p.topic, partition=p.partition, offset=offset, error=error)
        for p, offset in offsets.items()
    ]


def client() -> tuple[ScriptedConsumer, Any]:
    """Give a scripted client twice: as itself and as what it stands in for."""
    consumer = ScriptedConsumer()
    return consumer, consumer


def test_answers_in_order_get_their_serials() -> None:
    """The oldest commit with the same offsets is the one that was answered."""
    commits, (_, consumer) = SentCommits(note=lambda _: None), client()
    for serial, offset in ((1, 5), (2, 6), (3, 6)):
        commits.send(consumer, CommitOffsets(serial, {P0: offset}))

    for offset in (5, 6, 6):
        commits.answered(None, answer({P0: offset}))

    assert [CommitAnswered(1), CommitAnswered(2), CommitAnswered(3)] == commits.take_answers()
    assert not commits.take_answers()


def test_an_answer_out_of_order_finds_its_own() -> None:
    """Where answers overtake each other, the offsets tell which commit was meant."""
    commits, (_, consumer) = SentCommits(note=lambda _: None), client()
    commits.send(consumer, CommitOffsets(1, {P0: 5}))
    commits.send(consumer, CommitOffsets(2, {P0: 9, P1: 2}))

    commits.answered(KafkaError(KafkaError.REBALANCE_IN_PROGRESS), answer({P1: 2, P0: 9}))
    commits.answered(None, answer({P0: 5}))

    assert [CommitAnswered(2, "REBALANCE_IN_PROGRESS"), CommitAnswered(1)] == commits.take_answers()


def test_an_answer_with_other_offsets_is_the_oldests() -> None:
    """An answer without its offsets (the client lost them) is taken for the oldest commit, so that none waits for ever."""
    commits, (_, consumer) = SentCommits(note=lambda _: None), client()
    commits.send(consumer, CommitOffsets(1, {P0: 5}))
    commits.send(consumer, CommitOffsets(2, {P0: 6}))

    commits.answered(KafkaError(KafkaError._DESTROY), [])

    assert [CommitAnswered(1, "_DESTROY")] == commits.take_answers()


def test_an_answer_to_nothing_is_ignored() -> None:
    """An answer that nobody waits for makes no event."""
    commits = SentCommits(note=lambda _: None)

    commits.answered(None, answer({P0: 1}))

    assert not commits.take_answers()


def test_one_refused_partition_refuses_the_commit() -> None:
    """Where Kafka stored some offsets and refused others, the commit did not succeed, and the partition is named."""
    commits, (_, consumer) = SentCommits(note=lambda _: None), client()
    commits.send(consumer, CommitOffsets(1, {P0: 5}))

    commits.answered(None, answer({P0: 5}, KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)))

    assert [CommitAnswered(1, "orders[0]: UNKNOWN_TOPIC_OR_PART")] == commits.take_answers()


def test_a_start_is_sent_until_it_is_stored_and_answers_nobody() -> None:
    """A starting position goes out once at a time, again after a refusal, and never as an event."""
    commits, (script, consumer) = SentCommits(note=lambda _: None), client()
    commits.owned({P0: 7}, {}, {})

    commits.send_starts(consumer)
    commits.send_starts(consumer)
    commits.answered(KafkaError(KafkaError.UNKNOWN_MEMBER_ID), answer({P0: 7}))
    commits.send_starts(consumer)
    commits.answered(None, answer({P0: 7}))
    commits.send_starts(consumer)

    assert [("commit", {0: 7}), ("commit", {0: 7})] == script.deeds
    assert not commits.take_answers()


def test_a_real_commit_replaces_a_start() -> None:
    """Once the ledger commits a partition, its start is old and is not sent over it."""
    commits, (script, consumer) = SentCommits(note=lambda _: None), client()
    commits.owned({P0: 7}, {}, {})
    commits.send(consumer, CommitOffsets(1, {P0: 9}))

    commits.send_starts(consumer)

    assert [("commit", {0: 9})] == script.deeds


def test_a_forgotten_partition_is_not_started() -> None:
    """After a revoke nothing of ours is sent for the partition."""
    commits, (script, consumer) = SentCommits(note=lambda _: None), client()
    commits.owned({P0: 7, P1: 8}, {}, {})
    commits.forget([P0])

    commits.send_starts(consumer)

    assert [("commit", {1: 8})] == script.deeds


def test_each_commit_carries_the_birth() -> None:
    """The group's birth on a topic, and the topic's id, travel in every commit of it, so that they outlive all members."""
    commits, (script, consumer) = SentCommits(note=lambda _: None), client()
    sent: list[KafkaPartition] = []
    script.commit = lambda offsets, asynchronous: sent.extend(offsets)  # type: ignore[method-assign] # to see metadata
    commits.owned({}, {P0: Birth(5, 2)}, {P1: "id-1"})

    commits.send(consumer, CommitOffsets(1, {P0: 9, P1: 9}))

    assert [str(Birth(5, 2)), "doka:topic=id-1"] == [partition.metadata for partition in sent]


def test_a_note_goes_with_the_commit_that_has_it() -> None:
    """And with no later one; the answer finds its commit though both name the same offset."""
    commits, (script, consumer) = SentCommits(note=lambda _: None), client()
    sent: list[KafkaPartition] = []
    script.commit = lambda offsets, asynchronous: sent.extend(offsets)  # type: ignore[method-assign] # to see metadata
    commits.owned({}, {}, {P0: "id-1"})
    commits.send(consumer, CommitOffsets(1, {P0: 9}, {P0: "CF"}))
    commits.send(consumer, CommitOffsets(2, {P0: 9}))
    assert ["doka:topic=id-1:left=CF", "doka:topic=id-1"] == [partition.metadata for partition in sent]
    commits.answered(None, sent[:1])
    assert [CommitAnswered(1)] == commits.take_answers()
