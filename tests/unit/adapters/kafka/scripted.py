"""A client whose every `consume` is written by the test: for races that no real broker can be made to show on demand."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.kafka import source as source_module
from doka.adapters.kafka.columns import AnyMessage
from doka.adapters.kafka.far_side import FarSide
from doka.adapters.kafka.inquirer import ClusterAnswer
from doka.adapters.kafka.settings import MemberSettings
from doka.adapters.kafka.source import KafkaSource
from doka.domain.records import TopicPartition
from tests.manual_clock import ManualClock

Step = Callable[["ScriptedConsumer"], list[AnyMessage]]
P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)


@dataclass
class ScriptedTokens:
    """A source of tokens for logins, which notes what it is told."""

    last_error: str | None = None
    signer: str = "nobody"
    refusals: int = 0

    def __call__(self, _config: str, /) -> tuple[str, float]:
        """Give a token; raises what is wrong."""
        if self.last_error is not None:
            raise LookupError(self.last_error)
        return "token", 0.0

    def refused(self) -> None:
        """Count."""
        self.refusals += 1


@dataclass
class ScriptedConsumer:
    """Does in each `consume` what the next step says, and writes down what it is told to do."""

    keys: Mapping[str, Any] = field(default_factory=dict)
    steps: deque[Step] = field(default_factory=deque)
    callbacks: dict[str, Callable[[Any, Sequence[KafkaPartition]], None]] = field(default_factory=dict)
    deeds: list[tuple[str, object]] = field(default_factory=list)
    stored: dict[TopicPartition, int] = field(default_factory=lambda: {P0: 0, P1: 0})
    failing: dict[str, KafkaError] = field(default_factory=dict)
    """Calls that raise this error."""
    asked: list[int] = field(default_factory=list)
    """For how many messages it was asked, each time."""

    def subscribe(self, _topics: list[str], **callbacks: Callable[[Any, Sequence[KafkaPartition]], None]) -> None:
        """Keep the callbacks."""
        self.callbacks = callbacks

    def consume(self, count: int, timeout: float) -> list[AnyMessage]:
        """Take the next step; nothing comes when there is none. It is never let wait, for it would by the wall clock."""
        assert 0 == timeout
        self.asked.append(count)
        return self.steps.popleft()(self) if self.steps else []

    def call(self, name: str, *partitions: TopicPartition) -> None:
        """Run one of librdkafka's callbacks."""
        self.callbacks[name](self, [KafkaPartition(*partition) for partition in partitions])

    def committed(self, partitions: list[KafkaPartition], timeout: float) -> list[KafkaPartition]:
        """Give the stored offsets."""
        self._do("committed", None)
        return [
            KafkaPartition(p.topic, p.partition, self.stored.get(TopicPartition(p.topic, p.partition), -1001))
            for p in partitions
        ]

    def seek(self, partition: KafkaPartition) -> None:
        """Note the place."""
        self._do("seek", (partition.partition, partition.offset))

    def incremental_assign(self, partitions: list[KafkaPartition]) -> None:
        """Note the places."""
        self._do("assign", [(p.partition, p.offset) for p in partitions])

    def incremental_unassign(self, partitions: list[KafkaPartition]) -> None:
        """Note the partitions."""
        self._do("unassign", sorted(p.partition for p in partitions))

    def pause(self, partitions: list[KafkaPartition]) -> None:
        """Note the partitions."""
        self._do("pause", sorted(p.partition for p in partitions))

    def resume(self, partitions: list[KafkaPartition]) -> None:
        """Note the partitions."""
        self._do("resume", sorted(p.partition for p in partitions))

    def commit(self, offsets: list[KafkaPartition], asynchronous: bool) -> None:  # noqa: FBT001 - the client's own call
        """Note the offsets; only a commit without waiting is allowed."""
        assert asynchronous
        self._do("commit", {p.partition: p.offset for p in offsets})

    def memberid(self) -> str:
        """Note the question."""
        self._do("memberid", None)
        return "member-1"

    def close(self) -> None:
        """Do nothing."""

    def seeks(self) -> list[object]:
        """Give the places that were sought."""
        return [what for deed, what in self.deeds if deed == "seek"]

    def _do(self, name: str, what: object) -> None:
        if name in self.failing:
            raise KafkaException(self.failing[name])
        self.deeds.append((name, what))


@dataclass
class ScriptedInquirer:
    """Answers at once what the test has written down; without it, nothing."""

    logs: dict[TopicPartition, tuple[int, int]] = field(default_factory=dict)
    topics: dict[str, int] = field(default_factory=lambda: {"orders": 2})
    open: ClusterAnswer | None = None

    def ask(self, logs: Iterable[TopicPartition], topics: Iterable[str]) -> bool:
        """Prepare the answer."""
        known = {partition: self.logs[partition] for partition in logs if partition in self.logs}
        self.open = ClusterAnswer(known, {topic: self.topics[topic] for topic in topics if topic in self.topics})
        return True

    def answer(self) -> ClusterAnswer | None:
        """Give the answer once."""
        answer, self.open = self.open, None
        return answer


def brings(*messages: AnyMessage) -> Step:
    """Make a step that only brings messages."""
    return lambda _consumer: list(messages)


def calls(name: str, *partitions: TopicPartition, brings: Sequence[AnyMessage] = ()) -> Step:
    """Make a step in which a callback runs while the client already holds these messages."""

    def step(consumer: ScriptedConsumer) -> list[AnyMessage]:
        consumer.call(name, *partitions)
        return list(brings)

    return step


def open_source(
    monkeypatch: pytest.MonkeyPatch,
    listener: Any,
    clock: ManualClock | None = None,
    inquirer: ScriptedInquirer | None = None,
) -> tuple[KafkaSource, ScriptedConsumer]:
    """Open a source on a scripted client."""
    asked = inquirer or ScriptedInquirer()
    monkeypatch.setattr(source_module, "Inquirer", lambda *_arguments: asked)
    monkeypatch.setattr(source_module, "far_side", lambda _connection, _clock, damage: FarSide(damage, damage.first))
    monkeypatch.setattr(source_module, "topic_ids", lambda _connection, _clock, _topics: {})
    monkeypatch.setattr(source_module, "standing_orders", lambda *_arguments: {})
    consumer = ScriptedConsumer()

    def new_consumer(keys: Mapping[str, Any]) -> Consumer:
        consumer.keys = keys
        made: Any = consumer
        return made  # type: ignore[no-any-return] # it stands in for the client

    monkeypatch.setattr(source_module, "new_consumer", new_consumer)
    source = KafkaSource(MemberSettings(("b:9092",), "doka", frozenset({"orders"})), clock or ManualClock())
    source.open(listener)
    return source, consumer
